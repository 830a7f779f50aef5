"""DATA004 missing-not-at-random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import (
    MISSING_LEVEL,
    Aside,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.probes._shared import NO_OPERATING_POINT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.bool_] | NDArray[np.float64]

WHOLE = "no attribute has an empty cell, and no case with a known outcome was set aside"
ASIDE = "set aside"


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Something that may differ between those with and without a value.

    Args:
        name: The condition `parameter` of its measurements.
        condition: Further condition keys, for example the class.
        values: (n,) of the cases, bool for a share, else float with NaN where there is none; None where it is absent.
        unit: Unit of the values.
    """

    name: str
    condition: dict[str, Scalar]
    values: Values | None
    unit: str = ""


class MissingNotAtRandom(Probe):
    """Whether those of whom something is not recorded, or who were left out, differ in outcome from the others.

    What it measures:
        `outcome_difference`, for each attribute with empty cells: the outcome of the cases without a value minus that
        of the cases with one. By `parameter`: "prevalence", the share of each class in the reference standard; "error
        rate", the share that the model decides wrongly at the operating point; for a real value the mean of the
        reference and of the absolute error; for a segmentation the mean Dice. For cases that were set aside and whose
        target is known (condition `stratum = "set aside"`): their prevalence, or mean reference, minus that of the
        cases used. `share_missing` is the share of cases without a value, for every attribute.

    Why it matters clinically:
        Age, sex or ethnicity go unrecorded in the emergency room and at night, where patients are sicker. A gap
        between groups that is measured on those with a value then says nothing of those without; and where the hard
        cases were left out, every number is too good.

    Known problems:
        A difference shows that a value is not missing at random; no difference does not show that it is, since what
        is missing may depend on the missing value itself. An outcome that was not recorded either is not seen.

    Example:
        Sex is empty for 40 of 400 patients. Disease is present in 0.55 of these 40 and in 0.30 of the others:
        `outcome_difference` is 0.25 for `attribute = "sex"` and `parameter = "prevalence"`.

    References:
        - Rubin 1976, Inference and missing data, Biometrika 63.
        - Collins et al. 2024, TRIPOD+AI statement, BMJ 385 (handling of missing data).
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA004",
        name="missing-not-at-random",
        family="DATA",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "survival"),
        metrics=("outcome_difference", "share_missing"),
        title="Missing not at random",
        question="Do patients with missing data differ in outcome?",
        method=(
            "Cases without a value minus cases with one; intervals by variance estimates recovery between patients "
            "(Wilson bounds for shares, cluster t for means)."
        ),
        limits="No difference in outcome does not show that values are missing at random.",
        references=("Rubin 1976, Biometrika 63", "Collins et al. 2024, BMJ 385"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Compare for every attribute with empty cells, and for the cases set aside; see `Probe.run`."""
        cohort = ctx.cohort
        gone = {name: a.levels == MISSING_LEVEL for name, a in cohort.attributes.items()}
        aside = cohort.aside if cohort.aside is not None and cohort.aside.known.any() else None
        if aside is None and not any(rows.any() for rows in gone.values()):
            raise NotApplicable(WHOLE)
        yield from (_share(ctx, name, rows) for name, rows in gone.items())
        outcomes = [*_targets(ctx), *_errors(ctx)]
        for name, rows in gone.items():
            if rows.any():
                yield from (_difference(ctx, name, rows, outcome) for outcome in outcomes)
        if aside is not None:
            yield from _left_out(ctx, aside)


def _share(ctx: ProbeContext, name: str, rows: NDArray[np.bool_]) -> Measurement:
    n = len(rows)
    estimate = (
        Estimate.counted(float(rows.mean()), n=n, n_patients=ctx.cohort.n_patients, k=int(rows.sum()))
        if n
        else Estimate.absent("no cases", method="count")
    )
    return Measurement.of(
        estimate, metric="share_missing", level=ctx.levels.confidence, direction="lower",
        subgroup={name: MISSING_LEVEL},
    )  # fmt: skip


def _targets(ctx: ProbeContext) -> Iterator[Outcome]:
    """Give what the reference standard says of each case."""
    for view in ctx.clean.views:
        yield Outcome(name="prevalence", condition=dict(view.condition), values=view.labels)
    if ctx.card.task == "regression":
        yield Outcome(name="mean reference", condition={}, values=np.asarray(ctx.clean.targets, dtype=np.float64))
    if ctx.card.task == "survival" and ctx.cohort.event is not None:
        yield Outcome(name="share with the event", condition={}, values=ctx.cohort.event)


def _errors(ctx: ProbeContext) -> Iterator[Outcome]:
    """Give how wrong the model is on each case."""
    for view in ctx.clean.views:
        wrong = None if view.decisions is None else view.decisions != view.labels
        yield Outcome(name="error rate", condition=dict(view.condition), values=wrong)
    if ctx.card.task == "regression":
        off = np.abs(ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64))
        yield Outcome(name="mean absolute error", condition={}, values=off)
    if ctx.card.task == "segmentation" and "dice" in ctx.clean.columns:
        yield Outcome(name="mean Dice", condition={}, values=ctx.clean.column("dice"))


def _difference(ctx: ProbeContext, name: str, rows: NDArray[np.bool_], outcome: Outcome) -> Measurement:
    patients = ctx.cohort.patients
    if outcome.values is None:
        n_patients = int(np.unique(patients[rows]).size)
        estimate = Estimate.absent(NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients)
    else:
        estimate = _gap(ctx, outcome.values, rows, patients)
    return _measurement(ctx, estimate, outcome, {name: MISSING_LEVEL}, {})


def _gap(
    ctx: ProbeContext, values: Values, rows: NDArray[np.bool_],
    patients: NDArray[np.int64],
) -> Estimate:  # fmt: skip
    from audit.stats import mean_gap, proportion_gap

    if values.dtype == bool:
        return proportion_gap(np.asarray(values, dtype=np.bool_), rows, patients, ctx.levels)
    known = np.isfinite(values)
    return mean_gap(values[known], rows[known], patients[known], ctx.levels)


def _measurement(
    ctx: ProbeContext, estimate: Estimate, outcome: Outcome, subgroup: dict[str, Scalar], more: dict[str, Scalar]
) -> Measurement:
    return Measurement.of(
        estimate, metric="outcome_difference", level=ctx.levels.confidence, unit=outcome.unit, direction="zero",
        subgroup=subgroup, condition={**outcome.condition, "parameter": outcome.name, **more},
    )  # fmt: skip


def _left_out(ctx: ProbeContext, aside: Aside) -> Iterator[Measurement]:
    """Give the outcome of cases that were set aside minus that of the cases used."""
    known = aside.known
    patients = np.concatenate([aside.patients[known], ctx.cohort.patients])
    rows = np.arange(len(patients)) < int(known.sum())
    targets = np.asarray(aside.targets)[known]
    for index, outcome in enumerate(_targets(ctx)):
        own = outcome.values
        assert own is not None
        lost = _of_aside(ctx, targets, index)
        yield _measurement(ctx, _gap(ctx, np.concatenate([lost, own]), rows, patients), outcome, {}, {"stratum": ASIDE})


def _of_aside(ctx: ProbeContext, targets: NDArray[np.float64], index: int) -> Values:
    """Return what `_targets` gives at an index, of the targets of other cases."""
    task = ctx.card.task
    if task == "regression":
        return targets.astype(np.float64)
    if task == "survival":
        return np.equal(targets[:, 1], 1)
    if task == "multilabel":
        return np.equal(targets[:, index], 1)
    return np.equal(targets, 1 if task == "binary" else index)
