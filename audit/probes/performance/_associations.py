"""Slopes of a reading on determinants, automatic and reference side by side, by resampling patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, Estimate, ProbeContext, Scalar
from audit.probes._shared import count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METHOD = "least squares, patient bootstrap and jackknife"
SMALLEST = 5
STEADY = "the determinant does not vary"
NO_LEVEL = "fewer than 5 patients with the level, or without it"


@dataclass(frozen=True, kw_only=True, eq=False)
class Determinant:
    """One thing that a reading may be associated with.

    Args:
        attribute: The attribute's name.
        level: The level that is held against the others, "" for a number.
        values: (n,) standard deviations from the mean, or 1 for the level and 0 for the others; NaN where missing.
        reason: Why no slope on it can be given, or "".
    """

    attribute: str
    level: str
    values: Floats
    reason: str = ""

    @property
    def name(self) -> str:
        """Its name in a figure."""
        return f"{self.attribute}: {self.level}" if self.level else self.attribute

    @property
    def condition(self) -> dict[str, Scalar]:
        """Condition keys of its measurements."""
        return {"attribute": self.attribute, **({"parameter": self.level} if self.level else {})}


def determinants(attribute: Attribute, patients: NDArray[np.int64]) -> Iterator[Determinant]:
    """Give one determinant for a number, and of levels one each, or a single one where there are two."""
    if attribute.numbers is not None:
        values, known = attribute.numbers, np.isfinite(attribute.numbers)
        spread = float(np.std(values[known])) if known.any() else 0.0
        few = count_patients(patients, known) < SMALLEST
        reason = "" if spread > 0 and not few else STEADY if not few else "fewer than 5 patients have a value"
        scaled = (values - np.mean(values[known])) / spread if spread > 0 else np.full(len(values), np.nan)
        yield Determinant(attribute=attribute.name, level="", values=scaled, reason=reason)
        return
    known = attribute.levels != MISSING_LEVEL
    names = [name for name in attribute.level_names() if name != MISSING_LEVEL]
    for name in names[1:] if len(names) == 2 else names:
        inside = known & (attribute.levels == name)
        fewest = min(count_patients(patients, inside), count_patients(patients, known & ~inside))
        values = np.where(known, inside.astype(np.float64), np.nan)
        reason = NO_LEVEL if fewest < SMALLEST else ""
        yield Determinant(attribute=attribute.name, level=name, values=values, reason=reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slopes:
    """Slopes of both readings on one determinant, in standard deviations of the reference.

    Args:
        determinant: What they are slopes on.
        reference: Slope of the reference.
        automatic: Slope of the model's reading.
        difference: Automatic minus reference.
        excess: Absolute automatic minus absolute reference.
    """

    determinant: Determinant
    reference: Estimate
    automatic: Estimate
    difference: Estimate
    excess: Estimate


def slopes(
    ctx: ProbeContext, reading: Floats, reference: Floats, given: Sequence[Determinant]
) -> tuple[list[Slopes], Estimate]:
    """Return the slopes on every determinant, and how automatic slopes follow reference slopes over all of them.

    All come from the same resamples. The last is the slope through the origin of the automatic slopes on those of the
    reference: 1 where associations are as strong, below 1 where they are diluted.

    Args:
        ctx: Gives patients, levels and the generator.
        reading: (n,) automatic reading, NaN where missing.
        reference: (n,) reference, NaN where missing, in the same unit.
        given: Determinants.
    """
    from audit.stats import bootstrap_many

    both = np.isfinite(reading) & np.isfinite(reference)
    used = [d for d in given if not d.reason]
    rows = [both & np.isfinite(d.values) for d in used]
    spread = float(np.std(reference[both])) if both.any() else 0.0
    if not used or spread == 0:
        reason = "the reference does not vary" if used else "no determinant has enough patients"
        nothing = Estimate.absent(reason, method=METHOD)
        return [_absent(ctx, d, d.reason or reason) for d in given], nothing
    table = np.concatenate(
        [_moments(d.values, (reading, reference), inside, spread) for d, inside in zip(used, rows, strict=True)], axis=1
    )
    estimates = bootstrap_many(
        lambda weights: _statistics(weights @ table), ctx.cohort.patients, ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples, methods=(METHOD,) * (4 * len(used) + 1), jackknife=True,
    )  # fmt: skip
    each = iter(range(len(used)))
    made = [_absent(ctx, d, d.reason) if d.reason else _slopes(ctx, d, estimates, rows, next(each)) for d in given]
    return made, estimates[-1]


def _slopes(
    ctx: ProbeContext, determinant: Determinant, estimates: Sequence[Estimate], rows: list[NDArray[np.bool_]], i: int
) -> Slopes:
    reference, automatic, difference, excess = (_counted(ctx, e, rows[i]) for e in estimates[4 * i : 4 * i + 4])
    return Slopes(
        determinant=determinant, reference=reference, automatic=automatic, difference=difference, excess=excess
    )


def _moments(x: Floats, readings: tuple[Floats, Floats], inside: NDArray[np.bool_], spread: float) -> Floats:
    """Return (n, 7): 1, x, x², a, xa, r, xr for the cases that have all, 0 for the others; a and r centred."""
    known = np.where(inside, x, 0.0)
    columns = [inside.astype(np.float64), known, known**2]
    for values in readings:
        centred = np.where(inside, (values - np.mean(readings[1][inside])) / spread, 0.0)
        columns += [centred, known * centred]
    return np.column_stack(columns)


def _statistics(sums: Floats) -> Floats:
    """Return (b, 4k + 1) slopes from (b, 7k) weighted sums."""
    n, x, xx, a, xa, r, xr = (sums[:, j::7] for j in range(7))
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = xx - x**2 / n
        steady = ~(inside > 1e-12 * n)
        automatic = np.where(steady, np.nan, (xa - x * a / n) / inside)
        reference = np.where(steady, np.nan, (xr - x * r / n) / inside)
    rows = np.stack([reference, automatic, automatic - reference, np.abs(automatic) - np.abs(reference)], axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        followed = np.sum(automatic * reference, axis=1) / np.sum(reference**2, axis=1)
    return np.column_stack([rows.reshape(len(sums), -1), followed])


def _counted(ctx: ProbeContext, estimate: Estimate, rows: NDArray[np.bool_]) -> Estimate:
    return replace(estimate, n=int(rows.sum()), n_patients=count_patients(ctx.cohort.patients, rows))


def _absent(ctx: ProbeContext, determinant: Determinant, reason: str) -> Slopes:
    rows = np.isfinite(determinant.values)
    nothing = _counted(ctx, Estimate.absent(reason, method=METHOD), rows)
    return Slopes(determinant=determinant, reference=nothing, automatic=nothing, difference=nothing, excess=nothing)
