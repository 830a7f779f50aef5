"""CONF001 balanced-resampling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import comparable, count_patients
from audit.probes.confounding._cells import Cells
from audit.probes.confounding._errors import error_changes
from audit.probes.confounding._strata import Strata, all_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOOTSTRAP = "exact pair weights, patient bootstrap"
WORST = "smallest of the cells, each Obuchowski on the logit scale; upper bound by Bonferroni over the cells"


class BalancedResampling(Probe):
    """Whether the model ranks patients by a declared confounder instead of by the disease.

    What it measures:
        Cases of one level of the confounder are compared with controls of every level. The AUC of each pair of levels
        is computed over all pairs of patients, and averaged with equal weights: over all pairs of levels (what the
        model would reach in a cohort in which the confounder tells nothing, the balanced AUC) and over equal levels
        only (what it reaches where the confounder is held fixed). Their difference is the `confounder_cost`: 0 for a
        model that does not use the confounder, whatever the mix of the cohort. `worst_cross_auc` is the smallest AUC
        of cases of one level against controls of another, the patients for whom leaning hurts most. `auc_drop` is the
        AUC of the cohort as it is minus the balanced one: how much this cohort flatters the model. All are given for
        each confounder alone and, as "(joint)", for the combinations of levels of all declared confounders. For a
        real value and for the volume of a segmentation there is `mae_change`: the mean absolute error of a cohort in
        which every level is equally frequent in each fifth of the reference values, minus that of the cohort as it is.

    Why it matters clinically:
        A model that has learned that portable films come from sicker patients looks excellent until it meets an
        ill patient who walked in. Its overall AUC does not show this; its AUC in exactly those patients does.

    Known problems:
        Only declared confounders are examined. A true effect modifier, a level in which the disease looks different,
        raises the cost as well, so the number calls for a reading, not for an automatic accusation. With two causes at
        once each one's cost alone is small, since within a level of the one the other still works: judge the joint
        one. Every level needs 20 patients among its cases and among its controls; otherwise the number is missing.
        Cases without a level are left out and counted; where they are more than 5 % of the cases or of the controls
        the number is missing, since the leaning may show in just them. Neither "as it is minus balanced" nor "within
        minus pooled" is judged, since each is blind on one kind of cohort.

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
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF001",
        name="balanced-resampling",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        needs=("confounder",),
        metrics=("confounder_cost", "worst_cross_auc", "auc_drop", "mae_change"),
        title="Leaning on a confounder",
        question="Does it lean on something beside the disease?",
        method=(
            "AUC within levels of the confounder minus AUC over all pairs of levels, equal weights, exact over pairs "
            "of patients; interval by patient bootstrap of the whole estimator."
        ),
        limits=(
            "Sees declared confounders only, and cannot tell leaning from a disease that truly looks different in "
            "one level."
        ),
        references=(
            "Badgeley and others 2019, npj Digital Medicine 2",
            "Zech and others 2018, PLoS Medicine 15",
            "Obuchowski 1997, Biometrics 53",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure every declared confounder and all of them jointly; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("confounder"), "confounder")
        strata = list(all_strata(attributes))
        if not ctx.clean.views:
            return (measured for s in strata for measured in error_changes(ctx, s))
        return _all(ctx, [Question(ctx=ctx, strata=s, view=v) for s in strata for v in ctx.clean.views])


