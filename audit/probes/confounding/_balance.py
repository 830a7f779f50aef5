"""One confounder and one class: what the model reaches within levels, over all pairs of levels, and as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._shared import count_patients
from audit.probes.confounding._adjusted import adjusted_cost
from audit.probes.confounding._answered import silent
from audit.probes.confounding._cells import Cells
from audit.probes.confounding._smooth import weighted_area
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BOOTSTRAP = "exact pair weights, patient bootstrap"
WORST = "smallest of the cells, each Obuchowski on the logit scale; upper bound by Bonferroni over the cells"
AT_ONCE, DROPS = 8, 200
RESAMPLED: tuple[tuple[str, Direction], ...] = (
    ("confounder_cost", "lower"), ("auc_within", "higher"), ("auc_balanced", "higher"), ("auc_drop", "lower"),
    ("random_drop", "none"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One confounder and one class.

    Args:
        ctx: The probe's context.
        strata: The confounder.
        view: The class.
        others: What the confounder is adjusted for beside.
        reason: Why it is a confounder, as declared.
    """

    ctx: ProbeContext
    strata: Strata
    view: ClassView
    others: Sequence[Strata] = ()
    reason: str = ""

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Cases that have a level, as indices into the cohort."""
        return np.flatnonzero(self.strata.known)

    @cached_property
    def cells(self) -> Cells:
        """Ranks of those cases."""
        rows = self.rows
        return Cells(self.view.scores[rows], self.view.labels[rows], self.strata.codes[rows], self.strata.weights)

    def answers(self) -> Iterator[Measurement]:
        """Give the metrics, or the reason why there are none."""
        lacking = self.strata.lacking(self.view, self.ctx.cohort.patients)
        lacking = lacking or silent(self.ctx, self.strata, self.view)
        found = dict(zip([metric for metric, _ in RESAMPLED], self._resampled(lacking), strict=True))
        if lacking is None:
            self._draw()
        worst, cell = self._worst(lacking)
        yield self._given(found["confounder_cost"], "confounder_cost", "lower")
        if self.others:
            adjusted = self._absent(lacking, "adjusted") if lacking else None
            adjusted = adjusted or adjusted_cost(self.ctx, self.strata, self.view, self.others)
            yield self._given(adjusted, "confounder_cost_adjusted", "lower")
        yield self._given(worst, "worst_cross_auc", "higher", cell)
        for metric, direction in RESAMPLED[1:]:
            yield self._given(found[metric], metric, direction)
        if self.strata.numbers is not None:
            smooth = self._absent(lacking, "weights") if lacking else weighted_area(self.ctx, self.strata, self.view)
            yield self._given(smooth, "auc_balanced_weighted", "higher")

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

    def _resampled(self, lacking: str | None) -> tuple[Estimate, ...]:
        """Return the estimates of `RESAMPLED`, all from the same resamples of patients."""
        from audit.stats import bootstrap_many

        method = self.strata.method(BOOTSTRAP)
        if lacking is not None:
            return tuple(self._absent(lacking, method) for _ in RESAMPLED)
        effective = self.cells.effective()
        drop = self._random_drop(effective / len(self.rows))

        def every(weights: Floats) -> Floats:
            within, balanced, pooled = (f(weights) for f in (self.cells.within, self.cells.balanced, self.cells.pooled))
            return np.stack([within - balanced, within, balanced, pooled - balanced, drop(weights, pooled)], axis=1)

        balanced = f"{method}; effective n of the balanced cohort {effective:.0f} of {len(self.rows)}"
        random = f"AUC as it is minus that of a random {effective / len(self.rows):.0%} of the patients, {DROPS} draws"
        return bootstrap_many(
            every, self.ctx.cohort.patients[self.rows], self.ctx.levels, self.ctx.rng,
            resamples=self.ctx.budget.resamples,
            methods=[{"auc_balanced": balanced, "random_drop": random}.get(metric, method) for metric, _ in RESAMPLED],
        )  # fmt: skip

    def _random_drop(self, share: float) -> Any:
        """Return how much the AUC falls where as many patients as balancing costs are dropped at random.

        Its expectation is 0, and its interval shows what the loss of precision alone can do.
        """
        code = np.unique(self.ctx.cohort.patients[self.rows], return_inverse=True)[1].reshape(-1)
        count = int(code.max()) + 1
        # Its own generator, so that the resamples of the other numbers are the same with it and without it.
        (rng,) = self.ctx.rng.spawn(1)

        def kept(draws: int) -> Floats:
            keep = np.argsort(rng.random((draws, count)), axis=1) < max(2, round(share * count))
            out: Floats = keep[:, code].astype(np.float64)
            return out

        def drop(weights: Floats, pooled: Floats) -> Floats:
            if (weights != 1).any():
                return pooled - self.cells.pooled(weights * kept(len(weights)))
            # The same draws as all at once, in chunks that hold no table of draws times cases.
            sizes = [min(AT_ONCE, DROPS - start) for start in range(0, DROPS, AT_ONCE)]
            found = np.concatenate([self.cells.pooled(weights * kept(size)) for size in sizes])
            return pooled - float(np.nanmean(found))

        return drop

    def _worst(self, lacking: str | None) -> tuple[Estimate, dict[str, Scalar]]:
        """Return the smallest AUC over the cells of unequal levels.

        Its lower bound is the smallest lower bound at the level itself, since the bound of the truly worst cell is
        among them. Its upper bound must allow for the choice of the smallest, so each cell's is taken at the level
        divided by the number of cells.
        """
        method = self.strata.method(WORST)
        if lacking is not None:
            return self._absent(lacking, method), {}
        names = self.strata.names
        pairs = [(a, b) for a in range(len(names)) for b in range(len(names)) if a != b]
        found = {pair: self._cell(*pair) for pair in pairs}
        for pair, estimate in found.items():
            if estimate.value is None:
                return self._absent(f"{_named(names, pair)}: {estimate.missing}", method), {}
        worst = min(found, key=lambda pair: found[pair].value or 0.0)
        chosen = found[worst]
        curve = tuple((level, *_extremes(list(found.values()), level)) for level, _, _ in chosen.curve)
        return replace(chosen, curve=curve, method=method), {"stratum": _named(names, worst)}

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
            reason=self.reason,
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
