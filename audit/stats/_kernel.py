"""The one resampling kernel: weights of patients times contributions, in chunks that stay in the cache.

Every resampled number of the suite goes through here. A resample is a multinomial draw of as many patients as there
are; a statistic sees the weights, never repeated rows. Draws are consumed in order of the resamples, so that a result
depends on the seed alone and not on the size of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.stats._common import Bools, Floats, Ints, Patients, finite, same_length

CHUNK_BYTES = 500_000


def patient_weights(count: int, resamples: int, rng: np.random.Generator, *, rows: int) -> Iterator[Floats]:
    """Yield (b, count) multinomial weights of the patients, in chunks of at most `rows` resamples.

    Args:
        count: Patients.
        resamples: Resamples in all.
        rng: Generator; equal generators give equal weights, whatever `rows` is.
        rows: Resamples a chunk.
    """
    for start in range(0, resamples, rows):
        b = min(rows, resamples - start)
        draws = rng.integers(0, count, size=(b, count))
        draws += np.arange(b)[:, None] * count
        yield np.bincount(draws.ravel(), minlength=b * count).reshape(b, count).astype(np.float64)


def chunk_rows(columns: int) -> int:
    """Return how many resamples of so many columns fit into one chunk; small chunks stay in the cache."""
    return max(1, CHUNK_BYTES // (8 * max(1, columns)))


def sums_by_patient(contributions: NDArray[np.float64], patients: Patients) -> NDArray[np.float64]:
    """Return (patients, c) sums of (n, c) contributions of the cases."""
    columns = [patients.sums(contributions[:, c]) for c in range(contributions.shape[1])]
    return np.stack(columns, axis=1)


def resampled_sums(
    contributions: NDArray[np.float64], patients: Ints, rng: np.random.Generator, *, resamples: int
) -> NDArray[np.float64]:
    """Return sums over resampled patients, for any number of quantities at once.

    Rates of many subgroups are ratios of such sums: with one column for the hits and one for the cases of each, all of
    them come from one product of matrices, and from the same resamples, so that differences between them are paired.

    Args:
        contributions: (n, c) finite, what each case adds to each quantity.
        patients: (n,) patient codes.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples.

    Returns:
        (resamples, c) sums in float64.

    Raises:
        ValueError: The arrays do not fit together, or a contribution is not finite.
    """
    table = finite("contributions", contributions)
    if table.ndim != 2 or len(table) != len(patients):
        raise ValueError(f"contributions: expected shape ({len(patients)}, c), got {table.shape}")
    found = Patients.of(patients)
    own = sums_by_patient(table, found)
    rows = chunk_rows(found.count)
    return np.concatenate([w @ own for w in patient_weights(found.count, resamples, rng, rows=rows)])


class Ranking:
    """Where positive cases stand among negative ones, found once and used for any weights.

    Args:
        scores: (n,) finite.
        cases: Indices of the positive cases.
        controls: Indices of the negative cases.
    """

    def __init__(self, scores: Floats, cases: Ints, controls: Ints) -> None:
        # Cases in order as well: neighbours then read neighbouring sums.
        self.cases = cases[np.argsort(scores[cases], kind="stable")]
        self.controls = controls[np.argsort(scores[controls], kind="stable")]
        self._below = np.searchsorted(scores[self.controls], scores[self.cases], "left")
        self._upto = np.searchsorted(scores[self.controls], scores[self.cases], "right")
        self._tied = bool((self._below != self._upto).any())

    def wins(self, weights: Floats) -> Floats:
        """Return (b,) weights of the pairs in which the case scores above the control, ties counted half.

        Cumulative weights of the controls in order of score give each case's placement, so nothing of the size of
        cases times controls is ever made.

        Args:
            weights: (b, n), a resample a row.
        """
        return self._wins(weights[:, self.cases], weights[:, self.controls])

    def _wins(self, cases: Floats, controls: Floats) -> Floats:
        passed = np.zeros((len(controls), len(self.controls) + 1))
        np.cumsum(controls, axis=1, out=passed[:, 1:])
        placed = passed[:, self._below]
        if not self._tied:
            untied: Floats = np.einsum("ij,ij->i", cases, placed)
            return untied
        placed += passed[:, self._upto]
        out: Floats = np.einsum("ij,ij->i", cases, placed) / 2
        return out

    def won(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (b,) wins and (b,) weights of all pairs; see `wins` and `pairs`."""
        cases, controls = weights[:, self.cases], weights[:, self.controls]
        return self._wins(cases, controls), cases.sum(axis=1) * controls.sum(axis=1)

    def pairs(self, weights: Floats) -> Floats:
        """Return (b,) weights of all pairs of a case and a control, for (b, n) weights."""
        out: Floats = weights[:, self.cases].sum(axis=1) * weights[:, self.controls].sum(axis=1)
        return out

    def area(self, weights: Floats) -> Floats:
        """Return (b,) areas under the ROC curve for (b, n) weights, NaN where a class has no weight."""
        wins, pairs = self.won(weights)
        out = np.full(len(weights), np.nan)
        np.divide(wins, pairs, out=out, where=pairs > 0)
        return out


def resampled_auc(scores: Floats, labels: Bools, patients: Ints, rng: np.random.Generator, *, resamples: int) -> Floats:
    """Return the AUC of each of many resamples of patients; ties count half.

    The scores are sorted once; a resample costs one cumulative sum.

    Args:
        scores: (n,) finite.
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples.

    Returns:
        (resamples,) in [0, 1], NaN where a resample has one class only.

    Raises:
        ValueError: The arrays are not of one length, or a score is not finite.
    """
    same_length(scores=scores, labels=labels, patients=patients)
    values, positive, found = finite("scores", scores), np.asarray(labels, dtype=bool), Patients.of(patients)
    ranking = Ranking(values, np.flatnonzero(positive), np.flatnonzero(~positive))
    rows = chunk_rows(len(values))
    drawn = patient_weights(found.count, resamples, rng, rows=rows)
    return np.concatenate([ranking.area(w[:, found.code]) for w in drawn])
