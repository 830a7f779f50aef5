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
        of: The attribute.
        level: The level that is held against the others, "" for a number.
        reason: Why no slope on it can be given, or "".
    """

    of: Attribute
    level: str = ""
    reason: str = ""

    @property
    def attribute(self) -> str:
        """The attribute's name."""
        return self.of.name

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) where it has a value; nowhere where a number does not vary."""
        numbers = self.of.numbers
        out: NDArray[np.bool_] = self.of.levels != MISSING_LEVEL if numbers is None else np.isfinite(numbers)
        return out & (numbers is None or _varies(numbers))

    @property
    def values(self) -> Floats:
        """(n,) standard deviations from the mean, or 1 for the level and 0 for the others; any number where missing."""
        numbers = self.of.numbers
        if numbers is None:
            flags: Floats = (self.of.levels == self.level).astype(np.float64)
            return flags
        known = numbers[self.known]
        out: Floats = (numbers - np.mean(known)) / float(np.std(known))
        return out

    @property
    def name(self) -> str:
        """Its name in a figure."""
        return f"{self.attribute}: {self.level}" if self.level else self.attribute

    @property
    def condition(self) -> dict[str, Scalar]:
        """Condition keys of its measurements."""
        return {"attribute": self.attribute, **({"parameter": self.level} if self.level else {})}


def _varies(numbers: Floats) -> bool:
    known = np.isfinite(numbers)
    return bool(known.any()) and float(np.std(numbers[known])) > 0


def determinants(attribute: Attribute, patients: NDArray[np.int64]) -> Iterator[Determinant]:
    """Give one determinant for a number, and of levels one each, or a single one where there are two."""
    if attribute.numbers is not None:
        values, known = attribute.numbers, np.isfinite(attribute.numbers)
        few = count_patients(patients, known) < SMALLEST
        reason = "" if _varies(values) and not few else STEADY if not few else "fewer than 5 patients have a value"
        yield Determinant(of=attribute, reason=reason)
        return
    known = attribute.levels != MISSING_LEVEL
    names = [name for name in attribute.level_names() if name != MISSING_LEVEL]
    for name in names[1:] if len(names) == 2 else names:
        inside = known & (attribute.levels == name)
        fewest = min(count_patients(patients, inside), count_patients(patients, known & ~inside))
        yield Determinant(of=attribute, level=name, reason=NO_LEVEL if fewest < SMALLEST else "")


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
    spread = float(np.std(reference[both])) if both.any() else 0.0
    if not used or spread == 0:
        reason = "the reference does not vary" if used else "no determinant has enough patients"
        nothing = Estimate.absent(reason, method=METHOD)
        return [_absent(ctx, d, d.reason or reason) for d in given], nothing
    sums = _Sums(ctx.cohort.patients, used, (reading, reference), both, spread)
    estimates = bootstrap_many(
        # Each patient once: the sums are those of whole patients already.
        lambda weights: _statistics(sums(weights)), np.unique(ctx.cohort.patients), ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples, methods=(METHOD,) * (4 * len(used) + 1), jackknife=True,
    )  # fmt: skip
    each = iter(range(len(used)))
    made = [_absent(ctx, d, d.reason) if d.reason else _slopes(ctx, d, estimates, both, next(each)) for d in given]
    return made, replace(estimates[-1], n=len(reading))


def _slopes(
    ctx: ProbeContext, determinant: Determinant, estimates: Sequence[Estimate], both: NDArray[np.bool_], i: int
) -> Slopes:
    rows = both & determinant.known
    n, n_patients = int(rows.sum()), count_patients(ctx.cohort.patients, rows)
    reference, automatic, difference, excess = (
        replace(e, n=n, n_patients=n_patients) for e in estimates[4 * i : 4 * i + 4]
    )
    return Slopes(
        determinant=determinant, reference=reference, automatic=automatic, difference=difference, excess=excess
    )


class _Sums:
    """Weighted sums of what least squares needs: for each determinant 1, x, x², a, xa, r and xr over its cases.

    `a` and `r` are the automatic and the reference reading, centred. The levels of an attribute share 1, a and r, and a
    case adds to the rest of its own level alone, so that no table of cases times levels is made.
    """

    def __init__(
        self, patients: NDArray[np.int64], used: Sequence[Determinant], readings: tuple[Floats, Floats],
        both: NDArray[np.bool_], spread: float,
    ) -> None:  # fmt: skip
        from audit.stats import SparseSums

        self._table = SparseSums(patients)
        self._places: list[int] = []
        attribute, inside, shared = "", both, [0, 0, 0]
        automatic = reference = np.zeros(0)
        for d in used:
            if d.attribute != attribute:
                attribute, inside = d.attribute, both & d.known
                rows = np.flatnonzero(inside)
                middle = np.mean(readings[1][inside])
                automatic, reference = ((values - middle) / spread for values in readings)
                everyone = (np.ones(len(rows)), automatic[rows], reference[rows])
                shared = [self._table.add(rows, values) for values in everyone]
            x = d.values
            rows = np.flatnonzero(inside & (x != 0))
            own = x[rows]
            first = self._table.add(rows, own)
            square = first if d.level else self._table.add(rows, own**2)
            crossed = [self._table.add(rows, own * values[rows]) for values in (automatic, reference)]
            self._places += [shared[0], first, square, shared[1], crossed[0], shared[2], crossed[1]]

    def __call__(self, weights: Floats) -> Floats:
        """Return (b, 7k) sums for (b, patients) weights."""
        return self._table.sums(weights)[:, self._places]


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


def _absent(ctx: ProbeContext, determinant: Determinant, reason: str) -> Slopes:
    rows = determinant.known
    n, n_patients = int(rows.sum()), count_patients(ctx.cohort.patients, rows)
    nothing = Estimate.absent(reason, method=METHOD, n=n, n_patients=n_patients)
    return Slopes(determinant=determinant, reference=nothing, automatic=nothing, difference=nothing, excess=nothing)
