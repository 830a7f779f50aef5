"""DATA010 partial-verification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from audit.core import (
    ClassView,
    Cohort,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Predictions,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
    contrast_key,
)
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.data._verification import Verified, by_decision, by_score, corrected, worst_and_best

NOTHING = "no case is declared to lack the reference standard, and there is one source of it"
UNANSWERED = "the model answered none of the unverified cases"
FEW_IN_STRATA = "fewer than ten verified cases in a third of the score"
CORRECTED = ("sensitivity_corrected", "specificity_corrected")
BOUNDS = ("sensitivity_bound_low", "sensitivity_bound_high", "specificity_bound_low", "specificity_bound_high")


class PartialVerification(Probe):
    """Whether the reference standard was obtained for some cases only, and what that does to the numbers.

    What it measures:
        `share_unverified` and `faults` say how many cases lack the reference standard, and `faults` how many have it
        from another source than most (condition `parameter`); a case whose target cell is empty lacks it, too.
        `share_unverified_of_class` is how large a part of a class these cases would be if all were of that class, in
        all and in each level of an attribute. `verification_auc` is the AUC of the model's score for
        being verified: 0.5 where verification has nothing to do with it. `verification_gap` is the share verified in a
        level of an attribute minus that in the rest. `sensitivity_corrected` and `specificity_corrected` are what the
        numbers would be had every case been verified, if verification is at random given the decision, or given the
        score (condition `parameter`). The four bounds, `sensitivity_bound_low` to `specificity_bound_high`, assume
        nothing: all unverified cases are taken at their worst and at their best. Where there are several sources,
        `sensitivity` and `specificity` are given under each (condition `stratum`) and not pooled, and
        `source_association` is Cramer's V of source and decision, and of source and class (condition `parameter`):
        0 where the same mix of sources stands behind each.

    Why it matters clinically:
        Who looks ill is biopsied, and who does not is sent home. Missed disease is then never found out, and a
        sensitivity that is computed among the verified is too high, often by much.

    Known problems:
        The correction rests on verification at random within the strata; where a doctor also saw what is not in the
        score it is biased, and the bounds alone hold. Wide bounds are not a defect of the method: they are what the
        data leave open. Unverified cases that the model did not answer are in `faults` alone. A source of the
        reference standard that was chosen for the severe cases makes a difference between sources that is none of the
        model.

    Example:
        Of 100 cases called positive 80 are verified, 60 of them diseased; of 900 called negative 90 are verified, 3 of
        them diseased. Among the verified sensitivity is 60/63 = 0.95; corrected it is 75/(75 + 30) = 0.71.

    References:
        - Begg and Greenes 1983, Assessment of diagnostic tests when disease verification is subject to selection bias,
          Biometrics 39.
        - Manski 1990, Nonparametric bounds on treatment effects, American Economic Review 80.
        - Rutjes and others 2007, Evaluation of diagnostic tests when there is no gold standard, Health Technology
          Assessment 11.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA010",
        name="partial-verification",
        family="DATA",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        metrics=(
            "faults", "share_unverified", "share_unverified_of_class", "verification_auc", "verification_gap",
            *CORRECTED, *BOUNDS, "source_association", "sensitivity", "specificity",
        ),
        version=2,
        self_check=True,
        title="Partial verification",
        question="Was the truth looked for in every case?",
        method=(
            "Correction of Begg and Greenes within decisions and within thirds of the score, interval by variance "
            "estimates recovery; worst-case and best-case shares with Korn-Graubard bounds."
        ),
        limits="The correction assumes verification at random given the decision or the score; only the bounds do not.",
        references=("Begg and Greenes 1983, Biometrics 39", "Manski 1990, American Economic Review 80"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Compare verified with unverified cases, and source with source; see `Probe.run`."""
        missing = ctx.cohort.unverified
        several = ctx.cohort.reference_levels is not None and np.unique(ctx.cohort.reference_levels).size > 1
        if missing is None and not several:
            raise NotApplicable(NOTHING)
        yield from _faults(ctx)
        if missing is not None:
            yield from _unverified(ctx, missing.cohort, ctx.unverified)
        if several:
            yield from _by_source(ctx)


def _row(
    ctx: ProbeContext, metric: str, estimate: Estimate, *, direction: Direction = "none", **more: Any
) -> Measurement:
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction=direction, **more)


def _faults(ctx: ProbeContext) -> Iterator[Measurement]:
    cohort, missing = ctx.cohort, ctx.cohort.unverified
    if missing is not None:
        count = len(missing) + missing.unanswered
        n_patients = int(np.union1d(cohort.patients, missing.cohort.patients).size)
        lacking = Estimate.counted(count, n=len(cohort) + count, n_patients=n_patients)
        condition = {"parameter": "reference standard not obtained"}
        yield _row(ctx, "faults", lacking, direction="lower", unit="cases", condition=condition)
    if cohort.reference_levels is not None:
        most = int(np.unique(cohort.reference_levels, return_counts=True)[1].max())
        other = Estimate.counted(len(cohort) - most, n=len(cohort), n_patients=cohort.n_patients)
        condition = {"parameter": "another source than most"}
        yield _row(ctx, "faults", other, direction="lower", unit="cases", condition=condition)


def _unverified(ctx: ProbeContext, cases: Cohort, answers: Predictions | None) -> Iterator[Measurement]:
    from audit.stats import auc, proportion

    yield from _of_class(ctx, cases)
    patients = np.concatenate([ctx.cohort.patients, cases.patients])
    verified = np.arange(len(patients)) < len(ctx.cohort)
    yield _row(ctx, "share_unverified", proportion(~verified, patients, ctx.levels), direction="lower")
    yield from _gaps(ctx, cases, verified, patients)
    if answers is None or not len(cases):
        for metric in ("verification_auc", *CORRECTED, *BOUNDS):
            yield _row(ctx, metric, Estimate.absent(UNANSWERED, method="none"))
        return
    for own, theirs in zip(ctx.clean.views, answers.views, strict=True):
        scores = np.concatenate([own.scores, theirs.scores])
        area = auc(scores, verified, patients, ctx.levels)
        yield _row(ctx, "verification_auc", area, condition=own.condition)
        yield from _rates(ctx, own, theirs, verified, patients)


def _of_class(ctx: ProbeContext, cases: Cohort) -> Iterator[Measurement]:
    """Give the share of each class that the unverified cases would be at most, in all and by level."""
    cohort = ctx.cohort
    unanswered = 0 if cohort.unverified is None else cohort.unverified.unanswered
    for view in ctx.clean.views:
        for name, inside in _classes(ctx, view):
            yield _at_most(ctx, cases, np.ones(len(cases), dtype=bool), inside, {"class": name}, {}, unanswered)
            for attribute in cohort.by_role("protected", "protocol", "confounder"):
                theirs = cases.attributes.get(attribute.name)
                if theirs is None:
                    continue
                for level in np.unique(theirs.levels):
                    rows = inside & (attribute.levels == level)
                    subgroup: dict[str, Scalar] = {attribute.name: str(level)}
                    yield _at_most(ctx, cases, theirs.levels == level, rows, {"class": name}, subgroup)


def _classes(ctx: ProbeContext, view: ClassView) -> Iterator[tuple[str, Any]]:
    names = ctx.card.classes or ctx.cohort.classes
    negative, positive = names if ctx.card.task == "binary" and len(names) == 2 else ("negative", "positive")
    if view.name is not None:
        negative, positive = f"not {view.name}", view.name
    yield positive, view.labels
    if ctx.card.task in ("binary", "multilabel"):
        yield negative, ~view.labels


def _at_most(
    ctx: ProbeContext, cases: Cohort, theirs: Any, own: Any, condition: dict[str, Scalar], subgroup: dict[str, Scalar],
    unanswered: int = 0,
) -> Measurement:  # fmt: skip
    lacking = int(theirs.sum()) + unanswered
    n = lacking + int(own.sum())
    n_patients = int(np.union1d(ctx.cohort.patients[own], cases.patients[theirs]).size)
    share = Estimate.counted(lacking / n, n=n, n_patients=min(n, max(n_patients, 1)), k=lacking)
    return _row(ctx, "share_unverified_of_class", share, direction="lower", condition=condition, subgroup=subgroup)


def _rates(ctx: ProbeContext, own: ClassView, theirs: ClassView, verified: Any, patients: Any) -> Iterator[Measurement]:
    if own.decisions is None or theirs.decisions is None:
        for metric in (*CORRECTED, *BOUNDS):
            yield _row(ctx, metric, Estimate.absent(NO_OPERATING_POINT, method="none"), condition=own.condition)
        return
    cases = Verified(
        decisions=np.concatenate([own.decisions, theirs.decisions]), verified=verified, patients=patients,
        scores=np.concatenate([own.scores, theirs.scores]),
        labels=np.concatenate([own.labels, np.zeros(len(theirs.labels), dtype=np.bool_)]),
    )  # fmt: skip
    for given, strata in (("given the decision", by_decision(cases)), ("given the score", by_score(cases))):
        if strata is None:
            found = (Estimate.absent(FEW_IN_STRATA, method="none", n=len(patients)),) * 2
        else:
            found = corrected(cases, strata, ctx.levels)
        for metric, estimate in zip(CORRECTED, found, strict=True):
            condition = {**own.condition, "parameter": given}
            yield _row(ctx, metric, estimate, direction="higher", condition=condition)
    bounds = worst_and_best(cases, ctx.levels)
    for metric, estimate in bounds.items():
        yield _row(ctx, metric, estimate, direction="higher", condition=own.condition)
    _keep(ctx, own, cases)


def _keep(ctx: ProbeContext, view: ClassView, cases: Verified) -> None:
    """Keep the table behind the correction: cases, verified and diseased by decision."""
    table = {
        name: np.array([int((rows & (cases.decisions == decided)).sum()) for decided in (False, True)])
        for name, rows in (
            ("cases", np.ones_like(cases.verified)),
            ("verified", cases.verified),
            ("diseased", cases.verified & cases.labels),
        )
    }
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "verification_by_decision", "Verified cases by decision",
        {"decision": np.array(["negative", "positive"]), **table}, **about,
    )  # fmt: skip


def _gaps(ctx: ProbeContext, cases: Cohort, verified: Any, patients: Any) -> Iterator[Measurement]:
    from audit.stats import proportion_gap

    for attribute in ctx.cohort.by_role("protected", "protocol", "confounder"):
        theirs = cases.attributes.get(attribute.name)
        if theirs is None:
            continue
        levels = np.concatenate([attribute.levels, theirs.levels])
        names = np.unique(levels)
        if len(names) < 2:
            continue
        mirrored = contrast_key(attribute.name, names.tolist(), "verification_gap") if len(names) == 2 else None
        for name in names:
            gap = proportion_gap(verified, levels == name, patients, ctx.levels)
            subgroup = {attribute.name: str(name)}
            yield _row(ctx, "verification_gap", gap, direction="zero", subgroup=subgroup, contrast=mirrored)


def _by_source(ctx: ProbeContext) -> Iterator[Measurement]:
    """Give both rates under each source; a pooled rate would be of no source."""
    from audit.stats import association, proportion

    sources = ctx.cohort.reference_levels
    assert sources is not None
    for view in ctx.clean.views:
        for name, values in (("decision", view.decisions), ("class", view.labels)):
            if values is None:
                found = Estimate.absent(NO_OPERATING_POINT, method="none")
            else:
                found = association(sources, values, ctx.cohort.patients, ctx.levels)
            condition = {**view.condition, "parameter": name}
            yield _row(ctx, "source_association", found, direction="lower", condition=condition)
        for source in np.unique(sources):
            for metric, kind in (("sensitivity", view.labels), ("specificity", ~view.labels)):
                rows = kind & (sources == source)
                if view.decisions is None:
                    n_patients = int(np.unique(ctx.cohort.patients[rows]).size)
                    estimate = Estimate.absent(
                        NO_OPERATING_POINT, method="none", n=int(rows.sum()), n_patients=n_patients
                    )
                else:
                    hits = view.decisions == view.labels
                    estimate = proportion(hits[rows], ctx.cohort.patients[rows], ctx.levels)
                condition = {**view.condition, "stratum": str(source)}
                yield _row(ctx, metric, estimate, direction="higher", condition=condition)
