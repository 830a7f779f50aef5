"""An undefended network and its cohort for every kind of output, in two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort
from audit.errors import InputError
from audit.testing._cohorts import ArrayImages, small_cohort
from audit.testing._modules import modules, undrawn
from audit.testing._networks import declared
from audit.testing._phantom import LEVEL, Signals, checkerboard, lesion_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Made = tuple[Any, Cohort]

TOLERANCE = 10.0
"""Clinical tolerance of the regression head, a code of 1, in the target's unit."""

HORIZON = 365.0
"""Horizon of the survival head, in days."""

_LESION_FINE, _LESION_COARSE = 0.008, 0.02


def head(name: str, rng: np.random.Generator, *, n: int = 80, hidden: bool = False) -> tuple[Any, Cohort]:
    """Return an undefended network with one kind of output, and a cohort that it answers well.

    The answers rest on patterns of less than 2/255 of the range, so an attack of twice that size overturns nearly all
    of them. Gradients are honest; an attack that leaves such a network standing is at fault.

    Args:
        name: One of `HEADS`.
        rng: Draws the cohort.
        n: Cases.
        hidden: The same decisions without a gradient, beside a weak branch that has one: nothing that follows gradients
            may call it robust.

    Returns:
        A new `audit.models.TorchModel` and its cohort; of images (n, 1, *spatial) in [0, 1].

    Raises:
        InputError: No such head.
        MissingExtraError: torch is not installed.
    """
    if name not in _BUILD:
        raise InputError(f"no head {name!r}", expected=f"one of {', '.join(_BUILD)}", got=repr(name))
    with undrawn():
        model, cohort = _BUILD[name](rng, n)
        return (_hidden(model) if hidden else model), cohort


def _hidden(model: Any) -> Any:
    """Return the model with its decisions cut off from the graph."""
    card = model.card
    how = {"regression": "stairs", "multiclass": "winner", "ordinal": "winner"}.get(card.task, "signs")
    if len(card.classes) == 2 == len(model.predict(np.full((1, 1, *card.input.size), LEVEL, dtype=np.float32))[0]):
        how = "winner" if card.task == "binary" else how
    levels = None
    if card.output == "probabilities":
        declared_points = card.operating_point
        points = list(declared_points.values()) if isinstance(declared_points, Mapping) else [declared_points]
        levels = [float(np.log(p / (1 - p))) for p in points]
    # The network itself, since the pipeline of the new model prepares the images again.
    return declared(
        modules().Hidden(model.module.net, how, levels), card.input.size, tile=card.input.tile, task=card.task,
        output=card.output, classes=card.classes, operating_point=card.operating_point,
        clinical_tolerance=card.clinical_tolerance, horizon=card.horizon,
    )  # fmt: skip


def _cohort(
    targets: NDArray[Any], signals: Signals, code: NDArray[Any], rng: np.random.Generator, **more: Any
) -> Cohort:
    return small_cohort(targets, images=ArrayImages(array=signals.images(code, rng)), **more)


def _binary(rng: np.random.Generator, n: int, *, two: bool = False, shape: tuple[int, ...] = (16, 16)) -> Made:
    signals, target = Signals(shape=shape), rng.permutation(np.arange(n) % 2)
    net = modules().Readout(signals)
    if two:
        net = modules().Affine(net, [[-0.5], [0.5]], [1.0, 1.0])
    model = declared(net, shape, task="binary", output="logits", classes=("negative", "positive"))
    return model, _cohort(target, signals, 2.0 * target[:, None] - 1, rng)


def _multiclass(rng: np.random.Generator, n: int) -> Made:
    signals, target = Signals(codes=3), rng.permutation(np.arange(n) % 3)
    names = ("a", "b", "c")
    model = declared(
        modules().Readout(signals), signals.shape, task="multiclass", output="logits", classes=names,
        operating_point=None,
    )  # fmt: skip
    return model, _cohort(target, signals, np.eye(3)[target], rng, classes=names)


def _multilabel(rng: np.random.Generator, n: int) -> Made:
    signals, names = Signals(codes=2), ("effusion", "nodule")
    target = np.stack([rng.permutation(np.arange(n) % 2) for _ in names], axis=1)
    net = modules().Scaled(modules().Readout(signals), 0.2, "sigmoid")
    points = {"effusion": 0.5, "nodule": 0.3}
    model = declared(
        net, signals.shape, task="multilabel", output="probabilities", classes=names, operating_point=points
    )
    return model, _cohort(target, signals, 2.0 * target - 1, rng, classes=names)


