"""FAIR005 weak-subgroup-discovery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Attribute,
    ClassView,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.probes._shared import NO_OPERATING_POINT, comparable, count_patients
from audit.probes._unanswered import Unanswered, place_of, unanswered, widened
from audit.probes.fairness._search import (
    MIN_PATIENTS,
    Candidate,
    Part,
    Search,
    distinct,
    halves,
    not_searched,
    parts_of,
    whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

FOUND = 3
SHOWN = 15
STRATUM = "confirmed on other patients"
TOO_SMALL = f"no subgroup and its rest have {MIN_PATIENTS} patients of this class each in both halves of the cohort"


class WeakSubgroupDiscovery(Probe):
    """Whether there are patients, described by several attributes together, whom the model fails unnoticed.

    What it measures:
        The patients are split at random into two halves, those with and those without the disease alike. On the first
        half every level of every attribute of role protected, protocol, confounder or covariate is looked at, every
        pair of levels of two attributes, and each of the ten weakest pairs with a third level added; numbers without
        declared bins are cut into thirds, unknown values are a level. A subgroup counts if it and its rest have 20
        patients of the class in each half. The weakest ones, up to three of which none holds most of another, are
        then measured on the second half, which had no part in finding them: `sensitivity_gap` and `specificity_gap`
        of the subgroup minus the rest, and its own `sensitivity` and `specificity`. Only these numbers are given;
        what the search saw is in the figure, and overstates. The number of subgroups that were looked at is in the
        condition; an interval that holds for all confirmed ones together stands beside each. A single level that is too
        small to be searched is given without a number and with its reason. Where cases have no answer, the search is
        made once more with them as failures, its weakest subgroups are measured as well, and the bounds of all hold
        with the unanswered cases left out and with them as failures.

    Why it matters clinically:
        A model may serve women, the old and scanner B well, each on the whole, and miss disease in old women on
        scanner B. Nobody declares that group before the run, and who looks at the same patients until a gap appears
        will always find one.

    Known problems:
        Half of the patients are spent on the search, so a gap must be larger to be found and to be confirmed. That
        none is confirmed proves nothing for subgroups that are small, or that no declared attribute describes; images
        and features of the network are not searched. Another seed splits in another way and may find another
        subgroup. Severity is left out, since mild disease is missed more often by every model.

    Example:
        Of 96 subgroups the weakest on the first half is age = [60, 120] and scanner = B and sex = female with a gap of
        -0.31; on the other half it is -0.24, interval -0.38 to -0.10, in 48 ill patients: a rule that allows
        -0.10 is not met.

    References:
        - Oakden-Rayner and others 2020, Hidden stratification causes clinically meaningful failures in machine
          learning for medical imaging, ACM Conference on Health, Inference, and Learning.
        - Chung and others 2019, Slice finder: automated data slicing for model validation, IEEE International
          Conference on Data Engineering.
        - Cox 1975, A note on data-splitting for the evaluation of significance levels, Biometrika 62.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="FAIR005",
        name="weak-subgroup-discovery",
        family="FAIR",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        version=2,
        needs=("attributes",),
        metrics=("sensitivity_gap", "specificity_gap", "sensitivity", "specificity"),
        title="Weak subgroups found by search",
        question="Is there a group of patients, not declared in advance, that it fails?",
        method=(
            "Search by clustered score statistic over levels, pairs and a beam of triples on one random half of the "
            "patients; level minus rest on the other half by variance estimates recovery, simultaneous by Bonferroni."
        ),
        limits=(
            "Only subgroups that declared attributes describe and that have 20 patients of the class in each half are "
            "searched; no finding is no proof that there is none."
        ),
        references=(
            "Oakden-Rayner and others 2020, ACM CHIL",
            "Chung and others 2019, ICDE",
            "Cox 1975, Biometrika 62",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Search one half of the patients and measure on the other; see `Probe.run`.

        Raises:
            NotApplicable: No attribute to search has two levels.
        """
        attributes = comparable(
            ctx.cohort.by_role("protected", "protocol", "confounder", "covariate"),
            "protected, protocol, confounder or covariate",
        )
        if not ctx.clean.views:
            raise NotApplicable("the model answers no question of yes or no")
        return (measured for view in ctx.clean.views for measured in _class(ctx, view, attributes))


def _class(ctx: ProbeContext, view: ClassView, attributes: Sequence[Attribute]) -> Iterator[Measurement]:
    gone = unanswered(ctx)
    searched = halves(view.labels, ctx.cohort.patients, ctx.rng)
    labels = gone.with_known(view.labels, gone.labels[place_of(ctx, view)][gone.known])
    searched = gone.with_known(searched, _half_of_others(ctx, gone, searched, labels[len(searched) :]))
    every = [whole(attribute, gone, ctx.cohort.aside) for attribute in attributes]
    for name, rows in (("sensitivity", labels), ("specificity", ~labels)):
        yield from _Question(ctx, view, name, rows, searched, gone).answer(every)


def _half_of_others(ctx: ProbeContext, gone: Unanswered, searched: Bools, labels: Bools) -> Bools:
    """Return (known,) the half of each case that was set aside: its patient's own, where that one has one."""
    patients = gone.patients[gone.known]
    out = np.isin(patients, ctx.cohort.patients[searched])
    new = ~np.isin(patients, ctx.cohort.patients)
    if new.any():
        out[new] = halves(labels[new], patients[new], ctx.rng)
    return out


class _Question:
    """One rate of one class.

    Arrays are of the cases of the cohort, then of those that were set aside though their target is known.
    """

    def __init__(
        self, ctx: ProbeContext, view: ClassView, rate: str, rows: Bools, searched: Bools, gone: Unanswered
    ) -> None:
        self.ctx, self.view, self.rate, self.rows, self.searched = ctx, view, rate, rows, searched
        self.patients, self.failed = gone.patients_of(ctx), gone.failed
        self.asked = rows & gone.with_known(np.ones(len(ctx.cohort), dtype=bool), False)
        self.kept = self.asked & ~searched
        right = np.zeros(len(view.labels), dtype=bool) if view.decisions is None else view.decisions == view.labels
        self.hits = gone.with_known(right, False)

    def answer(self, attributes: Sequence[Attribute]) -> Iterator[Measurement]:
        if self.view.decisions is None:
            yield from self._absent(NO_OPERATING_POINT)
            return
        parts = parts_of(attributes)
        search = Search(parts, self.hits, self.asked, self.searched, self.patients)
        candidates = search.run()
        found = distinct(candidates, self.asked, FOUND)
        ranks = [f"rank {rank} of {search.searched} searched" for rank in range(1, len(found) + 1)]
        for rank, more in self._weak_with_failures(parts):
            if not any(more.subgroup == candidate.subgroup for candidate in found):
                found.append(more)
                ranks.append(rank)
        if not found:
            yield from self._absent(TOO_SMALL)
            return
        gaps = [self._gap(candidate) for candidate in found]
        self._keep(candidates, found, gaps, attributes)
        for rank, candidate, gap in zip(ranks, found, gaps, strict=True):
            yield from self._give(candidate, gap, rank, len(found))
        yield from self._small(attributes)

    def _weak_with_failures(self, parts: Sequence[Part]) -> Iterator[tuple[str, Candidate]]:
        """Give the weakest subgroups of a search in which unanswered cases are failures; none where there are none."""
        if not (self.rows & self.failed).any():
            return
        search = Search(parts, self.hits & ~self.failed, self.rows, self.searched, self.patients)
        for rank, candidate in enumerate(distinct(search.run(), self.rows, FOUND), start=1):
            yield f"rank {rank} of {search.searched} searched, unanswered cases as failures", candidate

    def _small(self, attributes: Sequence[Attribute]) -> Iterator[Measurement]:
        """Give a reason for each level that is too small to be searched, so that none is passed over in silence."""
        for name, level, members in not_searched(attributes, self.rows, self.searched, self.patients):
            own = self.asked & members
            n, n_patients = int(own.sum()), count_patients(self.patients, own)
            reason = f"{n_patients} patients of this class are too few to be searched, {MIN_PATIENTS} in each half are"
            yield from self._without(f"{reason} needed", {name: level}, n, n_patients)

    def _absent(self, reason: str) -> Iterator[Measurement]:
        yield from self._without(reason, {}, int(self.kept.sum()), count_patients(self.patients, self.kept))

    def _without(self, reason: str, subgroup: dict[str, Scalar], n: int, n_patients: int) -> Iterator[Measurement]:
        for metric in (f"{self.rate}_gap", self.rate):
            estimate = Estimate.absent(reason, method="none", n=n, n_patients=n_patients)
            yield Measurement.of(
                estimate, metric=metric, level=self.ctx.levels.confidence, condition=self._condition(),
                direction="zero" if metric.endswith("_gap") else "higher", subgroup=subgroup,
            )  # fmt: skip

    def _condition(self) -> dict[str, Scalar]:
        return {**self.view.condition, "stratum": STRATUM}

    def _gap(self, candidate: Candidate) -> Estimate:
        from audit.stats import proportion_gap

        def gap(hits: Bools, rows: Bools) -> Estimate:
            return proportion_gap(hits[rows], candidate.members[rows], self.patients[rows], self.ctx.levels)

        return self._either_way(gap, np.ones(len(self.rows), dtype=bool))

    def _either_way(self, estimate: Callable[[Bools, Bools], Estimate], among: Bools) -> Estimate:
        """Return what (hits, rows) give on the half that is kept, widened for the unanswered of these cases."""
        plain, rows = estimate(self.hits, self.kept & among), self.rows & ~self.searched & among
        count = int((rows & self.failed).sum())
        return widened(plain, estimate(self.hits & ~self.failed, rows), count) if count else plain

    def _give(self, candidate: Candidate, gap: Estimate, rank: str, comparisons: int) -> Iterator[Measurement]:
        from audit.stats import proportion, simultaneous

        def share(hits: Bools, rows: Bools) -> Estimate:
            return proportion(hits[rows], self.patients[rows], self.ctx.levels)

        level = self.ctx.levels.confidence
        rest = count_patients(self.patients, self.kept & ~candidate.members)
        condition: dict[str, Scalar] = {**self._condition(), "parameter": rank}
        yield Measurement.of(
            gap, metric=f"{self.rate}_gap", level=level, direction="zero", subgroup=candidate.subgroup,
            condition={**condition, "n_rest": rest},
            simultaneous=None if gap.value is None else simultaneous(gap, comparisons, self.ctx.levels),
        )  # fmt: skip
        rate = self._either_way(share, candidate.members)
        yield Measurement.of(
            rate, metric=self.rate, level=level, direction="higher", subgroup=candidate.subgroup, condition=condition
        )

    def _keep(
        self, candidates: list[Candidate], found: list[Candidate], gaps: list[Estimate],
        attributes: Sequence[Attribute],
    ) -> None:  # fmt: skip
        """Keep the weakest of the searched half with what became of them, and the cloud of all that was looked at."""
        nan, confirmed = float("nan"), {id(c): gap for c, gap in zip(found, gaps, strict=True)}
        shown = [*found, *(c for c in candidates[:SHOWN] if id(c) not in confirmed)][:SHOWN]
        rows = []
        for candidate in sorted(shown, key=lambda c: (id(c) not in confirmed, c.score)):
            gap = confirmed.get(id(candidate))
            bounds = (gap.bounds(self.ctx.levels.pointwise) if gap else None) or (nan, nan)
            value = nan if gap is None or gap.value is None else gap.value
            rows.append({
                "subgroup": candidate.name, "gap_where_searched": candidate.gap, "score": candidate.score,
                "n_where_searched": candidate.n, "n_patients_where_searched": candidate.n_patients, "gap": value,
                "low": bounds[0], "high": bounds[1], "n": gap.n if gap else 0,
                "n_patients": gap.n_patients if gap else 0,
            })  # fmt: skip
        about: dict[str, Any] = {
            **self.view.condition, "metric": f"{self.rate}_gap", "searched": len(candidates),
            "attributes": "|".join(a.name.replace("|", "/") for a in attributes), "min_patients": MIN_PATIENTS,
        }  # fmt: skip
        self.ctx.sink.artifact(
            "subgroup_search", f"Weakest subgroups in {self.rate} on the searched half, and on the other half",
            {key: np.array([row[key] for row in rows]) for key in rows[0]}, **about,
        )  # fmt: skip
        self.ctx.sink.artifact(
            "subgroup_cloud", f"Gap in {self.rate} of every subgroup that was looked at, on the searched half",
            {
                "gap_where_searched": np.array([c.gap for c in candidates]),
                "n_patients_where_searched": np.array([c.n_patients for c in candidates]),
            },
            **about,
        )  # fmt: skip
