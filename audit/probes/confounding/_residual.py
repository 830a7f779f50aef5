"""How far off the model is in one level of a confounder and in the rest, at equal reference values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext
from audit.probes._shared import ALL_SET_ASIDE, SINGLE_LEVEL, count_patients
from audit.probes.confounding._answered import silent
from audit.probes.confounding._errors import Residuals, residuals
from audit.probes.confounding._follows import Side, level_rows, shift
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GIVEN = "at equal reference"
NOT_MEASURED = "volumes were not measured on these cases"
METHOD = "mean error of the level minus that of the rest within fifths of the reference or grades, patient bootstrap"
FEWEST, LEAST_SHARED = 5, 0.5


def residual_rows(ctx: ProbeContext, strata: Strata) -> Iterator[Measurement]:
    """Give the gap of the mean error of every level, and how well the error tells the level."""
    found = residuals(ctx)
    condition = {"attribute": strata.attribute, "stratum": GIVEN}
    if found is None:
        absent = [Estimate.absent(NOT_MEASURED, method="none") for _ in strata.names]
        for metric in ("residual_gap", "score_shift_auc"):
            yield from level_rows(ctx, strata, strata.known, absent, metric, condition)
        return
    known = np.isfinite(found.signed)
    groups = np.zeros(len(known), dtype=np.int64)
    if known.any():
        groups[known] = found.groups(np.flatnonzero(known))
    gaps = [_gap(ctx, strata, found, known, groups, code) for code in range(len(strata.names))]
    yield from level_rows(ctx, strata, known, gaps, "residual_gap", condition, unit=found.unit, direction="zero")
    if not ctx.clean.views:
        side = Side(name="cases", rows=known, alike=groups, silent=silent(ctx, strata))
        errors = np.where(known, found.signed, 0.0)
        shifts = [shift(ctx, strata, errors, side, code) for code in range(len(strata.names))]
        yield from level_rows(ctx, strata, known, shifts, "score_shift_auc", condition)


def _gap(
    ctx: ProbeContext, strata: Strata, found: Residuals, known: NDArray[np.bool_], groups: NDArray[np.int64], code: int
) -> Estimate:
    from audit.stats import bootstrap

    patients = ctx.cohort.patients
    rows = known & strata.known
    own = rows & (strata.codes == code)
    usable = np.zeros(len(rows), dtype=bool)
    for group in np.unique(groups[rows]):
        inside = rows & (groups == group)
        if min(count_patients(patients, inside & of) for of in (own, ~own)) >= FEWEST:
            usable |= inside
    n, held = int(own.sum()), int((own & usable).sum())
    reason = SINGLE_LEVEL if len(strata.names) < 2 else strata.unknown(known) or silent(ctx, strata)
    reason = reason or (None if (strata.codes == code).any() else ALL_SET_ASIDE)
    if not reason and (held == 0 or held < LEAST_SHARED * n):
        reason = (
            f"only {held} of {n} cases of this level have {FEWEST} patients of either side at their reference value"
        )
    if reason:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=count_patients(patients, own))
    at = np.flatnonzero(usable)
    group = np.unique(groups[at], return_inverse=True)[1].reshape(-1)
    cell = group * 2 + own[at]
    member = np.zeros((len(at), 2 * (int(group.max()) + 1)))
    member[np.arange(len(at)), cell] = 1.0
    error = member * found.signed[at][:, None]

    def gap(weights: Floats) -> Floats:
        cases, total = weights @ member, weights @ error
        rest, level = cases[:, ::2], cases[:, 1::2]
        both = (rest > 0) & (level > 0)
        share = np.where(both, rest * level / np.where(both, rest + level, 1.0), 0.0)
        apart = np.where(both, total[:, 1::2] / np.where(both, level, 1.0), 0.0)
        apart -= np.where(both, total[:, ::2] / np.where(both, rest, 1.0), 0.0)
        weight = share.sum(axis=1)
        out = np.full(len(weights), np.nan)
        np.divide((share * apart).sum(axis=1), weight, out=out, where=weight > 0)
        return out

    return bootstrap(
        gap, patients[at], ctx.levels, ctx.rng, resamples=ctx.budget.resamples, method=METHOD, vectorised=True
    )
