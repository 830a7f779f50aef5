"""CAL003 abstention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    ClassView,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.core.outputs import CLASSIFICATION
from audit.probes._prevalence import IN_SAMPLE, sample_stratum, settings, why_not
from audit.probes._shared import NO_OPERATING_POINT, Contrast, contrast_levels
from audit.probes._unanswered import Unanswered, unanswered, widened
from audit.probes.calibration._declined import UNDECLARED, Event, Intake, intake, mixed, rate, shares, with_others

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import SelectiveRisk

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
# The share to keep at which it is asked whose cases would go.
WHOM = 0.8
DRAWN = tuple(round(0.05 * i, 2) for i in range(1, 21))
EDGE = 1e-12
DECLINED = (
    "risk_where_answered", "risk_with_ungradable_as_failures", "sensitivity_with_ungradable_as_failures",
    "specificity_with_ungradable_as_failures",
)  # fmt: skip


class Abstention(Probe):
    """Whether the model errs less often where it is more confident, and what the cases cost that it declines.

    What it measures:
        Cases are put in order of the model's confidence: for one threshold the distance of the score from the
        operating point, on the logit scale where scores are probabilities; for the largest of several scores that
        score. `risk_at_coverage` is the share of wrong decisions among the most confident 100, 90, 80, 70 and 50 % of
        the cases (`parameter = "coverage 0.8"`), `aurc` its mean over all coverages; declined cases that have a score
        are among them. `coverage_gap` tells whose cases would stay: at the threshold that keeps 80 % of all, the
        share kept of each level of each protected attribute minus that of the rest. Where the cohort says which
        cases the model or its quality gate declined: `share_declined` of all cases answered or declined and of each
        level of each protected attribute, with the gap of the level to the rest; `risk_where_answered`, the share of
        wrong decisions where it answered; and risk, sensitivity and specificity with every declined case counted as
        a failure, declined cases that have no score included. What depends on how many are ill is weighted to the
        declared prevalence and its range, coverage included. Where none is declared a risk stands under `stratum =
        "in this sample"`, where no rule can PASS on it, unless the cohort's `design` is consecutive or random.

    Why it matters clinically:
        A system that hands its doubtful cases to a person is safe only if its doubts are where its errors are. One
        that declines a fifth of the patients and is judged on the rest has been judged on the easy ones; and if it
        declines mostly one group, that group is not served.

    Known problems:
        Risk counts a miss like a false alarm. Confidence is read from the score alone; a model with another measure of
        doubt is not judged by it. Declined cases as failures is the worst case: in use a person reads them. Cases
        that were set aside for another reason, such as an image that cannot be read, were neither answered nor
        declined; they widen the risks and are counted by DATA003. The share declined depends on the quality of the
        images here.

    Example:
        Risk is 0.12 on all cases, 0.07 on the most confident 80 % and 0.03 on half of them: doubts and errors go
        together. Of 400 cases 60 were declined, 0.22 of women and 0.08 of men: `share_declined_gap` is +0.14 for
        `sex = female`, and sensitivity with declined cases as misses is 0.74 instead of 0.88.

    References:
        - Geifman and El-Yaniv 2017, Selective classification for deep neural networks, NeurIPS.
        - El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification, Journal of Machine
          Learning Research 11.
        - Jones, Sagawa, Koh, Kumar and Liang 2021, Selective classification can magnify disparities across groups,
          International Conference on Learning Representations.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CAL003",
        name="abstention",
        family="CAL",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        version=2,
        at_prevalence=("risk_at_coverage", "aurc", *DECLINED[:2]),
        metrics=("risk_at_coverage", "aurc", "coverage_gap", "share_declined", "share_declined_gap", *DECLINED),
        title="Abstention",
        question="Is it less often wrong where it is confident, and whom does it decline to answer for?",
        method=(
            "Risk-coverage curve, its threshold picked again in every patient bootstrap and no arm shorter than the "
            "exact one of the kept cases; Korn-Graubard shares, level minus rest by variance estimates recovery."
        ),
        limits="Confidence is the score's distance from the threshold; other measures of doubt are not judged.",
        references=(
            "Geifman and El-Yaniv 2017, NeurIPS",
            "El-Yaniv and Wiener 2010, JMLR 11",
            "Jones and others 2021, ICLR",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure risk by coverage and the declined cases; see `Probe.run`.

        Raises:
            NotApplicable: There is neither a decision to be confident of nor a declaration of declined cases.
        """
        found, asked = intake(ctx), _questions(ctx)
        if found is None and not asked:
            if ctx.card.task in CLASSIFICATION:
                raise NotApplicable(f"{NO_OPERATING_POINT}, and {UNDECLARED}")
            raise NotApplicable(f"a task of {ctx.card.task} has no decisions to be confident of, and {UNDECLARED}")
        return _measure(ctx, asked, found)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """One decision a case.

    Args:
        wrong: (n,) True where it is wrong.
        confidence: (n,) finite.
        condition: The class, where there are several.
        label: Index of the label in the targets; None for the only one.
        labels: (n,) True for positive cases, None where there are several classes to choose from.
    """

    wrong: Bools
    confidence: Floats
    condition: dict[str, Scalar] = field(default_factory=dict)
    label: int | None = None
    labels: Bools | None = None


def _questions(ctx: ProbeContext) -> list[_Question]:
    if ctx.card.task in ("multiclass", "ordinal"):
        best = ctx.clean.scores.argmax(axis=1)
        confidence = ctx.clean.scores.max(axis=1)
        return [_Question(wrong=best != np.asarray(ctx.clean.targets), confidence=confidence)]
    several = ctx.card.task == "multilabel"
    return [
        _Question(
            wrong=view.decisions != view.labels, confidence=_distance(view, ctx.card.output), labels=view.labels,
            condition=view.condition, label=index if several else None,
        )
        for index, view in enumerate(ctx.clean.views)
        if view.decisions is not None and view.operating_point is not None
    ]  # fmt: skip


def _distance(view: ClassView, output: str) -> Floats:
    """Return how far each score is from the operating point.

    On the logit scale: at an operating point of 0.05 a score of 0.001 is a surer answer than one of 0.1, though it is
    as near. At 0.5 both scales put the cases in the same order.
    """
    point = float(view.operating_point or 0.0)
    if output == "value":
        return np.abs(view.scores - point)
    inside, at = (np.clip(values, EDGE, 1 - EDGE) for values in (view.scores, np.array(point)))
    out: Floats = np.abs(np.log(inside) - np.log1p(-inside) - np.log(at) + np.log1p(-at))
    return out


def _measure(ctx: ProbeContext, asked: list[_Question], found: Intake | None) -> Iterator[Measurement]:
    for question in asked:
        yield from _by_coverage(ctx, question)
    yield from shares(ctx)
    for question in asked:
        yield from _with_declined(ctx, question, found)


def _given(
    ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar], direction: Direction = "lower"
) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition
    )


def _by_coverage(ctx: ProbeContext, question: _Question) -> Iterator[Measurement]:
    from audit.stats import selective_risk

    gone = unanswered(ctx)
    at: list[float | None] = [setting.prevalence for setting in settings(ctx)] or [None]
    if at == [None] and sample_stratum(ctx) == IN_SAMPLE:
        # A rule that does not ask for the stratum then finds that its number is missing.
        nothing = Estimate.absent(why_not(ctx), method="none", n=len(question.wrong), n_patients=ctx.cohort.n_patients)
        for coverage in COVERAGES:
            unasked: dict[str, Scalar] = {**question.condition, "parameter": f"coverage {coverage:g}"}
            yield _given(ctx, nothing, "risk_at_coverage", unasked)
        yield _given(ctx, nothing, "aurc", question.condition)
    for index, prevalence in enumerate(at):
        made = partial(
            selective_risk, levels=ctx.levels, rng=ctx.rng, coverages=DRAWN, resamples=ctx.budget.resamples,
            prevalence=prevalence,
        )  # fmt: skip
        curve = made(question.wrong, question.confidence, ctx.cohort.patients, labels=question.labels)
        risks, area = dict(zip(curve.coverages, curve.risks, strict=True)), curve.area
        if gone.failures:
            wrong, confidence, labels = _worst(ctx, question, gone)
            worst = made(wrong, confidence, gone.patients_of(ctx), labels=labels)
            risks = {
                c: widened(risks[c], risk, gone.failures) for c, risk in zip(worst.coverages, worst.risks, strict=True)
            }
            area = widened(area, worst.area, gone.failures)
        stratum = sample_stratum(ctx) if prevalence is None else f"prevalence {prevalence:g}"
        condition: dict[str, Scalar] = {**question.condition, "stratum": stratum}
        for coverage in COVERAGES:
            about = {**condition, "parameter": f"coverage {coverage:g}"}
            yield _given(ctx, risks[coverage], "risk_at_coverage", about)
        yield _given(ctx, area, "aurc", condition)
        if index == 0:
            _draw(ctx, curve, condition)
            kept = question.confidence >= curve.thresholds[curve.coverages.index(WHOM)]
            yield from _whom(ctx, kept, {**condition, "parameter": f"coverage {WHOM:g}"})


def _worst(ctx: ProbeContext, question: _Question, gone: Unanswered) -> tuple[Bools, Floats, Bools | None]:
    """Return wrong, confidence and labels (n + known,) with every unanswered case as a failure.

    A case that was declined is the first to be handed back. One that was set aside may have been answered wrongly and
    with confidence, so it is the last.
    """
    aside = ctx.cohort.aside
    refused = np.zeros(0, dtype=bool)
    if aside is not None:
        refused = (np.zeros(len(aside), dtype=bool) if aside.ungradable is None else aside.ungradable)[gone.known]
    first, last = question.confidence.min() - 1, question.confidence.max() + 1
    confidence = gone.with_known(np.where(gone.declined, first, question.confidence), np.where(refused, first, last))
    wrong = gone.with_known(question.wrong | gone.declined, True)
    if question.labels is None:
        return wrong, confidence, None
    own = gone.labels[question.label or 0][gone.known]
    return wrong, confidence, gone.with_known(question.labels, own)


def _whom(ctx: ProbeContext, kept: Bools, condition: dict[str, Scalar]) -> Iterator[Measurement]:
    """Give the gap in the share of cases kept at one threshold for everybody, level minus rest."""
    from audit.stats import proportion_gap

    patients = ctx.cohort.patients

    def gap(members: Bools) -> Estimate:
        return proportion_gap(kept, members, patients, ctx.levels)

    everyone = np.ones(len(kept), dtype=bool)
    contrast = Contrast(metric="coverage_gap", denominator=everyone, estimate=gap, condition=condition)
    for attribute in ctx.cohort.by_role("protected"):
        if len(attribute.level_names()) > 1:
            yield from contrast_levels(ctx, attribute, contrast)


def _draw(ctx: ProbeContext, curve: SelectiveRisk, condition: dict[str, Scalar]) -> None:
    """Keep the curve where there is an interval, with the lowest confidence that is kept and the counts."""
    rows = []
    for coverage, risk, threshold in zip(curve.coverages, curve.risks, curve.thresholds, strict=True):
        bounds = risk.bounds(ctx.levels.pointwise)
        if risk.value is not None and bounds is not None:
            rows.append({
                "coverage": coverage, "risk": risk.value, "low": bounds[0], "high": bounds[1],
                "confidence": threshold, "n": risk.n, "n_patients": risk.n_patients,
            })  # fmt: skip
    if not rows:
        return
    about: dict[str, Any] = dict(condition)
    ctx.sink.artifact(
        "risk_coverage", "Share of wrong decisions among the most confident cases",
        {name: np.array([row[name] for row in rows]) for name in rows[0]}, **about,
    )  # fmt: skip


def _with_declined(ctx: ProbeContext, question: _Question, found: Intake | None) -> Iterator[Measurement]:
    if found is None:
        for metric in DECLINED[:2] if question.labels is None else DECLINED:
            direction: Direction = "lower" if metric.startswith("risk") else "higher"
            yield _given(ctx, Estimate.absent(UNDECLARED, method="none"), metric, question.condition, direction)
        return
    own, every = _targets_of(found, question), _targets_of(with_others(ctx, found), question)
    worst = _failures(every, question)
    failed = worst[: len(own)]
    about = question.condition
    answered, known = (Event(found=own, event=failed, rows=rows) for rows in (~own.declined, own.known))
    # A case that was set aside for another reason is neither answered nor declined; at worst it would have been wrong.
    beside, all_known = (
        Event(found=every, event=worst, rows=rows) for rows in (~every.declined & every.known, every.known)
    )
    yield from mixed(ctx, answered, "risk_where_answered", about, beside)
    yield from mixed(ctx, known, "risk_with_ungradable_as_failures", about, all_known)
    if question.labels is None:
        return
    for name, ill in (("sensitivity", 1), ("specificity", 0)):
        share = rate(ctx, own, ~failed, own.known & (own.targets == ill))
        more = int((every.known & (every.targets == ill))[len(own) :].sum())
        if more:
            share = widened(share, rate(ctx, every, ~worst, every.known & (every.targets == ill)), more)
        yield _given(ctx, share, f"{name}_with_ungradable_as_failures", about, "higher")


def _failures(found: Intake, question: _Question) -> Bools:
    """Return (m,) True for the wrong decisions and for every case that got none."""
    out = np.ones(len(found), dtype=bool)
    n = len(question.wrong)
    out[:n] = question.wrong | found.declined[:n]
    return out


def _targets_of(found: Intake, question: _Question) -> Intake:
    """Return the cases with the targets of one finding; a declined case is known where that finding is."""
    if question.label is None:
        return found
    targets = found.targets[:, question.label]
    return Intake(
        patients=found.patients, declined=found.declined, known=found.known & np.isin(targets, (0, 1)),
        targets=targets, attributes=found.attributes,
    )  # fmt: skip
