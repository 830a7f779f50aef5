"""Gaps between protocols at equal case mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, ClassView, Estimate, ProbeContext
from audit.probes._shared import NO_OPERATING_POINT, Contrast
from audit.probes._standard import standardised, strata_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Gap = Callable[[Bools, Bools], Estimate]

NO_LOGIT = "the model gives a value on a scale of its own, which has no logit"

COMPARED = 0.8
"""Least share of the cases that must lie in strata which both sides have; the rest is other patients."""


def case_mix(ctx: ProbeContext) -> tuple[tuple[Attribute, ...], tuple[Attribute, ...]]:
    """Return what cases, and what controls, are standardised for: controls have no severity."""
    everyone = {a.name: a for role in ("covariate", "severity") for a in ctx.cohort.by_role(role)}
    everyone |= {a.name: a for a in ctx.cohort.attributes.values() if a.spec.unit == "years"}
    mixed = tuple(a for a in everyone.values() if "protocol" not in a.roles)
    return mixed, tuple(a for a in mixed if "severity" not in a.roles)


def standardised_contrasts(ctx: ProbeContext, view: ClassView, logit: Floats | None) -> Iterator[Contrast]:
    """Give the gaps of AUC, sensitivity and specificity and the score offset at equal case mix, where it is declared.

    Args:
        ctx: The probe's context.
        view: The question of one class.
        logit: (n,) scores on the logit scale, or None where they have none.
    """
    among_cases, among_controls = case_mix(ctx)
    if not among_cases:
        return
    everyone = np.ones(len(view.labels), dtype=bool)
    age = strata_codes(among_controls, everyone)
    # Strata of cases and of controls have numbers of their own, so that no stratum holds both.
    codes = np.where(view.labels, 1 + strata_codes(among_cases, view.labels), -1 - age)
    of = " and ".join(a.name for a in among_cases)
    condition = {**view.condition, "stratum": f"at equal {of}"}
    for metric, rows in (("sensitivity", view.labels), ("specificity", ~view.labels)):
        yield standardised(
            ctx, f"{metric}_gap_standardised", rows, codes, _rate(ctx, view), of=of, condition=condition,
            least=COMPARED, absent=NO_OPERATING_POINT if view.decisions is None else "",
        )  # fmt: skip
    yield standardised(
        ctx, "auc_gap_standardised", view.labels, codes, _area(ctx, view, age), of=of, condition=condition,
        least=COMPARED, overlap=True,
    )  # fmt: skip
    yield standardised(
        ctx, "score_offset_standardised", everyone, codes, _mean(ctx, np.zeros(0) if logit is None else logit), of=of,
        condition=condition, least=COMPARED, unit="logit", absent=NO_LOGIT if logit is None else "",
    )  # fmt: skip


def _rate(ctx: ProbeContext, view: ClassView) -> Gap:
    from audit.stats import proportion_gap

    patients = ctx.cohort.patients
    right = np.zeros(len(view.labels), dtype=bool) if view.decisions is None else view.decisions == view.labels
    return lambda rows, members: proportion_gap(right[rows], members[rows], patients[rows], ctx.levels)


def _area(ctx: ProbeContext, view: ClassView, age: NDArray[np.int64]) -> Gap:
    """Return the gap of AUC in a stratum of cases, each ranked among all controls of its own age."""
    from audit.stats import auc_gap

    patients = ctx.cohort.patients

    def gap(cases: Bools, members: Bools) -> Estimate:
        rows = cases | (~view.labels & np.isin(age, age[cases]))
        return auc_gap(view.scores[rows], view.labels[rows], members[rows], patients[rows], ctx.levels)

    return gap


def _mean(ctx: ProbeContext, logit: Floats) -> Gap:
    from audit.stats import mean_gap

    patients = ctx.cohort.patients
    return lambda rows, members: mean_gap(logit[rows], members[rows], patients[rows], ctx.levels)
