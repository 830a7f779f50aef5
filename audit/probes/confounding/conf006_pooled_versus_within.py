"""CONF006 pooled-versus-within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
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
from audit.probes._shared import SINGLE_LEVEL, comparable, count_patients
from audit.probes.confounding._answered import silent
from audit.probes.confounding._strata import SMALLEST, Strata, all_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METHOD = "all pairs of patients, patient bootstrap"
METRICS: tuple[tuple[str, Direction], ...] = (
    ("pooling_gain", "lower"), ("auc_within_pairs", "higher"), ("auc_between_pairs", "none"), ("share_between", "none"),
)  # fmt: skip


class PooledVersusWithin(Probe):
    """Whether the AUC of all sites together is that of any site, or is made between them.

    What it measures:
        Every AUC is a mean over pairs of an ill and a healthy patient. The pairs of a cohort of several sites are of
        two kinds: both patients from one site, or from two. `auc_within_pairs` is the AUC over pairs within a level,
        `auc_between_pairs` over pairs of two levels, and `share_between` the share of the latter. `pooling_gain` is
        the AUC over all pairs minus that within levels, which is exactly `share_between` times the difference of both:
        the part of the pooled AUC that is made between sites. `auc` is that of each level by itself.
        `simpson_reversal` is 1 where the pooled AUC and the one within levels lie on opposite sides of 0.5, a Simpson
        reversal. Each confounder and each protocol is taken alone, all of them jointly under `attribute = "(joint)"`.

    Why it matters clinically:
        Where one hospital sends the ill and another the healthy, a model that recognises the hospital has a high AUC
        in the pooled data and is worth nothing in either. A doctor who uses it works in one hospital.

    Known problems:
        A gain of 0 clears nobody: where disease is equally frequent everywhere a model that follows the site has no
        gain, or a negative one, and its cost is seen by CONF001 only. A gain may be honest: where a level truly has
        more severe disease, ranking its patients higher is right. Levels with one class only have pairs between levels
        alone. At least 20 patients of either class must lie in levels that have both.

    Example:
        In each of two hospitals the model's AUC is 0.55. In one 80 % are ill, in the other 20 %, and the model adds
        to the score for the first: the pooled AUC is 0.80 and `pooling_gain` 0.25, all of it made between hospitals.

    References:
        - Simpson 1951, The interpretation of interaction in contingency tables, Journal of the Royal Statistical
          Society B 13.
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLoS Medicine 15.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF006",
        name="pooled-versus-within",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        metrics=(*(name for name, _ in METRICS), "auc", "simpson_reversal"),
        descriptive=("auc_between_pairs", "share_between", "simpson_reversal"),
        title="Pooled against within",
        question="Is the performance there within each site, or only between sites?",
        method=(
            "AUC over all pairs minus AUC over pairs within a level, exact over pairs, patient bootstrap; each level's "
            "own AUC by Obuchowski."
        ),
        limits="Blind where disease is equally frequent in all levels; a gain may be honest where severity differs.",
        references=(
            "Simpson 1951, Journal of the Royal Statistical Society B 13", "Zech and others 2018, PLoS Medicine 15",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every confounder and protocol, and all of them jointly; see `Probe.run`."""
        given = ctx.cohort.by_role("confounder", "protocol")
        if not given:
            raise NotApplicable("the cohort has no attribute with the role 'confounder' or 'protocol'")
        attributes = comparable(given, "confounder or protocol")
        strata = list(all_strata(attributes, ctx.clean.views, ctx.cohort.patients))
        return _all(ctx, [Pooling(ctx=ctx, strata=s, view=v) for s in strata for v in ctx.clean.views])


def _all(ctx: ProbeContext, questions: list[Pooling]) -> Iterator[Measurement]:
    for done, question in enumerate(questions):
        yield from question.answers()
        ctx.sink.progress(done + 1, len(questions))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooling:
    """One attribute and one class."""

    ctx: ProbeContext
    strata: Strata
    view: ClassView

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Cases that have a level, as indices into the cohort."""
        return np.flatnonzero(self.strata.known)

    def lacking(self) -> str | None:
        """Return why nothing can be compared, with the counts, or None."""
        labels, strata = self.view.labels, self.strata
        if len(strata.names) < 2:
            return SINGLE_LEVEL
        for kind, rows in (("cases", labels), ("controls", ~labels)):
            reason = strata.unknown(rows, kind)
            if reason:
                return reason
        both = np.intersect1d(strata.codes[strata.known & labels], strata.codes[strata.known & ~labels])
        inside = np.isin(strata.codes, both)
        for kind, rows in (("cases", labels), ("controls", ~labels)):
            count = count_patients(self.ctx.cohort.patients, rows & inside)
            if count < SMALLEST:
                return f"{count} patients among {kind} in levels that have both, fewer than {SMALLEST}"
        return silent(self.ctx, strata, self.view)

    def answers(self) -> Iterator[Measurement]:
        """Give all metrics, or the reason why there are none."""
        reason = self.lacking()
        estimates = self._estimates(reason)
        for (metric, direction), estimate in zip(METRICS, estimates, strict=True):
            yield self._given(estimate, metric, direction)
        within = estimates[1].value
        levels = list(self._levels()) if reason is None else []
        yield from (self._given(e, "auc", "higher", {self.strata.attribute: name}) for name, e in levels)
        if within is None:
            absent = estimates[1].missing or "missing"
            yield self._given(self._absent(absent, "count"), "simpson_reversal", "lower")
            return
        pooled = within + (estimates[0].value or 0.0)
        n, n_patients = estimates[0].n, estimates[0].n_patients
        reversed_ = (pooled - 0.5) * (within - 0.5) < 0
        yield self._given(Estimate.counted(float(reversed_), n=n, n_patients=n_patients), "simpson_reversal", "lower")
        self._draw(estimates, levels, pooled, bool(reversed_))

    def _absent(self, reason: str, method: str = METHOD) -> Estimate:
        n_patients = count_patients(self.ctx.cohort.patients, self.strata.known)
        return Estimate.absent(reason, method=method, n=len(self.rows), n_patients=n_patients)

    def _estimates(self, reason: str | None) -> tuple[Estimate, ...]:
        from audit.stats import Ranking, bootstrap_many

        if reason is not None:
            return tuple(self._absent(reason) for _ in METRICS)
        rows = self.rows
        scores, labels, codes = self.view.scores[rows], self.view.labels[rows], self.strata.codes[rows]
        every = Ranking(scores, np.flatnonzero(labels), np.flatnonzero(~labels))
        own = [
            Ranking(scores, np.flatnonzero(labels & (codes == c)), np.flatnonzero(~labels & (codes == c)))
            for c in np.unique(codes)
        ]

        def parts(weights: Floats) -> Floats:
            wins, pairs = every.wins(weights), every.pairs(weights)
            inside = sum(r.wins(weights) for r in own)
            held = sum(r.pairs(weights) for r in own)
            within, between = _ratio(inside, held), _ratio(wins - inside, pairs - held)
            share = 1 - _ratio(held, pairs)
            return np.stack([_ratio(wins, pairs) - within, within, between, share], axis=1)

        return bootstrap_many(
            parts, self.ctx.cohort.patients[rows], self.ctx.levels, self.ctx.rng,
            resamples=self.ctx.budget.resamples, methods=[self.strata.method(METHOD)] * len(METRICS),
            supports=((-1.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)), jackknife=True,
        )  # fmt: skip

    def _levels(self) -> Iterator[tuple[str, Estimate]]:
        from audit.stats import auc

        for code, name in enumerate(self.strata.names):
            rows = self.strata.codes == code
            yield name, auc(self.view.scores[rows], self.view.labels[rows], self.ctx.cohort.patients[rows],
                            self.ctx.levels)  # fmt: skip

    def _given(
        self, estimate: Estimate, metric: str, direction: Direction, subgroup: dict[str, Scalar] | None = None
    ) -> Measurement:
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=direction, subgroup=subgroup,
            condition={**self.view.condition, "attribute": self.strata.attribute},
        )  # fmt: skip

    def _draw(
        self, estimates: tuple[Estimate, ...], levels: list[tuple[str, Estimate]], pooled: float, reversed_: bool
    ) -> None:
        rows = [("pairs within a level", estimates[1]), ("pairs of two levels", estimates[2]), *levels]
        known = [(name, e, e.bounds(self.ctx.levels.pointwise)) for name, e in rows if e.value is not None]
        about: dict[str, Any] = dict(self.view.condition)
        self.ctx.sink.artifact(
            "pooled_within", f"AUC within levels of {self.strata.attribute}, between them, and of each", {
                "part": np.array([name for name, _, _ in known]),
                "value": np.array([e.value for _, e, _ in known], dtype=np.float64),
                "low": np.array([np.nan if b is None else b[0] for _, _, b in known]),
                "high": np.array([np.nan if b is None else b[1] for _, _, b in known]),
                "n_patients": np.array([e.n_patients for _, e, _ in known]),
            },
            attribute=self.strata.attribute, pooled=pooled, gain=estimates[0].value, share=estimates[3].value,
            reversed=reversed_, **about,
        )  # fmt: skip


def _ratio(top: Any, bottom: Any) -> Floats:
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64))
    out = np.full(bottom.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
