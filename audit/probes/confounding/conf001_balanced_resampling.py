"""CONF001 balanced-resampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from audit.core import Attribute, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._shared import comparable
from audit.probes.confounding._balance import Question
from audit.probes.confounding._errors import error_changes
from audit.probes.confounding._retrained import retrained
from audit.probes.confounding._strata import JOINT, Strata, all_strata, beside


class BalancedResampling(Probe):
    """Whether the model ranks patients by a declared confounder instead of by the disease.

    What it measures:
        For a radiologist: take an ill patient from one ward and a healthy one from another and ask which of the two
        the model calls more suspicious. A model that reads the disease is right as often across wards as within one.
        A model that has learned the ward is right too often one way, and wrong the other way, and loses in the
        balance. `confounder_cost` is that loss: AUC points within levels minus AUC points over all pairs of levels,
        0 for a model that does not use the confounder, whatever the mix of the cohort. `auc_balanced` is what is left
        without the confounder, `auc_within` what the model reaches where it is held fixed, `worst_cross_auc` the
        smallest AUC of cases of one level against controls of another, the patients for whom leaning hurts most.
        `auc_drop` is the AUC of the cohort as it is minus the balanced one: how much this cohort flatters the model.

        For a statistician: with AUC_ab for cases of level a against controls of level b and declared shares π (equal
        by default), within = Σ π_a AUC_aa, balanced = Σ π_a π_b AUC_ab, all by exact pair weights; the interval is
        the patient bootstrap of the whole estimator, never a spread over random subsets. `random_drop` is the control:
        the AUC lost where as many patients are dropped at random as balancing costs in effective size; it is 0 but for
        precision. `confounder_cost_adjusted` repeats the cost with the other declared confounders and the covariates
        equally frequent in every level within each class (weights p(s given y) / p(s given y, a), strata without a
        counterpart left out and counted). A confounder that is a number is cut into up to five pieces; beside it
        `auc_balanced_weighted` uses weights p(c) / p(c given y) without bins. All are given for each confounder alone
        and, as "(joint)", for the combinations of levels of all declared confounders. For grades, a real value and the
        volume of a segmentation there is `mae_change`: the mean absolute error of a cohort in which every level is
        equally frequent at each reference value (in each fifth of them), minus that of the cohort as it is.

        Where `[training]` declares a recipe, models are trained again, five times each and on equally many cases and
        controls of the development cohort: with the level that goes with the disease most in 85 % of the cases and 35 %
        of the controls (biased), and in half of either (balanced). `auc_by_training` is the AUC of each on a cohort of
        each composition, by exact pair weights; `balancing_gain` what balanced training gains on balanced data;
        `shift_by_training` the AUC of the score for the level among controls; and `auc_by_share` the AUC within the
        level and within the others where 0, 25, 50, 75 and 100 % of the training set are of it. They describe the
        recipe, so none may block.

    Why it matters clinically:
        A model that has learned that portable films come from sicker patients looks excellent until it meets an
        ill patient who walked in. Its overall AUC does not show this; its AUC in exactly those patients does.

    Known problems:
        Only declared confounders are examined, each with its declared reason: balancing over a mediator or over a true
        risk factor such as age takes away legitimate signal, so declare those as covariates, which are adjusted for and
        never judged. A true effect modifier, a level in which the disease looks different, raises the cost as well, so
        the number calls for a reading, not for an automatic accusation. With two causes at once each one's cost alone
        is small, since within a level of the one the other still works: judge the joint one. The adjusted cost can be
        small because what was adjusted for carries the leaning; it explains a cost and excuses none. A number that few
        patients let be cut into two or three pieces only hides a part of its cost within a piece. Every level needs 20
        patients among its cases and among its controls; otherwise the number is missing. Cases without a level are left
        out and counted; where they are more than 5 % of the cases or of the controls the number is missing, since the
        leaning may show in just them; the same holds of cases that the model did not answer, with 10 % for those of one
        level. Declared shares that give nearly all weight to one level make any cost small; they are printed with it.
        Neither "as it is minus balanced" nor "within minus pooled" is judged, since each is blind on one kind of
        cohort. A cost of 0 does not show that the scores do not follow the confounder where it goes with no error in
        ranking; see CONF002. Models are trained again for two classes only, the level against all others, and with 20
        patients in every cell of either cohort.

    Example:
        85 % of the fractures but 35 % of the controls come from one scanner, and the model adds to the score for it.
        AUC is 0.93 as it is and 0.905 within each scanner, but cases of the other scanner against controls of this one
        reach 0.46: the balanced AUC is 0.82 and `confounder_cost` is 0.09.

    References:
        - Badgeley and others 2019, Deep learning predicts hip fracture using confounding patient and healthcare
          variables, npj Digital Medicine 2.
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLoS Medicine 15.
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Larrazabal and others 2020, Gender imbalance in medical imaging datasets produces biased classifiers for
          computer-aided diagnosis, Proceedings of the National Academy of Sciences 117.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF001",
        name="balanced-resampling",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("confounder",),
        metrics=(
            "confounder_cost", "worst_cross_auc", "auc_drop", "confounder_cost_adjusted", "auc_within", "auc_balanced",
            "auc_balanced_weighted", "random_drop", "mae_change",
            "auc_by_training", "balancing_gain", "shift_by_training", "auc_by_share",
        ),
        descriptive=(
            "auc_balanced_weighted", "random_drop", "auc_by_training", "balancing_gain", "shift_by_training",
            "auc_by_share",
        ),
        version=2,
        title="Leaning on a confounder",
        question="Does it lean on something beside the disease?",
        method=(
            "AUC within levels of the confounder minus AUC over all pairs of levels, declared or equal shares, exact "
            "over pairs of patients; interval by patient bootstrap of the whole estimator."
        ),
        limits=(
            "Sees declared confounders only, and cannot tell leaning from a disease that truly looks different in "
            "one level."
        ),
        references=(
            "Badgeley and others 2019, npj Digital Medicine 2",
            "Zech and others 2018, PLoS Medicine 15",
            "Obuchowski 1997, Biometrics 53",
            "Larrazabal and others 2020, PNAS 117",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every declared confounder and all of them jointly; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("confounder"), "confounder")
        strata = list(all_strata(attributes, ctx.clean.views, ctx.cohort.patients))
        return _all(ctx, attributes, strata)


def _all(ctx: ProbeContext, attributes: Sequence[Attribute], strata: Sequence[Strata]) -> Iterator[Measurement]:
    reasons = {a.name: a.spec.reason for a in attributes}
    total = len(strata) * max(1, len(ctx.clean.views))
    found: dict[str, list[Measurement]] = {}
    for i, part in enumerate(strata):
        if part.attribute == JOINT and len(part.parts) == 1:
            # All confounders jointly are the only one that varies: the same numbers under both names.
            yield from (m.with_condition(attribute=JOINT) for m in found[part.parts[0]])
            continue
        given: list[Measurement] = []
        reason = "; ".join(f"{name}: {reasons[name]}" for name in part.parts if reasons.get(name))
        for j, view in enumerate(ctx.clean.views):
            question = Question(ctx=ctx, strata=part, view=view, others=beside(ctx.cohort, part), reason=reason)
            given += list(question.answers())
            ctx.sink.progress(i * len(ctx.clean.views) + j + 1, total)
        if ctx.card.task in ("ordinal", "regression", "segmentation"):
            given += list(error_changes(ctx, part))
        found[part.attribute] = given
        yield from given
    yield from retrained(ctx, attributes)
