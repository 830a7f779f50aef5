"""What the checks of the set-up share: one count of faults a check, a few cases, and when two answers differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.cohorts import Batch

# Answers in single precision that were summed in another order differ by about 1e-6 of the largest; a hundred times
# that is still far below anything that dropout or a batch statistic does.
RELATIVE, ABSOLUTE = 1e-4, 1e-6


def counted(
    ctx: ProbeContext, check: str, fault: bool, rows: NDArray[np.int64], name: str | None = None
) -> Measurement:
    """Return the count of faults, 0 or 1, that one check found on some cases.

    Args:
        ctx: The probe's context.
        check: What was checked, in kebab case.
        fault: Whether it failed.
        rows: Cases that were looked at.
        name: The class, where a check is made for each.
    """
    estimate = Estimate.counted(float(fault), n=len(rows), n_patients=patients_of(ctx, rows))
    return _measurement(ctx, estimate, check, name)


def unknown(
    ctx: ProbeContext, check: str, reason: str, rows: NDArray[np.int64], name: str | None = None
) -> Measurement:
    """Return the measurement of a check that could not be made, with the reason."""
    estimate = Estimate.absent(reason, method="count", n=len(rows), n_patients=patients_of(ctx, rows))
    return _measurement(ctx, estimate, check, name)


def _measurement(ctx: ProbeContext, estimate: Estimate, check: str, name: str | None) -> Measurement:
    condition = {"parameter": check} if name is None else {"parameter": check, "class": name}
    return Measurement.of(
        estimate, metric="faults", level=ctx.levels.confidence, direction="lower", condition=condition
    )  # fmt: skip


def patients_of(ctx: ProbeContext, rows: NDArray[np.int64]) -> int:
    """Return the number of patients among some cases."""
    return int(np.unique(ctx.cohort.patients[rows]).size)


def some_cases(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return the cases that are asked again: as many as the budget gives, drawn, in the cohort's order."""
    n = len(ctx.cohort)
    size = min(ctx.budget.repeat_cases, n)
    return np.sort(ctx.rng.choice(n, size=size, replace=False)).astype(np.int64)


def read(ctx: ProbeContext, rows: NDArray[np.int64]) -> Iterator[Batch]:
    """Yield the images of some cases batch by batch, telling how far it got."""
    from audit.cohorts import read_batches

    done = 0
    for batch in read_batches(ctx.cohort, rows, ctx.budget.batch_size):
        if len(batch.kept):
            yield batch
        done += len(batch.kept) + len(batch.failures)
        ctx.sink.progress(done, len(rows))


def differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Tell whether two answers to the same images differ by more than the order of summation explains."""
    if a.shape != b.shape:
        return True
    known = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return True
    if not known.any():
        return False
    limit = RELATIVE * float(np.abs(a[known]).max()) + ABSOLUTE
    return bool(np.abs(a[known] - b[known]).max() > limit)
