"""Free-response ROC: how many lesions are found at a given number of false alarms an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Floats, Ints
from audit.stats._floor import resampled
from audit.stats._kernel import chunk_rows, patient_weights
from audit.stats._means import mean
from audit.stats._proportion import proportion

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
METHOD = "patient bootstrap that picks the threshold again, never nearer than at a threshold held fixed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Marks:
    """What a detector marked, by lesion and by false alarm.

    Args:
        lesion_scores: (lesions,) highest score of a mark that hits the lesion, -inf where none does.
        lesion_images: (lesions,) index of the lesion's image.
        false_scores: (false,) score of each mark that hits no lesion.
        false_images: (false,) index of its image.
        n_images: Images, those without lesion or mark included.
    """

    lesion_scores: Floats
    lesion_images: Ints
    false_scores: Floats
    false_images: Ints
    n_images: int

    def __post_init__(self) -> None:
        for name, scores, images in (
            ("lesion", self.lesion_scores, self.lesion_images), ("false", self.false_scores, self.false_images),
        ):  # fmt: skip
            if np.ndim(scores) != 1 or np.shape(scores) != np.shape(images):
                raise ValueError(f"{name}: expected one score and one image a mark")
            if len(images) and not 0 <= np.min(images) <= np.max(images) < self.n_images:
                raise ValueError(f"{name}_images: expected indices 0 to {self.n_images - 1}")
        if np.isnan(self.lesion_scores).any() or not np.isfinite(self.false_scores).all():
            raise ValueError("expected finite scores, and -inf for a lesion that no mark hits")


class _Curve:
    """Sensitivities at given rates for many weights of the images at once."""

    def __init__(self, marks: Marks, rates: Sequence[float]) -> None:
        lesions = np.argsort(-marks.lesion_scores, kind="stable")
        alarms = np.argsort(-marks.false_scores, kind="stable")
        self._lesion_images, self._false_images = marks.lesion_images[lesions], marks.false_images[alarms]
        scores = marks.false_scores[alarms]
        found, falling = marks.lesion_scores[lesions], -marks.lesion_scores[lesions]
        # False alarms of one score come and go together.
        self._ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1) if len(scores) else np.array([], int)
        # Lesions above each distinct score of a false alarm; where no alarm is too many, all that were ever hit.
        above = np.searchsorted(falling, -scores[self._ends], side="left")
        self._above = np.append(above, np.count_nonzero(found > -np.inf)).astype(np.int64)
        self._rates, self._images = rates, marks.n_images

    def hits(self) -> tuple[NDArray[np.float64], Ints]:
        """Return (lesions,) share of the rates at which each lesion is found, and its image; thresholds of all cases.

        The order of the lesions is that of their scores.
        """
        alarms = np.arange(1, len(self._false_images) + 1)[self._ends]
        first = [int(np.sum(alarms <= rate * self._images + 1e-9)) for rate in self._rates]
        rank = np.arange(len(self._lesion_images))
        found = np.mean([rank < self._above[at] for at in first], axis=0)
        return np.asarray(found, dtype=np.float64), self._lesion_images

    def sensitivities(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (b, rates) sensitivities for (b, images) weights, NaN where no lesion has weight."""
        lesions = np.zeros((len(weights), len(self._lesion_images) + 1))
        np.cumsum(weights[:, self._lesion_images], axis=1, out=lesions[:, 1:])
        alarms = np.cumsum(weights[:, self._false_images], axis=1)[:, self._ends]
        images, rows = weights.sum(axis=1), np.arange(len(weights))
        out = np.full((len(weights), len(self._rates)), np.nan)
        for column, rate in enumerate(self._rates):
            # The alarms that would be one too many set the threshold; only what scores higher counts.
            first = np.sum(alarms <= rate * images[:, None] + 1e-9, axis=1)
            hit = lesions[rows, self._above[first]]
            np.divide(hit, lesions[:, -1], out=out[:, column], where=lesions[:, -1] > 0)
        return out


def froc_curve(marks: Marks, rates: Sequence[float] = RATES) -> Floats:
    """Return (rates,) sensitivities at numbers of false alarms an image, NaN where there is no lesion.

    The threshold for a rate is the lowest at which the false alarms an image do not exceed it; there is no
    interpolation between thresholds, so that every point is one that the detector can be set to.
    """
    curve: Floats = _Curve(marks, rates).sensitivities(np.ones((1, marks.n_images)))[0]
    return curve


def froc_sensitivity(
    marks: Marks,
    patients: Ints,
    levels: Levels,
    rng: np.random.Generator,
    *,
    rates: Sequence[float] = RATES,
    resamples: int,
) -> Estimate:
    """Estimate the sensitivity at a number of false alarms an image, or its mean over several numbers.

    Whole patients are resampled, and each resample picks its own threshold: that the threshold is chosen on the same
    images is part of the uncertainty. A threshold held fixed covers too little, the less the more patients there are.
    With few patients the resampled lower bound is too high instead (it missed in 5 % of cohorts of 30), so no bound is
    nearer than that of the share of lesions found at the thresholds of the whole sample.

    Args:
        marks: What the detector marked.
        patients: (n_images,) patient code of each image.
        levels: Levels of the bounds.
        rng: Generator.
        rates: False alarms an image, each at least 0; the mean over 1/8, 1/4, 1/2, 1, 2, 4 and 8 by default.
        resamples: Number of resamples, at least 100.

    Returns:
        Value in [0, 1] with n = images and n_patients = patients. Absent with fewer than 5 patients with a lesion.

    Raises:
        ValueError: The arrays do not fit together, no rate is given, one is negative, or fewer than 100 resamples.
    """
    given = tuple(float(r) for r in rates)
    if not given or not all(np.isfinite(r) and r >= 0 for r in given):
        raise ValueError(f"rates: expected numbers of at least 0, got {given}")
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    codes: NDArray[Any] = np.asarray(patients)
    if codes.shape != (marks.n_images,):
        raise ValueError(f"patients: expected one code for each of {marks.n_images} images, got shape {codes.shape}")
    ill = int(np.unique(codes[marks.lesion_images]).size)
    if ill < 5:
        reason = f"{ill} patient{'' if ill == 1 else 's'} with a lesion, fewer than the 5 that an interval needs"
        return Estimate.absent(reason, method=METHOD, n=marks.n_images, n_patients=int(np.unique(codes).size))
    curve = _Curve(marks, given)
    value = float(curve.sensitivities(np.ones((1, marks.n_images))).mean())
    who, code = np.unique(codes, return_inverse=True)
    draws = np.concatenate([
        curve.sensitivities(weights[:, code]).mean(axis=1)
        for weights in patient_weights(who.size, resamples, rng, rows=chunk_rows(marks.n_images))
    ])  # fmt: skip
    held, images = curve.hits()
    if len(given) == 1:
        floor = proportion(held > 0.5, codes[images], levels)
    else:
        floor = mean(held, codes[images], levels, support=(0.0, 1.0))
    found = resampled(value, draws, floor, levels, count=ill, method=METHOD, support=(0.0, 1.0))
    return replace(found, n=marks.n_images, n_patients=int(who.size))
