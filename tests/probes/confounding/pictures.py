"""Small images with bright lesions, dark distractors and shortcuts, and models that read one of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audit.core import (
    BUDGETS,
    Access,
    Cohort,
    InputSpec,
    Levels,
    Limit,
    ModelCard,
    Policy,
    Probe,
    ProbeContext,
    ProbeResult,
    Rule,
)
from audit.edits import Telltale
from audit.judge import judge
from audit.testing import ArrayImages, FunctionModel, context, small_cohort

SIZE, LEVEL, NOISE, CONTRAST = 24, 100.0, 4.0, 60.0
BUDGET = replace(BUDGETS["smoke"], edit_cases=None, resamples=200)
SPOT = np.array([[0.5, 1.0, 0.5], [1.0, 1.0, 1.0], [0.5, 1.0, 0.5]])
SUM = float(CONTRAST * SPOT.sum())
RAMP = np.linspace(-1, 1, SIZE)


def place(rng: np.random.Generator, taken: np.ndarray) -> tuple[int, ...] | None:
    """Return a free place for a spot of three by three, two pixels from any other; None without room."""
    for _ in range(200):
        at = tuple(int(rng.integers(5, s - 7)) if s > 14 else int(rng.integers(1, s - 1)) for s in taken.shape)
        box = tuple(slice(a - 3, a + 4) for a in at)
        if not taken[box].any():
            return at
    return None


def picture(rng: np.random.Generator, lesions: int, distractors: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image, the mask of its lesions and that of its distractors."""
    image = LEVEL + rng.normal(0, NOISE, (SIZE, SIZE))
    masks = np.zeros((2, SIZE, SIZE), dtype=bool)
    for kind, count in ((0, lesions), (1, distractors)):
        for _ in range(count):
            at = place(rng, masks.any(axis=0))
            if at is None:
                continue
            box = tuple(slice(a - 1, a + 2) for a in at)
            image[box] += (CONTRAST if kind == 0 else -CONTRAST) * SPOT
            masks[kind][box] = True
    return np.rint(np.clip(image, 0, 255)), masks[0], masks[1]


def cohort_of(
    *, n: int = 80, seed: int = 0, counts: tuple[tuple[int, int], tuple[int, int]] = ((0, 1), (2, 4)),
    distractors: int = 0, shortcut: float = 0.0, targets: str = "label", masks: bool = True,
) -> Cohort:  # fmt: skip
    """Return a cohort; half of it are cases.

    Args:
        n: Cases and controls.
        seed: Of the images.
        counts: Fewest and most lesions of controls and of cases.
        distractors: Most distractors of an image.
        shortcut: Brightness that the whole image of a case has more, as another ward's detector would.
        targets: "label", or "count" for the number of lesions.
        masks: Whether lesions have masks.
    """
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 2)
    drawn = [
        picture(rng, int(rng.integers(counts[y][0], counts[y][1] + 1)), int(rng.integers(0, distractors + 1)))
        for y in label.tolist()
    ]
    images = np.stack([d[0] for d in drawn])[:, None] + np.where(label, shortcut, 0.0)[:, None, None, None]
    lesions, others = (np.stack([d[i] for d in drawn])[:, None].astype(np.uint8) for i in (1, 2))
    from scipy.ndimage import label as connected

    values: Any = label
    if targets == "count":
        values = np.array([connected(m[0], np.ones((3, 3)))[1] for m in lesions], dtype=np.float64)
    made = small_cohort(
        values, images=ArrayImages(array=images.astype(np.float32)),
        masks=ArrayImages(array=lesions) if masks else None,
        classes=("few", "many") if targets == "label" else (), spacing_mm=(1.0, 1.0),
    )  # fmt: skip
    return replace(made, distractors={"lacune": ArrayImages(array=others)}) if distractors else made


def model_of(answer: Callable[[np.ndarray], np.ndarray], *, task: str = "binary", **more: Any) -> FunctionModel:
    """Return a model of 8-bit images from a function of (n, *spatial) values."""
    output = {"binary": "logits", "regression": "value", "segmentation": "mask_logits"}[task]
    card = ModelCard(
        name="planted", kind="callable", task=task, output=output, access=Access.QUERY, digest="planted",
        classes=("few", "many") if task == "binary" else (),
        operating_point=0.5 if task == "binary" else None, phantom=True,
        input=InputSpec(range=(0.0, 255.0), size=(SIZE, SIZE), unit="grey level"), **more,
    )  # fmt: skip
    return FunctionModel(card=card, answer=lambda x: np.asarray(answer(x[:, 0]), dtype=float))


def bright(x: np.ndarray) -> np.ndarray:
    """Return how many lesions' worth of brightness stands out of the surroundings, whatever their level."""
    level = np.median(x, axis=tuple(range(1, x.ndim)), keepdims=True)
    out = np.clip(x - level - 20, 0, None)
    return out.sum(axis=tuple(range(1, x.ndim))) / (SUM - 20 * 9 * 0.8)


def dark(x: np.ndarray) -> np.ndarray:
    """Return how many distractors' worth of darkness."""
    level = np.median(x, axis=tuple(range(1, x.ndim)), keepdims=True)
    out = np.clip(level - x - 20, 0, None)
    return out.sum(axis=tuple(range(1, x.ndim))) / (SUM - 20 * 9 * 0.8)


