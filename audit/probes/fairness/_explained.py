"""What stands beside a gap to explain it: predictive values, selection, and the gap at equal severity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, ClassView, Estimate, ProbeContext
from audit.probes._prevalence import IN_SAMPLE, Setting, predictive_value, settings
from audit.probes._shared import (
    NO_OPERATING_POINT,
    Contrast,
    count_patients,
    share_contrast,
    weighted_sum,
)
from audit.probes._standard import standardised, strata_codes
from audit.probes.fairness._rates import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray


def predictive_contrasts(ctx: ProbeContext, view: ClassView) -> Iterator[Contrast]:
    """Give the gap of the positive predictive value at one prevalence for all levels, and as this sample has it.

    The value of this sample differs between levels by their prevalence alone. At one prevalence for all it differs
    where the level's sensitivity or specificity does.
    """
    for setting in settings(ctx) or (_pooled(view),):
        yield _at_one_prevalence(ctx, view, setting)
    called = np.zeros(len(view.labels), dtype=bool) if view.decisions is None else view.decisions
    labels = None if view.decisions is None else view.labels
    condition = {**view.condition, "stratum": IN_SAMPLE}
    yield share_contrast(ctx, "ppv_gap_crude", called, labels, condition=condition)


def _pooled(view: ClassView) -> Setting:
    share = float(np.mean(view.labels)) if len(view.labels) else 0.0
    condition = {**view.condition, "parameter": f"pooled prevalence {share:.3g}", "stratum": IN_SAMPLE}
    return Setting(prevalence=share, condition=condition)


def _at_one_prevalence(ctx: ProbeContext, view: ClassView, setting: Setting) -> Contrast:
    method = "Bayes at one prevalence, MOVER of Korn-Graubard"
    everyone, patients = np.ones(len(view.labels), dtype=bool), ctx.cohort.patients

    right = np.zeros(len(everyone), dtype=bool) if view.decisions is None else view.decisions == view.labels

    def value(members: NDArray[np.bool_]) -> Estimate:
        from audit.stats import proportion

        ill, well = members & view.labels, members & ~view.labels
        found = proportion(right[ill], patients[ill], ctx.levels)
        spared = proportion(right[well], patients[well], ctx.levels)
        shared = np.intersect1d(patients[ill], patients[well]).size > 0
        whose = count_patients(patients, members)
        return predictive_value(found, spared, setting.prevalence, shared=shared, n_patients=whose, method=method)

    def gap(members: NDArray[np.bool_]) -> Estimate:
        n, n_patients = int(members.sum()), count_patients(patients, members)
        if view.decisions is None:
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=n_patients)
        if not 0 < setting.prevalence < 1:
            return Estimate.absent("the cohort has one class only", method="none", n=n, n_patients=n_patients)
        shared = np.intersect1d(patients[members], patients[~members]).size > 0
        parts = ((1.0, value(members)), (-1.0, value(~members)))
        return replace(weighted_sum(parts, shared=shared, method=method, n_patients=n_patients), n=n)

    return Contrast(metric="ppv_gap", denominator=everyone, estimate=gap, condition=setting.condition)


def selection_contrast(ctx: ProbeContext, view: ClassView) -> Contrast:
    """Return the contrast of the share of cases that are called positive, whatever their reference standard."""
    everyone = np.ones(len(view.labels), dtype=bool)
    return share_contrast(ctx, "selection_rate_gap", everyone, view.decisions, condition=view.condition)


def standardised_contrasts(ctx: ProbeContext, rate: Rate) -> Iterator[Contrast]:
    """Give the gap of a rate at equal severity, one for each attribute with the role `severity`."""
    for attribute in ctx.cohort.by_role("severity"):
        yield _standardised(ctx, rate, attribute)


def _standardised(ctx: ProbeContext, rate: Rate, severity: Attribute) -> Contrast:
    from audit.stats import proportion_gap

    hits, patients = rate.hits, ctx.cohort.patients

    def gap(rows: NDArray[np.bool_], members: NDArray[np.bool_]) -> Estimate:
        right = np.zeros(len(rows), dtype=bool) if hits is None else hits
        return proportion_gap(right[rows], members[rows], patients[rows], ctx.levels)

    return standardised(
        ctx, f"{rate.metric}_gap_standardised", rate.rows, strata_codes([severity], rate.rows), gap, of="severity",
        condition={**rate.condition, "stratum": f"at equal {severity.name}"},
        absent=NO_OPERATING_POINT if hits is None else "",
    )  # fmt: skip
