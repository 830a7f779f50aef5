"""Networks whose robustness is known: undefended, trained for it, linear, and every way to mislead an attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.core import Cohort, InputSpec, ModelSpec
from audit.errors import InputError
from audit.testing._cohorts import ArrayImages, small_cohort
from audit.testing._modules import modules, undrawn
from audit.testing._phantom import LEVEL, Signals

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINARY = Signals(faint=0.004)
"""The images of `network_cohort`, with a code of 1 for positives and -1 for negatives."""

_LINEAR_WEIGHT = 12.0


@dataclass(frozen=True, kw_only=True)
class PlantedNetwork:
    """What is known of a planted network.

    Args:
        what: What is planted, in a few words.
        verdicts: What a rule `robust_accuracy` at least 0.3 at the headline size of 2/255 may come to.
        checks: Checks of the attack's certificate of which at least one must fail; empty where all must hold.
        cause: Why an attack on it is misled; empty where it is not.
    """

    what: str
    verdicts: tuple[Literal["PASS", "FAIL", "INCONCLUSIVE"], ...]
    checks: tuple[str, ...] = ()
    cause: str = ""


_OPEN: tuple[Literal["INCONCLUSIVE"], ...] = ("INCONCLUSIVE",)
_NO_PASS: tuple[Literal["FAIL"], Literal["INCONCLUSIVE"]] = ("FAIL", "INCONCLUSIVE")

NETWORKS: Mapping[str, PlantedNetwork] = {
    "undefended": PlantedNetwork(what="reads the fine signal, honest gradients", verdicts=("FAIL",)),
    "adversarially-trained": PlantedNetwork(what="trained on attacked images", verdicts=("PASS",)),
    "linear": PlantedNetwork(what="a linear score, robust accuracy in closed form", verdicts=("FAIL",)),
    "saturated": PlantedNetwork(what="undefended, logits times 50", verdicts=("FAIL",)),
    "softmax-as-logits": PlantedNetwork(what="undefended, probabilities declared as logits", verdicts=_NO_PASS),
    "saturated-probabilities": PlantedNetwork(
        what="undefended, probabilities that are 0 or 1 in float32", verdicts=_NO_PASS,
        checks=("certificate_gradient",), cause="saturated output",
    ),
    "argmax-inside": PlantedNetwork(
        what="undefended, answers with its decision alone", verdicts=_OPEN, checks=("certificate_gradient",),
        cause="argmax in the graph",
    ),
    "quantised-3-bit": PlantedNetwork(
        what="undefended, rounds its input to 3 bits", verdicts=_OPEN, checks=("certificate_gradient",),
        cause="quantised input",
    ),
    "random-resize": PlantedNetwork(
        what="undefended, resizes and pads at random", verdicts=_NO_PASS, checks=("certificate_identity",),
        cause="random transform",
    ),
    "dropout-on": PlantedNetwork(
        what="undefended, dropout left on", verdicts=_NO_PASS, checks=("certificate_identity",),
        cause="random transform",
    ),
    "detached-branch": PlantedNetwork(
        what="undefended, the graph sees a weak branch alone", verdicts=_OPEN,
        checks=("certificate_finite_difference",), cause="masked gradient",
    ),
    "reversed-gradient": PlantedNetwork(
        what="undefended, the gradient has the wrong sign", verdicts=_NO_PASS, checks=("certificate_descent",),
        cause="masked gradient",
    ),
    "nan-gradient": PlantedNetwork(
        what="undefended, the gradient is no number", verdicts=_OPEN, checks=("certificate_gradient",),
        cause="masked gradient",
    ),
    "clamped-and-live": PlantedNetwork(
        what="undefended, clamped far from the operating point, beside a weak branch with gradients", verdicts=_NO_PASS,
        checks=("certificate_path",), cause="masked gradient",
    ),
    "squashed-and-live": PlantedNetwork(
        what="undefended, flat far from the operating point, beside a weak branch with gradients", verdicts=_NO_PASS,
        checks=("certificate_path",), cause="masked gradient",
    ),
    "sign-and-live": PlantedNetwork(
        what="undefended, the sign of its answer beside a weak branch with gradients", verdicts=_NO_PASS,
        checks=("certificate_path",), cause="masked gradient",
    ),
    "shattered": PlantedNetwork(
        what="undefended, honest gradients that differ from grey level to grey level", verdicts=("FAIL",),
    ),
    "majority": PlantedNetwork(
        what="calls every case negative", verdicts=_OPEN, checks=("certificate_large_epsilon",),
        cause="constant answer",
    ),
}  # fmt: skip
"""By name; what `network` builds."""


def network(name: str = "undefended") -> Any:
    """Return a planted network for `network_cohort`, with its preprocessing, as `audit.models` loads one.

    Args:
        name: One of `NETWORKS`.

    Returns:
        A new `audit.models.TorchModel` with access to gradients; two of them share nothing.

    Raises:
        InputError: No such network.
        MissingExtraError: torch is not installed.
    """
    if name not in NETWORKS:
        raise InputError(f"no planted network {name!r}", expected=f"one of {', '.join(NETWORKS)}", got=repr(name))
    output = "probabilities" if name == "saturated-probabilities" else "logits"
    with undrawn():
        net = _BUILD[name]()
    return declared(net, BINARY.shape, task="binary", output=output, classes=("negative", "positive"))


def declared(module: Any, shape: tuple[int, ...], **spec: Any) -> Any:
    """Return the model of a module that takes images of range [0, 1] as they are.

    Args:
        module: From (n, 1, *shape) to raw outputs.
        shape: Spatial size.
        spec: Further fields of `ModelSpec`; the operating point is 0.5 by default.
    """
    from audit.models import from_module

    given = {"operating_point": 0.5, "operating_point_source": "chosen beforehand", **spec}
    taken = InputSpec(
        range=(0.0, 1.0), scale=False, size=shape, unit="grey level", tile=given.pop("tile", None),
        spacing_mm=given.pop("spacing_mm", None),
    )  # fmt: skip
    return from_module(module, ModelSpec(kind="torch", name="planted", input=taken, **given), phantom=True)


def network_cohort(rng: np.random.Generator, *, n: int = 120) -> Cohort:
    """Return a cohort of 16 x 16 images of range [0, 1], half of them positive, each of its own patient.

    Args:
        rng: Draws everything.
        n: Cases.
    """
    target = rng.permutation(np.arange(n) % 2)
    return small_cohort(target, images=ArrayImages(array=BINARY.images(2.0 * target[:, None] - 1, rng)))


def linear_stands(
    images: NDArray[Any], targets: NDArray[Any], epsilon: float, *, norm: Literal["linf", "l2"] = "linf"
) -> NDArray[np.bool_]:
    """Return which cases of the network "linear" no perturbation of a size can turn, in closed form.

    By Hölder's inequality a perturbation of size epsilon moves w.x + b by at most epsilon times the dual norm of w.
    The valid range [0, 1] is so far off that it binds nowhere.

    Args:
        images: (n, 1, 16, 16).
        targets: (n,) 0 or 1.
        epsilon: Size in stored units; under "l2" the root mean square a pixel.
        norm: How the size is measured.

    Returns:
        (n,) right as they are and under every perturbation of the size.
    """
    w, bias = _linear_weights()
    score = images.reshape(len(images), -1).astype(np.float64) @ w + bias
    dual = np.abs(w).sum() if norm == "linf" else np.sqrt(w.size) * np.sqrt(w @ w)
    stands: NDArray[np.bool_] = np.where(targets == 1, score, -score) > epsilon * dual
    return stands


def _linear_weights() -> tuple[NDArray[np.float64], float]:
    # Of uneven size, so that the two norms order the cases differently than a constant factor would.
    w = BINARY.patterns[0].ravel() * np.linspace(0.2, 1.8, 256)
    w = np.asarray((_LINEAR_WEIGHT * w).astype(np.float32), dtype=np.float64)
    return w, float(np.float32(-LEVEL * w.sum()))


def _readout(**more: Any) -> Any:
    return modules().Readout(BINARY, **more)


def _robust() -> Any:
    from audit.testing._training import trained

    return trained(robust=True)


_BUILD: Mapping[str, Callable[[], Any]] = {
    "undefended": _readout,
    "adversarially-trained": _robust,
    "linear": lambda: modules().Flat(*_linear_weights()),
    "saturated": lambda: modules().Scaled(_readout(), 50.0),
    "softmax-as-logits": lambda: modules().Scaled(_readout(), 1.0, "softmax"),
    "saturated-probabilities": lambda: modules().Scaled(_readout(), 50.0, "sigmoid"),
    "argmax-inside": lambda: modules().Masked(_readout(), "argmax"),
    "quantised-3-bit": lambda: modules().Masked(_readout(), "quantised"),
    "random-resize": lambda: modules().Restless(modules().Faint(2000.0), "resize"),
    "dropout-on": lambda: modules().Restless(_readout(), "dropout"),
    "detached-branch": lambda: modules().Masked(_readout(), "detached"),
    "reversed-gradient": lambda: modules().Masked(_readout(), "reversed"),
    "nan-gradient": lambda: modules().Masked(_readout(), "nan"),
    "clamped-and-live": lambda: modules().Masked(_readout(), "clamped"),
    "squashed-and-live": lambda: modules().Masked(_readout(), "squashed"),
    "sign-and-live": lambda: modules().Masked(_readout(), "sign"),
    "shattered": lambda: modules().Masked(_readout(), "shattered"),
    "majority": lambda: modules().Faint(1e-3, -2.0),
}