def _ordinal(rng: np.random.Generator, n: int) -> Made:
    signals, target = Signals(), rng.permutation(np.arange(n) % 4)
    codes = 1.2 * (np.arange(4) - 1.5)
    names = ("none", "mild", "moderate", "severe")
    # The nearest code wins: -(f - gain c)² / 2 without the term that all grades share.
    net = modules().Affine(modules().Readout(signals), codes[:, None], -signals.gain * codes**2 / 2)
    model = declared(
        net, signals.shape, task="ordinal", output="logits", classes=names, operating_point=None,
        clinical_tolerance=1.0,
    )  # fmt: skip
    return model, _cohort(target, signals, codes[target][:, None], rng, classes=names)


def _regression(rng: np.random.Generator, n: int) -> Made:
    signals, code = Signals(), rng.uniform(-1, 1, n)
    net = modules().Affine(modules().Readout(signals), [[TOLERANCE / signals.gain]], 50.0)
    model = declared(
        net, signals.shape, task="regression", output="value", operating_point=None, clinical_tolerance=TOLERANCE
    )
    return model, _cohort(50 + TOLERANCE * code, signals, code[:, None], rng, classes=())


def _segmentation(
    rng: np.random.Generator, n: int, *, shape: tuple[int, ...] = (24, 24), tile: tuple[int, ...] | None = None
) -> Made:
    masks = lesion_masks(n, shape, rng)
    lesion = _LESION_FINE * checkerboard(shape) + _LESION_COARSE
    images = LEVEL + masks * lesion + rng.normal(0, 0.006 if len(shape) == 2 else 0.004, masks.shape)
    net = modules().Segmenter(len(shape), _LESION_FINE, _LESION_COARSE)
    names = ("background", "lesion")
    model = declared(
        net, shape, tile=tile, task="segmentation", output="mask_logits", classes=names, operating_point=None,
        clinical_tolerance=0.5,
    )  # fmt: skip
    return model, small_cohort(
        np.zeros(n), classes=names, images=ArrayImages(array=images[:, None].astype(np.float32)),
        masks=ArrayImages(array=masks[:, None]),
    )  # fmt: skip


def _detection(rng: np.random.Generator, n: int) -> Made:
    signals, target = Signals(codes=4, fine=0.008, local=True), rng.permutation(np.arange(n) % 2)
    place = np.eye(4)[rng.integers(0, 4, n)] * target[:, None]
    # A candidate is about as far above the threshold with a lesion as below it without one.
    net = modules().Affine(modules().Readout(signals), np.eye(4) / 4, -signals.gain / 8)
    model = declared(net, signals.shape, task="detection", output="logits", classes=("negative", "positive"))
    return model, _cohort(target, signals, place, rng)


def _survival(rng: np.random.Generator, n: int) -> Made:
    signals, early = Signals(), rng.permutation(np.arange(n) % 2) == 1
    event = early | (rng.random(n) < 0.5)
    time = np.where(early, rng.uniform(30, HORIZON - 30, n), rng.uniform(HORIZON + 30, 1500, n))
    # One in ten is lost to follow-up before the horizon, and nobody knows what became of it.
    lost = rng.random(n) < 0.1
    time, event = np.where(lost, rng.uniform(1, HORIZON - 30, n), time), event & ~lost
    net = modules().Scaled(modules().Readout(signals), 0.2, "sigmoid")
    model = declared(net, signals.shape, task="survival", output="probabilities", horizon=HORIZON)
    return model, _cohort(time, signals, np.where(early, 1.0, -1.0)[:, None], rng, event=event, classes=())


_BUILD: Mapping[str, Callable[[np.random.Generator, int], tuple[Any, Cohort]]] = {
    "single-logit": _binary,
    "two-logit": lambda rng, n: _binary(rng, n, two=True),
    "multiclass": _multiclass,
    "multilabel": _multilabel,
    "ordinal": _ordinal,
    "regression": _regression,
    "segmentation": _segmentation,
    "detection": _detection,
    "survival": _survival,
    "single-logit-3d": lambda rng, n: _binary(rng, n, shape=(8, 8, 8)),
    "segmentation-3d": lambda rng, n: _segmentation(rng, n, shape=(16, 12, 12)),
    "segmentation-3d-tiled": lambda rng, n: _segmentation(rng, n, shape=(20, 12, 12), tile=(8, 12, 12)),
}
HEADS: tuple[str, ...] = tuple(_BUILD)
"""Names that `head` takes."""
