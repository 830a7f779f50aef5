"""CONF007 metadata-comparator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import ClassView, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.probes._metadata import columns_of, known_before
from audit.probes._out_of_fold import FOLDS, LEAST, lacking, log_odds_out_of_fold, values_out_of_fold
from audit.probes._shared import comparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.probes._out_of_fold import Rows

    Floats = NDArray[np.float64]

OUT_OF_FOLD = f"comparator out of fold, {FOLDS} folds of patients"
ADVANTAGE = "auc_advantage"
CLASSIFIERS = ("logistic regression", "boosted trees")
REGRESSORS = ("ridge regression", "boosted trees")


class MetadataComparator(Probe):
    """Whether the image model knows more than the patient's file does.

    What it measures:
        Two small models that see no image, a logistic regression and boosted trees, are trained on all declared
        attributes that are known before the image is read (protected, confounder, protocol, covariate; no severity,
        no readings) and asked about patients whom they were not trained on. `auc_advantage` is the AUC of the audited
        model minus theirs on the same patients (condition `parameter` names the comparator), and no more than the AUC
        of the model minus 0.5, since a file that tells nothing comes out below 0.5 as often as above it; `metadata_auc`
        is the comparator's own. For a real value: `mae_advantage`, the comparator's mean absolute error minus the
        model's.

    Why it matters clinically:
        A model that reaches no more than age, sex and the ward do has learned nothing from the image that the
        referring doctor did not know. That it was trained on images does not make it an imaging model.

    Known problems:
        The comparators are trained on this cohort, which the audited model was not: that is an advantage to them,
        larger where the cohort is unlike the training data. With few patients they learn little and are beaten easily,
        so look at `metadata_auc` beside DATA006. An attribute that nobody declared is not used. Beating the file is
        the least that is asked, not a proof of usefulness: a model may beat it and still lean on a confounder.

    Example:
        Age and the referring ward alone reach an AUC of 0.74 out of fold, the network 0.76: `auc_advantage` is 0.02
        (-0.01 to 0.05), and a rule that asks for `min = 0.05` is not met.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - DeLong, DeLong and Clarke-Pearson 1988, Comparing the areas under two or more correlated receiver operating
          characteristic curves: a nonparametric approach, Biometrics 44.
        - Badgeley and others 2019, Deep learning predicts hip fracture using confounding patient and healthcare
          variables, npj Digital Medicine 2.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF007",
        name="metadata-comparator",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        needs=("attributes",),
        metrics=("auc_advantage", "mae_advantage", "metadata_auc"),
        descriptive=("metadata_auc",),
        title="Against a model without images",
        question="Does it know more than the patient's file does?",
        method=(
            "Logistic regression, its penalty chosen in inner folds, and boosted trees on the declared attributes, out "
            "of fold by patient; paired difference by clustered DeLong covariances within folds."
        ),
        limits="Only declared attributes are used; with few patients the comparator is weak and easily beaten.",
        references=(
            "Obuchowski 1997, Biometrics 53", "DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44",
            "Badgeley and others 2019, npj Digital Medicine 2",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the model against each comparator; see `Probe.run`."""
        given = known_before(ctx.cohort)
        if not given:
            raise NotApplicable("no attribute that is known before the image is declared")
        table = columns_of(comparable(given, "known before the image"), ctx.cohort.patients)
        return _values(ctx, table) if ctx.card.task == "regression" else _classes(ctx, table)


def _classes(ctx: ProbeContext, table: Rows) -> Iterator[Measurement]:
    from audit.stats import stratified_auc, stratified_auc_difference

    patients = ctx.cohort.patients
    for done, view in enumerate(ctx.clean.views):
        found = []
        for learner in CLASSIFIERS:
            advantage = own = _without(ctx, view)
            if advantage is None or own is None:
                other = log_odds_out_of_fold(table, view.labels, patients, ctx.rng, learner=learner)
                scores, labels, fold = other.values, view.labels, other.fold
                theirs = stratified_auc_difference(view.scores, scores, labels, fold, patients, ctx.levels, folds=FOLDS)
                chance = stratified_auc(view.scores, labels, fold, patients, ctx.levels)
                own = stratified_auc(scores, labels, fold, patients, ctx.levels, folds=FOLDS)
                advantage, own = _noted(_smaller(theirs, chance)), _noted(own)
            condition = {**view.condition, "parameter": learner}
            yield _given(ctx, advantage, ADVANTAGE, condition)
            yield _given(ctx, own, "metadata_auc", condition)
            found.append((learner, ADVANTAGE, advantage))
        _draw(ctx, found, view.condition)
        ctx.sink.progress(done + 1, len(ctx.clean.views))


def _smaller(theirs: Estimate, own: Estimate) -> Estimate:
    """Return the smaller of the advantages over the comparator and over chance, each bound the smaller of the two.

    Out of fold a file that tells nothing comes out below 0.5 as often as above it; to beat that is no merit.
    """
    if theirs.value is None or own.value is None:
        return theirs
    over_chance = {level: (low - 0.5, high - 0.5) for level, low, high in own.curve}
    curve = tuple(
        (level, min(low, over_chance[level][0]), min(high, over_chance[level][1]))
        for level, low, high in theirs.curve
        if level in over_chance
    )
    return replace(
        theirs,
        value=min(theirs.value, own.value - 0.5),
        curve=curve,
        method=f"{theirs.method}; never more than over 0.5",
    )


def _without(ctx: ProbeContext, view: ClassView) -> Estimate | None:
    """Return an absent estimate where too few patients are there to learn from, else None."""
    reason = lacking(view.labels, ctx.cohort.patients, "positives")
    return None if reason is None else _absent(ctx, reason)


def _absent(ctx: ProbeContext, reason: str) -> Estimate:
    return Estimate.absent(reason, method=OUT_OF_FOLD, n=len(ctx.cohort), n_patients=ctx.cohort.n_patients)


def _values(ctx: ProbeContext, table: Rows) -> Iterator[Measurement]:
    from audit.stats import paired_difference

    target, patients = np.asarray(ctx.clean.targets, dtype=np.float64), ctx.cohort.patients
    own, found = np.abs(ctx.clean.scores - target), []
    for learner in REGRESSORS:
        if ctx.cohort.n_patients < 2 * LEAST:
            reason = f"{ctx.cohort.n_patients} patients, fewer than the {2 * LEAST} that learning out of fold needs"
            estimate = _absent(ctx, reason)
        else:
            theirs = np.abs(values_out_of_fold(table, target, patients, ctx.rng, learner=learner).values - target)
            estimate = _noted(paired_difference(theirs, own, patients, ctx.levels))
        yield _given(ctx, estimate, "mae_advantage", {"parameter": learner})
        found.append((learner, "mae_advantage", estimate))
    _draw(ctx, found, {})


def _noted(estimate: Estimate) -> Estimate:
    return replace(estimate, method=f"{estimate.method}; {OUT_OF_FOLD}")


def _given(ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Any]) -> Measurement:
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction="higher", condition=condition)


def _draw(ctx: ProbeContext, found: list[tuple[str, str, Estimate]], condition: dict[str, Any]) -> None:
    known = [(name, metric, e, e.bounds(ctx.levels.pointwise)) for name, metric, e in found if e.value is not None]
    if not known:
        return
    rows = [
        (f"{name} without images", metric, e.value, *(bounds or (np.nan, np.nan)), e.n, e.n_patients)
        for name, metric, e, bounds in known
    ]
    names = ("comparator", "metric", "value", "low", "high", "n", "n_patients")
    ctx.sink.artifact(
        "comparator_advantages", "The model minus models that see no image, on the same patients",
        {name: np.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}, **condition,
    )  # fmt: skip
