"""Models as numpy functions: a healthy one, and one for each fault that a probe must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, InputSpec, ModelCard, digest
from audit.errors import InputError, ModelError
from audit.testing._cohorts import LESION, MARKER, STRIPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Answer = Callable[[NDArray[Any]], NDArray[np.float64]]


@dataclass(kw_only=True)
class FunctionModel:
    """A model that is a numpy function of the images.

    Args:
        card: What it claims to be.
        answer: (n, channels, *spatial) to (n, k).
        state: What `state_digest` is taken of; a function of the number of calls plants weights that change.
    """

    card: ModelCard
    answer: Answer
    state: Callable[[int], Any] = field(default=lambda calls: 0)
    calls: int = 0

    def predict(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Return raw outputs, (n, k)."""
        self.calls += 1
        return np.asarray(self.answer(np.asarray(images)), dtype=np.float64)

    def state_digest(self) -> str:
        """Return the digest of the planted state."""
        return digest(self.state(self.calls))


@dataclass(frozen=True, kw_only=True)
class SavedModel:
    """A model of which only saved outputs are there."""

    card: ModelCard

    def predict(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse, as saved outputs cannot answer for new images.

        Raises:
            ModelError: Always.
        """
        raise ModelError("saved predictions answer for no image", got=f"{len(images)} images")

    def state_digest(self) -> str:
        """Return the card's digest."""
        return self.card.digest


def _region(images: NDArray[Any], where: tuple[slice, slice]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = images[:, 0, *where].mean(axis=(1, 2))
    return mean


def _logit(images: NDArray[Any]) -> NDArray[np.float64]:
    # The posterior logit of `tiny_cohort` at its default signal of 1.3 and unit variance, so it is calibrated.
    return (1.3 * (_region(images, LESION) - 0.65))[:, None]


def _leans_on_sex(images: NDArray[Any]) -> NDArray[np.float64]:
    return _logit(images) + 1.0 * _region(images, MARKER)[:, None]


def _leans_on_scanner(images: NDArray[Any]) -> NDArray[np.float64]:
    return _logit(images) + 1.0 * _region(images, STRIPE)[:, None]


def _misses_women(images: NDArray[Any]) -> NDArray[np.float64]:
    return _logit(images) - 1.5 * (_region(images, MARKER) < 0)[:, None]


def _deaf_on_scanner_b(images: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(_region(images, STRIPE)[:, None] > 0, _logit(images), 0.0)


def _overconfident(images: NDArray[Any]) -> NDArray[np.float64]:
    return 4 * _logit(images)


def _constant(images: NDArray[Any]) -> NDArray[np.float64]:
    return np.zeros((len(images), 1))


def _reversed(images: NDArray[Any]) -> NDArray[np.float64]:
    return -_logit(images)


def _probabilities(images: NDArray[Any]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-_logit(images)))


def _drops_out() -> Answer:
    # Its own generator: a model that is left in training mode does not ask the audit for its seed.
    rng = np.random.default_rng(7)
    return lambda images: _logit(images) + rng.normal(0, 0.5, (len(images), 1))


_ANSWERS: Mapping[str, Callable[[], Answer]] = {
    "healthy": lambda: _logit,
    "leans-on-sex": lambda: _leans_on_sex,
    "leans-on-scanner": lambda: _leans_on_scanner,
    "misses-women": lambda: _misses_women,
    "deaf-on-scanner-b": lambda: _deaf_on_scanner_b,
    "overconfident": lambda: _overconfident,
    "constant": lambda: _constant,
    "reversed": lambda: _reversed,
    "probabilities-as-logits": lambda: _probabilities,
    "dropout-left-on": _drops_out,
    "weights-drift": lambda: _logit,
}
FAULTS: tuple[str, ...] = tuple(name for name in _ANSWERS if name != "healthy")


def planted(fault: str = "healthy", *, operating_point: float | None = 0.5) -> FunctionModel:
    """Return a model of `tiny_cohort`, with one fault or healthy.

    Args:
        fault: "healthy" or one of `FAULTS`.
        operating_point: Threshold on the probability scale.

    Raises:
        InputError: No such fault.
    """
    if fault not in _ANSWERS:
        raise InputError(f"no planted fault {fault!r}", expected=f"one of {', '.join(_ANSWERS)}", got=repr(fault))
    card = ModelCard(
        name=fault, kind="callable", task="binary", output="logits", access=Access.QUERY, digest=digest(fault),
        classes=("negative", "positive"), operating_point=operating_point, phantom=True,
        operating_point_source="chosen beforehand", input=InputSpec(range=(-8.0, 8.0), size=(8, 8), unit="grey level"),
    )  # fmt: skip
    drifts = fault == "weights-drift"
    return FunctionModel(
        card=card, answer=_ANSWERS[fault](), state=(lambda calls: calls) if drifts else lambda calls: 0
    )
