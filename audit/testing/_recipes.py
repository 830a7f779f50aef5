"""Training recipes that learn in milliseconds, and contexts of probes that train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, ProbeContext, Task
from audit.testing._cohorts import LESION, MARKER, STRIPE
from audit.testing._contexts import context
from audit.testing._models import planted

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTH = 0.1
"""Inverse of the penalty on the weights of standardised pixels."""
ABSENT = -30.0
"""Logit of a class that was not in the training cases."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelModel:
    """A linear model of standardised pixels.

    Args:
        fitted: From scikit-learn.
        mean: (p,) of the training pixels.
        scale: (p,) their standard deviations.
        classes: Number of outputs of a task with several classes; 0 for one output.
    """

    fitted: Any
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    classes: int = 0

    def predict(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Return logits, (n, 1) for two classes and (n, C) for more, or (n, 1) values."""
        x = (images.reshape(len(images), -1) - self.mean) / self.scale
        if not hasattr(self.fitted, "decision_function"):
            return np.asarray(self.fitted.predict(x), dtype=np.float64)[:, None]
        said = np.asarray(self.fitted.decision_function(x), dtype=np.float64)
        if not self.classes:
            return said[:, None] if said.ndim == 1 else said
        out = np.full((len(images), self.classes), ABSENT)
        if said.ndim == 1:
            said = np.stack([np.zeros(len(said)), said], axis=1)
        out[:, np.asarray(self.fitted.classes_, dtype=np.int64)] = said
        return out


def pixel_recipe(task: Task = "binary", classes: int = 0) -> Callable[..., PixelModel]:
    """Return a recipe that fits a linear model of the pixels.

    Args:
        task: binary, multiclass, ordinal or regression.
        classes: Number of classes of a multiclass or ordinal task.
    """

    def recipe(
        images: NDArray[np.float32], targets: NDArray[Any], seed: int, weights: NDArray[np.float64] | None = None
    ) -> PixelModel:
        from sklearn.linear_model import LogisticRegression, Ridge

        flat = images.reshape(len(images), -1).astype(np.float64)
        mean, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-6
        # A little noise of its own, as the initial weights of a network are.
        x = (flat - mean) / scale + np.random.default_rng(seed).normal(0, 0.05, flat.shape)
        made = Ridge(alpha=1 / STRENGTH)
        if task != "regression":
            made = LogisticRegression(C=STRENGTH, max_iter=100, tol=1e-3)
        made.fit(x, targets, sample_weight=weights)
        return PixelModel(fitted=made, mean=mean, scale=scale, classes=classes)

    return recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionModel:
    """A linear model of the mean brightness of the lesion, the marker of sex and the stripe of the scanner.

    Args:
        weights: (3,) weights.
        offset: Added to the sum.
    """

    weights: NDArray[np.float64]
    offset: float

    def predict(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, 1) logits."""
        return (_regions(images) @ self.weights + self.offset)[:, None]


def _regions(images: NDArray[Any]) -> NDArray[np.float64]:
    parts = [images[:, 0, *where].mean(axis=(1, 2)) for where in (LESION, MARKER, STRIPE)]
    return np.stack(parts, axis=1).astype(np.float64)


def region_recipe(
    images: NDArray[np.float32], targets: NDArray[Any], seed: int, weights: NDArray[np.float64] | None = None
) -> RegionModel:
    """Train a linear discriminant of the three regions of `tiny_cohort`: it leans on whatever goes with the label.

    Args:
        images: (n, 1, 8, 8).
        targets: (n,) 0 or 1.
        seed: Draws the subsample that is trained on, nine cases of ten, as the noise of a training.
        weights: (n,) weights of the cases.
    """
    kept = np.random.default_rng(seed).random(len(images)) < 0.9
    each = np.where(kept, 1.0 if weights is None else weights, 0.0)
    x, y = _regions(images), np.asarray(targets) == 1
    shares = [np.where(y == side, each, 0.0) / max(each[y == side].sum(), 1e-12) for side in (False, True)]
    means = [share @ x for share in shares]
    apart = x - np.where(y[:, None], means[1], means[0])
    spread = (apart * each[:, None]).T @ apart / max(each.sum(), 1e-12) + 1e-3 * np.eye(3)
    found = np.linalg.solve(spread, means[1] - means[0])
    return RegionModel(weights=found, offset=-float(found @ (means[0] + means[1]) / 2))


def trained_context(
    development: Cohort,
    cohort: Cohort,
    *,
    recipe: Callable[..., Any] | None = None,
    model: Any = None,
    trainings: int = 100,
    seconds: float = 600.0,
    target: float | None = None,
    **more: Any,
) -> ProbeContext:
    """Return a context with a training recipe.

    Args:
        development: The cases that the recipe learns from; nobody checks that its patients are others.
        cohort: The audited cases.
        recipe: `pixel_recipe()` by default.
        model: The audited model; a healthy one of `tiny_cohort` by default.
        trainings: Trainings that the probe may spend.
        seconds: Seconds that these may take.
        target: Performance that a training set must be large enough for.
        more: As for `context`.
    """
    from audit.models import make_training

    audited = planted() if model is None else model
    training = make_training(recipe or pixel_recipe(), development, audited.card, target=target, name="pixels")
    return context(audited, cohort, training=training.within(trainings=trainings, seconds=seconds), **more)
