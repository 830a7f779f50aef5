"""What a real value loses in a cohort in which the confounder tells nothing of the reference value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext
from audit.probes._shared import SINGLE_LEVEL, count_patients
from audit.probes._tasks import relative_volume_error
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FIFTHS = 5
SMALLEST = 5
WEIGHTED = "weights p(level) / p(level given fifth of the reference), patient bootstrap"


def error_changes(ctx: ProbeContext, strata: Strata) -> Iterator[Measurement]:
    """Give `mae_change`: the mean absolute error of the balanced cohort minus that of the cohort as it is."""
    found = _errors(ctx)
    estimate = Estimate.absent("volumes were not measured on these cases", method="none")
    if found is not None:
        estimate = _change(ctx, strata, *found)
    yield Measurement.of(
        estimate,
        metric="mae_change",
        level=ctx.levels.confidence,
        direction="lower",
        condition={"attribute": strata.attribute},
    )


def _errors(ctx: ProbeContext) -> tuple[Floats, Floats] | None:
    """Return (n,) absolute errors, NaN where there is none, and (n,) reference values."""
    if ctx.card.task == "regression":
        reference = np.asarray(ctx.clean.targets, dtype=np.float64)
        return np.abs(ctx.clean.scores - reference), reference
    if {"volume_predicted", "volume_reference"} <= set(ctx.clean.columns):
        return np.abs(relative_volume_error(ctx)), ctx.clean.column("volume_reference")
    return None


def _change(ctx: ProbeContext, strata: Strata, error: Floats, reference: Floats) -> Estimate:
    from audit.stats import bootstrap

    rows = np.flatnonzero(strata.known & np.isfinite(error))
    patients, levels = ctx.cohort.patients[rows], strata.codes[rows]
    method = strata.method(WEIGHTED)
    if len(strata.names) < 2 or not rows.size:
        return Estimate.absent(SINGLE_LEVEL, method=method, n=rows.size, n_patients=int(np.unique(patients).size))
    unknown = strata.unknown(np.isfinite(error))
    if unknown:
        return Estimate.absent(unknown, method=method, n=rows.size, n_patients=int(np.unique(patients).size))
    edges = np.quantile(reference[rows], np.linspace(0, 1, FIFTHS + 1)[1:-1])
    fifth = np.searchsorted(edges, reference[rows], side="right")
    cell = fifth * len(strata.names) + levels
    reason = _lacking(strata, fifth, cell, patients)
    if reason:
        return Estimate.absent(reason, method=method, n=rows.size, n_patients=int(np.unique(patients).size))
    member = np.zeros((rows.size, FIFTHS * len(strata.names)))
    member[np.arange(rows.size), cell] = 1.0
    cases = member.sum(axis=0)
    weight = (cases.reshape(FIFTHS, -1).sum(axis=1).repeat(len(strata.names)) / len(strata.names) / cases)[cell]
    effective = weight.sum() ** 2 / (weight**2).sum()
    return bootstrap(
        lambda w: _balanced(w, member, error[rows]) - w @ error[rows] / w.sum(axis=1), patients, ctx.levels, ctx.rng,
        resamples=ctx.budget.resamples, method=f"{method}; effective n {effective:.0f}", vectorised=True,
    )  # fmt: skip


def _lacking(
    strata: Strata, fifth: NDArray[np.int64], cell: NDArray[np.int64], patients: NDArray[np.int64]
) -> str | None:
    """Return which levels have too few patients in a fifth of the reference values, with the counts, or None."""
    short = []
    for index in range(FIFTHS):
        if not (fifth == index).any():
            return "reference values repeat so often that they have no fifths"
        for code, name in enumerate(strata.names):
            count = count_patients(patients, cell == index * len(strata.names) + code)
            if count < SMALLEST:
                short.append(f"{name} in fifth {index + 1}: {count}")
    return f"fewer than {SMALLEST} patients in {', '.join(short[:4])}" if short else None


def _balanced(weights: Floats, member: Floats, error: Floats) -> Floats:
    """Return (b,) means over fifths, by their size, of the plain mean over levels of the mean error in the cell."""
    cases = weights @ member
    total = np.full_like(cases, np.nan)
    np.divide(weights @ (member * error[:, None]), cases, out=total, where=cases > 0)
    by_fifth = total.reshape(len(weights), FIFTHS, -1).mean(axis=2)
    size = cases.reshape(len(weights), FIFTHS, -1).sum(axis=2)
    out: Floats = (by_fifth * size).sum(axis=1) / size.sum(axis=1)
    return out
