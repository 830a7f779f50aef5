"""A test that all subgroups are equal, with patients as the unit of exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats._common import Floats, Ints, Patients, finite, same_length
from audit.stats._kernel import chunk_rows


def equal_groups_p(
    values: NDArray[Any], groups: Ints, patients: Ints, rng: np.random.Generator, *, resamples: int
) -> float | None:
    """Return the p-value of the hypothesis that all groups have one mean, by the largest of their scores.

    Each group's score is the sum of its patients' excess over the common mean, divided by its standard deviation
    under exchange. Where every patient is in one group, whole patients are exchanged between groups. Where a patient
    has cases in several groups, exchange would undo the pairing; whole patients' contributions then change sign
    instead, which is valid for many patients.

    Args:
        values: (n,) bool or finite.
        groups: (n,) group codes.
        patients: (n,) patient codes.
        rng: Generator; equal generators give equal results.
        resamples: Number of exchanges, at least 100.

    Returns:
        p in (0, 1], at least 1 / (resamples + 1); None with fewer than two groups or where the values do not vary.

    Raises:
        ValueError: The arrays are not of one length, a value is not finite, or fewer than 100 resamples.
    """
    same_length(values=values, groups=groups, patients=patients)
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")
    numbers, found = finite("values", values), Patients.of(patients)
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    cell = found.code * len(names) + group.reshape(-1)
    shape = found.count, len(names)
    size = int(np.prod(shape))
    cases = np.bincount(cell, minlength=size).reshape(shape)
    sums = np.bincount(cell, weights=numbers - numbers.mean(), minlength=size)
    excess = np.asarray(sums, dtype=np.float64).reshape(shape)
    if np.abs(excess).max() <= 1e-12 * max(1.0, float(np.abs(numbers).max())):
        return None
    if ((cases > 0).sum(axis=1) == 1).all():
        observed, drawn = _exchanged(excess.sum(axis=1), cases > 0, rng, resamples)
    else:
        observed, drawn = _flipped(excess, cases, rng, resamples)
    # Equal sums in another order differ in the last bits and must count as equal.
    return float((1 + np.count_nonzero(drawn >= observed * (1 - 1e-9))) / (resamples + 1))


def _exchanged(
    excess: Floats, members: NDArray[np.bool_], rng: np.random.Generator, resamples: int
) -> tuple[float, Floats]:
    count, own = len(excess), members.astype(np.float64)
    sizes = own.sum(axis=0)
    # The variance of the sum of a simple random sample without replacement; a group of all patients has none.
    spread = np.sqrt(np.maximum(sizes * (count - sizes), 0.0) / max(count - 1, 1) * np.var(excess))
    safe = np.where(spread > 0, spread, np.inf)
    observed = float(np.max(np.abs(excess @ own) / safe))
    drawn = []
    rows = chunk_rows(count)
    for start in range(0, resamples, rows):
        b = min(rows, resamples - start)
        drawn.append(np.max(np.abs(rng.permuted(np.tile(excess, (b, 1)), axis=1) @ own) / safe, axis=1))
    return observed, np.concatenate(drawn)


def _flipped(
    excess: NDArray[np.float64], cases: NDArray[np.int64], rng: np.random.Generator, resamples: int
) -> tuple[float, Floats]:
    # A patient's contribution to (group's mean - common mean), so that an effect of the patient alone cancels.
    total = cases.sum()
    influence = excess / cases.sum(axis=0) - excess.sum(axis=1, keepdims=True) / total
    spread = np.sqrt(np.sum(influence**2, axis=0))
    safe = np.where(spread > 0, spread, np.inf)
    observed = float(np.max(np.abs(influence.sum(axis=0)) / safe))
    drawn = []
    rows = chunk_rows(len(excess))
    for start in range(0, resamples, rows):
        b = min(rows, resamples - start)
        signs = rng.integers(0, 2, size=(b, len(excess))) * 2.0 - 1
        drawn.append(np.max(np.abs(signs @ influence) / safe, axis=1))
    return observed, np.concatenate(drawn)