def _all(ctx: ProbeContext, questions: list[Question]) -> Iterator[Measurement]:
    for done, question in enumerate(questions):
        yield from question.answers()
        ctx.sink.progress(done + 1, len(questions))


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One confounder and one class."""

    ctx: ProbeContext
    strata: Strata
    view: ClassView

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Cases that have a level, as indices into the cohort."""
        return np.flatnonzero(self.strata.known)

    @cached_property
    def cells(self) -> Cells:
        """Ranks of those cases."""
        return Cells(self.view.scores[self.rows], self.view.labels[self.rows], self.strata.codes[self.rows])

    def answers(self) -> Iterator[Measurement]:
        """Give the three metrics, or the reason why there are none."""
        reason = self.strata.lacking(self.view, self.ctx.cohort.patients)
        if reason is None:
            self._draw()
        cost = self._resampled(lambda w: self.cells.within(w) - self.cells.balanced(w), reason)
        drop = self._resampled(lambda w: self.cells.pooled(w) - self.cells.balanced(w), reason)
        worst, cell = self._worst(reason)
        yield self._given(cost, "confounder_cost", "lower")
        yield self._given(worst, "worst_cross_auc", "higher", cell)
        yield self._given(drop, "auc_drop", "lower")

    def _given(
        self, estimate: Estimate, metric: str, direction: Direction, more: dict[str, Scalar] | None = None
    ) -> Measurement:
        condition: dict[str, Scalar] = {**self.view.condition, "attribute": self.strata.attribute, **(more or {})}
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=direction, condition=condition
        )

    def _absent(self, reason: str, method: str) -> Estimate:
        n_patients = count_patients(self.ctx.cohort.patients, self.strata.known)
        return Estimate.absent(reason, method=method, n=len(self.rows), n_patients=n_patients)

    def _resampled(
        self, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], reason: str | None
    ) -> Estimate:
        from audit.stats import bootstrap

        method = self.strata.method(BOOTSTRAP)
        if reason is not None:
            return self._absent(reason, method)
        return bootstrap(
            statistic, self.ctx.cohort.patients[self.rows],
            self.ctx.levels, self.ctx.rng, resamples=self.ctx.budget.resamples, method=method, vectorised=True,
        )  # fmt: skip

    def _worst(self, reason: str | None) -> tuple[Estimate, dict[str, Scalar]]:
        """Return the smallest AUC over the cells of unequal levels.

        Its lower bound is the smallest lower bound at the level itself, since the bound of the truly worst cell is
        among them. Its upper bound must allow for the choice of the smallest, so each cell's is taken at the level
        divided by the number of cells.
        """
        method = self.strata.method(WORST)
        if reason is not None:
            return self._absent(reason, method), {}
        names = self.strata.names
        pairs = [(a, b) for a in range(len(names)) for b in range(len(names)) if a != b]
        found = {pair: self._cell(*pair) for pair in pairs}
        for pair, estimate in found.items():
            if estimate.value is None:
                return self._absent(f"{_named(names, pair)}: {estimate.missing}", method), {}
        worst = min(found, key=lambda pair: found[pair].value or 0.0)
        chosen = found[worst]
        curve = tuple((level, *_extremes(list(found.values()), level)) for level, _, _ in chosen.curve)
        estimate = Estimate(value=chosen.value, curve=curve, method=method, n=chosen.n, n_patients=chosen.n_patients)
        return estimate, {"stratum": _named(names, worst)}

    def _cell(self, a: int, b: int) -> Estimate:
        from audit.stats import auc

        codes, labels = self.strata.codes, self.view.labels
        rows = (labels & (codes == a)) | (~labels & (codes == b))
        return auc(self.view.scores[rows], labels[rows], self.ctx.cohort.patients[rows], self.ctx.levels)

    def _draw(self) -> None:
        one = np.ones((1, len(self.rows)))
        cases, controls = self.cells.counts
        about: dict[str, Any] = dict(self.view.condition)
        self.ctx.sink.artifact(
            "stratum_matrix",
            f"AUC of cases of one level against controls of another: {self.strata.attribute}",
            {"auc": self.cells.areas(), "n_cases": cases, "n_controls": controls},
            attribute=self.strata.attribute,
            levels="|".join(name.replace("|", "/") for name in self.strata.names),
            pooled=float(self.cells.pooled(one)[0]),
            within=float(self.cells.within(one)[0]),
            balanced=float(self.cells.balanced(one)[0]),
            **about,
        )


def _extremes(cells: list[Estimate], level: float) -> tuple[float, float]:
    """Return the smallest lower bound at a level, and the smallest upper bound at the level over the cells.

    Beyond the strictest rung that a cell has, its AUC may be anything: the bounds are then 0 and 1.
    """
    plain = [cell.bounds(level) or (0.0, 1.0) for cell in cells]
    strict = [cell.bounds(level / len(cells)) or (0.0, 1.0) for cell in cells]
    return min(low for low, _ in plain), min(high for _, high in strict)


def _named(names: tuple[str, ...], pair: tuple[int, int]) -> str:
    return f"cases {names[pair[0]]} x controls {names[pair[1]]}"