def healthy() -> FunctionModel:
    """A classifier that counts lesions and nothing else."""
    # A little noise of its own, so that images without a lesion are not all ties.
    return model_of(lambda x: (2.0 * (bright(x) - 1.5) + 0.02 * (x[:, 0, 0] - LEVEL))[:, None])


def counter(**more: Any) -> FunctionModel:
    """A regression that counts lesions and nothing else."""
    return model_of(lambda x: (bright(x) + 0.002 * (x[:, 0, 0] - LEVEL))[:, None], task="regression", **more)


def segmenter(threshold: float = 30.0) -> FunctionModel:
    """A segmentation of what is brighter than the surroundings."""
    return model_of(lambda x: (x - np.median(x, axis=(1, 2), keepdims=True) - threshold)[:, None], task="segmentation")


def measure(probe: type[Probe], ctx: ProbeContext) -> dict[tuple[str, Any], Any]:
    """Return measurements by metric and parameter."""
    return {(m.metric, m.condition.get("parameter")): m for m in probe().run(ctx)}


def status(probe: type[Probe], measurements: Sequence[Any], metric: str, **rule: Any) -> str:
    """Return what a blocking rule says of measurements."""
    limit = Limit(min=rule.pop("min", None), max=rule.pop("max", None))
    policy = Policy(
        name="test", rules=(Rule(id="r", probe=probe.info.code, metric=metric, limit=limit, where=rule),), source="test"
    )
    result = ProbeResult(info=probe.info, state="completed", measurements=tuple(measurements))
    (finding,) = judge((result,), policy, today=dt.date(2026, 11, 26))
    return finding.status


def made(model: FunctionModel, cohort: Cohort, **more: Any) -> ProbeContext:
    """Return the context of a model on a cohort with a budget for tests."""
    return context(model, cohort, budget=more.pop("budget", BUDGET), **more)


LEVELS = Levels()


def sharpness(x: np.ndarray) -> np.ndarray:
    """Return the mean step between neighbours, up to 12 grey levels each, so that no marker weighs much."""
    down, across = (np.minimum(np.abs(np.diff(x, axis=axis)), 12).mean(axis=(1, 2)) for axis in (1, 2))
    return (down + across) / 2


def softened(cohort: Cohort, seed: int = 0) -> Cohort:
    """Return the cohort with most controls and few cases made on a coarser grid, as at another department."""
    images, rng = cohort.images.array.copy(), np.random.default_rng(seed)
    for i in np.flatnonzero(rng.random(len(images)) < np.where(cohort.targets == 1, 0.15, 0.85)):
        coarse = Telltale(kind="resampled", factor=float(rng.uniform(1.2, 1.9)))
        images[i] = coarse.apply(images[i], display=(0.0, 255.0), span=(0.0, 255.0))
    return replace(cohort, images=ArrayImages(array=images))


def resolution_reader() -> FunctionModel:
    """A model that calls ill whatever is sharp."""
    return model_of(lambda x: (4.0 * (sharpness(x) - 3.4))[:, None])


def tilted(cohort: Cohort, seed: int = 0, *, frame: bool) -> Cohort:
    """Return the cohort with cases brighter on the right than on the left, in the frame alone or all but there.

    Controls get a haze in place of a lesion, as bright in sum, so that nothing but the tilt is on a thumbnail.
    """
    images, rng = cohort.images.array.copy(), np.random.default_rng(seed)
    amount = np.where(cohort.targets == 1, 12.0, 0.0) + rng.normal(0, 6, len(images))
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    inside[2:-2, 2:-2] = True
    images += np.rint(amount[:, None, None, None] * RAMP * (inside != frame))
    for i in np.flatnonzero(cohort.targets == 0):
        row, column = rng.integers(5, SIZE - 7, 2)
        images[i, 0, row - 2 : row + 3, column - 2 : column + 3] += round(SUM / 25)
    return replace(cohort, images=ArrayImages(array=images))


def thumbnail_reader() -> FunctionModel:
    """A model that sees nothing but an 8 x 8 thumbnail, and of it how much brighter the right is than the left."""

    def answer(x: np.ndarray) -> np.ndarray:
        small = x.reshape(len(x), 8, SIZE // 8, 8, SIZE // 8).mean(axis=(2, 4))
        return ((small.mean(axis=1) * np.linspace(-1, 1, 8)).mean(axis=1) - 1.5)[:, None]

    return model_of(answer)


def border_reader() -> FunctionModel:
    """A model that sees nothing but the top and the bottom row."""
    return model_of(lambda x: ((x[:, [0, -1]].mean(axis=1) * RAMP).mean(axis=1) - 2.2)[:, None])


def spot_finder() -> FunctionModel:
    """A classifier that looks for one spot against what lies left and right of it, so that no slope moves it."""

    def answer(x: np.ndarray) -> np.ndarray:
        out = x[:, :, 3:-3] - (x[:, :, :-6] + x[:, :, 6:]) / 2
        return 0.2 * (out.max(axis=(1, 2)) - 30)[:, None]

    return model_of(answer)
