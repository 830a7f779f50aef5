"""What a real value loses in a cohort in which the confounder tells nothing of the reference value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext
from audit.probes._shared import SINGLE_LEVEL, count_patients
from audit.probes._tasks import relative_volume_error
from audit.probes.confounding._answered import silent
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FIFTHS = 5
SMALLEST = 5
WEIGHTED = "weights p(level) / p(level given the reference), patient bootstrap"


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """How far the model is off on each case, and what the reference says.

    Args:
        signed: (n,) model minus reference, NaN where there is none.
        reference: (n,) reference value, or grade.
        graded: Whether the reference is a grade, whose values are not cut into fifths.
        unit: Unit of the residual.
    """

    signed: Floats
    reference: Floats
    graded: bool = False
    unit: str = ""

    def groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (m,) grade or fifth of the reference value of some cases, without holes."""
        values = self.reference[rows]
        if self.graded:
            return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
        edges = np.quantile(values, np.linspace(0, 1, FIFTHS + 1)[1:-1])
        return np.searchsorted(edges, values, side="right").astype(np.int64)

    def name(self, group: int) -> str:
        """Return the words for one group."""
        return f"grade {group}" if self.graded else f"fifth {group + 1}"


def residuals(ctx: ProbeContext) -> Residuals | None:
    """Return the residuals of grades, of a real value or of a relative volume; None where they were not measured."""
    targets = np.asarray(ctx.clean.targets, dtype=np.float64)
    if ctx.card.task == "ordinal":
        # The grade that the model decides for: differences of grades are counted, not averaged probabilities.
        decided = ctx.clean.scores.argmax(axis=1).astype(np.float64)
        return Residuals(signed=decided - targets, reference=targets, graded=True, unit="grades")
    if ctx.card.task == "regression":
        return Residuals(signed=ctx.clean.scores - targets, reference=targets)
    if {"volume_predicted", "volume_reference"} <= set(ctx.clean.columns):
        return Residuals(signed=relative_volume_error(ctx), reference=ctx.clean.column("volume_reference"))
    return None


def error_changes(ctx: ProbeContext, strata: Strata) -> Iterator[Measurement]:
    """Give `mae_change`: the mean absolute error of the balanced cohort minus that of the cohort as it is."""
    found = residuals(ctx)
    estimate = Estimate.absent("volumes were not measured on these cases", method="none")
    if found is not None:
        estimate = _change(ctx, strata, found)
    yield Measurement.of(
        estimate,
        metric="mae_change",
        level=ctx.levels.confidence,
        direction="lower",
        condition={"attribute": strata.attribute},
        unit="" if found is None else found.unit,
    )


def _change(ctx: ProbeContext, strata: Strata, found: Residuals) -> Estimate:
    from audit.stats import bootstrap

    error = np.abs(found.signed)
    rows = np.flatnonzero(strata.known & np.isfinite(error))
    patients, levels = ctx.cohort.patients[rows], strata.codes[rows]
    method, count = strata.method(WEIGHTED), len(strata.names)
    reason = SINGLE_LEVEL if count < 2 or not rows.size else strata.unknown(np.isfinite(error)) or silent(ctx, strata)
    if not reason:
        group = found.groups(rows)
        reason = _lacking(strata, found, group, levels, patients)
    if reason:
        return Estimate.absent(reason, method=method, n=rows.size, n_patients=int(np.unique(patients).size))
    groups = int(group.max()) + 1
    member = np.zeros((rows.size, groups * count))
    member[np.arange(rows.size), group * count + levels] = 1.0
    cases = member.sum(axis=0)
    weight = (cases.reshape(groups, -1).sum(axis=1).repeat(count) * np.tile(strata.weights, groups) / cases)[
        group * count + levels
    ]
    effective = weight.sum() ** 2 / (weight**2).sum()
    return bootstrap(
        lambda w: _balanced(w, member, error[rows], strata.weights) - w @ error[rows] / w.sum(axis=1),
        patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
        method=f"{method}; effective n {effective:.0f}", vectorised=True,
    )  # fmt: skip


def _lacking(
    strata: Strata, found: Residuals, group: NDArray[np.int64], levels: NDArray[np.int64],
    patients: NDArray[np.int64],
) -> str | None:  # fmt: skip
    """Return which levels have too few patients at a reference value, with the counts, or None."""
    short = []
    for index in range(int(group.max()) + 1 if found.graded else FIFTHS):
        if not (group == index).any():
            return "reference values repeat so often that they have no fifths"
        for code, name in enumerate(strata.names):
            count = count_patients(patients, (group == index) & (levels == code))
            if count < SMALLEST:
                short.append(f"{name} in {found.name(index)}: {count}")
    return f"fewer than {SMALLEST} patients in {', '.join(short[:4])}" if short else None


def _balanced(weights: Floats, member: Floats, error: Floats, shares: Floats) -> Floats:
    """Return (b,) means over groups, by their size, of means over levels, by their shares, of the error in a cell."""
    cases = weights @ member
    total = np.full_like(cases, np.nan)
    np.divide(weights @ (member * error[:, None]), cases, out=total, where=cases > 0)
    shape = len(weights), -1, len(shares)
    by_group = total.reshape(shape) @ shares
    size = cases.reshape(shape).sum(axis=2)
    out: Floats = (by_group * size).sum(axis=1) / size.sum(axis=1)
    return out
