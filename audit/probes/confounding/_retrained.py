"""Trained and tested on biased and on balanced data, and on growing shares of one level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, Cohort, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._retraining import Retraining
from audit.probes._shared import count_patients
from audit.probes.confounding._halves import Halves, leading_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Statistic = Callable[[Floats], Floats]

BIASED = (0.85, 0.35)
"""Share of the level among cases and among controls of a biased set."""
BALANCED = (0.5, 0.5)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRAINED = ("biased", "balanced")
AREA = (0.0, 1.0)


def retrained(ctx: ProbeContext, attributes: Sequence[Attribute]) -> Iterator[Measurement]:
    """Give the four cells and the curve of shares of every confounder; nothing where no recipe is declared.

    Args:
        ctx: The probe's context.
        attributes: Declared confounders.
    """
    if ctx.training is None or ctx.cohort.images is None:
        return
    for attribute in attributes:
        yield from _Retrained(ctx=ctx, attribute=attribute).rows()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Retrained:
    """One confounder."""

    ctx: ProbeContext
    attribute: Attribute

    def rows(self) -> Iterator[Measurement]:
        reason = self._unfit()
        if reason is None:
            yield from self._trained()
            return
        for metric in ("auc_by_training", "balancing_gain", "shift_by_training", "auc_by_share"):
            yield self._given(metric, self._absent(reason), {})

    def _unfit(self) -> str | None:
        if self.ctx.card.task != "binary":
            return "models are trained again on biased and on balanced data for two classes only"
        training = self.ctx.training
        if training is None or self.attribute.name not in training.cohort.attributes:  # pragma: no cover - loaded alike
            return "the development cohort does not have this attribute"
        if self.level is None:
            return "the development cohort has one level only"
        return self.developed.lacking("development") or self.audited.lacking("audited")

    @cached_property
    def level(self) -> str | None:
        """The level that goes with the disease most in the development cohort."""
        return leading_level(self._development, self.attribute.name)

    @property
    def _development(self) -> Cohort:
        if self.ctx.training is None:  # pragma: no cover - seen before
            raise ValueError("expected a training recipe")
        return self.ctx.training.cohort

    @cached_property
    def developed(self) -> Halves:
        return Halves.of(self._development, self.attribute.name, self.level or "")

    @cached_property
    def audited(self) -> Halves:
        return Halves.of(self.ctx.cohort, self.attribute.name, self.level or "")

    @cached_property
    def rest(self) -> str:
        """What the other levels are called."""
        names = set(self.ctx.cohort.attributes[self.attribute.name].levels[self.audited.known].tolist()) - {self.level}
        return names.pop() if len(names) == 1 else f"not {self.level}"

    def _trained(self) -> Iterator[Measurement]:
        again = Retraining(self.ctx, expected=6 * 5)
        answers: dict[str, tuple[Floats, ...] | str] = {}
        for name, shares in (("biased", BIASED), ("balanced", BALANCED)):
            answers[name] = self._answers(again, shares)
        yield from self._four_cells(answers)
        # Half of either is the balanced set.
        by_share = {s: answers["balanced"] if s == 0.5 else self._answers(again, (s, s)) for s in SHARES}
        yield from self._curve(by_share)

    def _answers(self, again: Retraining, shares: tuple[float, float]) -> tuple[Floats, ...] | str:
        # The same seed gives the same order of draws to every composition, so that they are paired.
        return again.over_seeds(
            lambda seed, _: again.answers(self.developed.drawn(shares, np.random.default_rng([seed, 1])), seed=seed)
        )

    def _four_cells(self, answers: dict[str, tuple[Floats, ...] | str]) -> Iterator[Measurement]:
        table, bounds = np.full((2, 2), np.nan), np.full((2, 2, 2), np.nan)
        shifts = np.full((2, 3), np.nan)
        for i, trained in enumerate(TRAINED):
            for j, (tested, shares) in enumerate((("biased", BIASED), ("balanced", BALANCED))):
                found = self._estimate(answers[trained], lambda said, shares=shares: self._area(said, shares))  # type: ignore[misc]
                yield self._given(
                    "auc_by_training", found, {"parameter": f"trained {trained}, tested {tested}"}, "higher"
                )
                _keep(found, self.ctx, table, bounds, i, j)
        yield self._given(
            "balancing_gain", self._gain(answers), {"parameter": "trained balanced minus biased, tested balanced"},
            "lower",
        )  # fmt: skip
        for i, trained in enumerate(TRAINED):
            found = self._estimate(answers[trained], self._shift, rows=self._controls)
            yield self._given(
                "shift_by_training", found, {"parameter": f"trained {trained}", "stratum": "controls"}, "none",
                {self.attribute.name: self.level},
            )  # fmt: skip
            shifts[i] = _row(found, self.ctx)
        if np.isfinite(table).all():
            self._draw_cells(table, bounds, shifts)

    def _curve(self, by_share: dict[float, tuple[Floats, ...] | str]) -> Iterator[Measurement]:
        rows = {}
        for name, inside in ((self.level, True), (self.rest, False)):
            own = self.audited.known & (self.audited.inside == inside)
            for share in SHARES:
                found = self._estimate(by_share[share], lambda said, own=own: self._within(said, own), rows=own)  # type: ignore[misc]
                yield self._given(
                    "auc_by_share", found, {"parameter": f"{100 * share:g} % {self.level} in training"}, "higher",
                    {self.attribute.name: name},
                )  # fmt: skip
                rows[inside, share] = _row(found, self.ctx)
        drawn = np.array([[rows[inside, share] for share in SHARES] for inside in (True, False)])
        if np.isfinite(drawn).any():
            self._draw_curve(drawn)

    @cached_property
    def _controls(self) -> Bools:
        return self.audited.known & ~self.audited.label

    def _estimate(
        self, answers: tuple[Floats, ...] | str, of: Callable[[Floats], Statistic], rows: Bools | None = None
    ) -> Estimate:
        """Return the mean over trainings of an AUC of the cases of `rows` (all with a level by default)."""
        from audit.stats import over_trainings

        inside = self.audited.known if rows is None else rows
        if isinstance(answers, str):
            return self._absent(answers, inside)
        each = [of(said[inside]) for said in answers]
        label = self.audited.inside if rows is self._controls else self.audited.label
        rarer = min(count_patients(self.ctx.cohort.patients, inside & side) for side in (label, ~label))
        if rows is None:
            cells = [count_patients(self.ctx.cohort.patients, self.audited.cells == c) for c in range(4)]
            rarer = min(cells)
        return over_trainings(
            lambda w: np.stack([one(w) for one in each], axis=1), self.ctx.cohort.patients[inside], self.ctx.levels,
            rarer=rarer, support=AREA,
        )  # fmt: skip

    def _gain(self, answers: dict[str, tuple[Floats, ...] | str]) -> Estimate:
        from audit.stats import over_trainings

        biased, balanced, inside = answers["biased"], answers["balanced"], self.audited.known
        if isinstance(biased, str):
            return self._absent(biased, inside)
        if isinstance(balanced, str):
            return self._absent(balanced, inside)
        worse = [self._area(said[inside], BALANCED) for said in biased]
        better = [self._area(said[inside], BALANCED) for said in balanced]
        return over_trainings(
            lambda w: np.stack([b(w) - a(w) for a, b in zip(worse, better, strict=True)], axis=1),
            self.ctx.cohort.patients[inside], self.ctx.levels, support=(-1.0, 1.0),
        )  # fmt: skip

    def _area(self, said: Floats, shares: tuple[float, float]) -> Statistic:
        """Return the AUC of a cohort with declared shares of the level, exact by weights of the pairs."""
        from audit.stats import Ranking

        inside = self.audited.known
        cells, label = self.audited.cells[inside], self.audited.label[inside]
        member = np.zeros((len(cells), 4))
        member[np.arange(len(cells)), cells] = 1.0
        wanted = np.array([1 - shares[1], 1 - shares[0], shares[1], shares[0]])
        ranking = Ranking(said, np.flatnonzero(label), np.flatnonzero(~label))

        def area(weights: Floats) -> Floats:
            sums = weights @ member
            each = np.full(sums.shape, np.nan)
            np.divide(np.broadcast_to(wanted, sums.shape), sums, out=each, where=sums > 0)
            return ranking.wins(weights * each[:, cells])

        return area

    def _shift(self, said: Floats) -> Statistic:
        """Return the AUC of the score for the level against the others, among controls."""
        return self._ranked(said, self.audited.inside[self._controls])

    def _within(self, said: Floats, rows: Bools) -> Statistic:
        return self._ranked(said, self.audited.label[rows])

    def _ranked(self, said: Floats, label: Bools) -> Statistic:
        from audit.stats import Ranking

        return Ranking(said, np.flatnonzero(label), np.flatnonzero(~label)).area

    def _absent(self, reason: str, rows: Bools | None = None) -> Estimate:
        inside = np.ones(len(self.ctx.cohort), dtype=bool) if rows is None else rows
        n_patients = count_patients(self.ctx.cohort.patients, inside)
        return Estimate.absent(reason, method="none", n=int(inside.sum()), n_patients=n_patients)

    def _given(
        self, metric: str, estimate: Estimate, condition: dict[str, Scalar], direction: Direction = "none",
        subgroup: dict[str, Any] | None = None,
    ) -> Measurement:  # fmt: skip
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=direction, subgroup=subgroup or {},
            condition={**condition, "attribute": self.attribute.name},
        )  # fmt: skip

    def _patients_of_cells(self) -> NDArray[np.int64]:
        """Return (4,) audited patients by cell, so that none with few is shared."""
        return np.array([count_patients(self.ctx.cohort.patients, self.audited.cells == c) for c in range(4)])

    def _draw_cells(self, table: Floats, bounds: Floats, shifts: Floats) -> None:
        cases, controls = self.developed.size
        self.ctx.sink.artifact(
            "four_cells",
            f"Trained and tested on data biased and balanced by {self.attribute.name}",
            {
                "auc": table, "low": bounds[..., 0], "high": bounds[..., 1], "shift": shifts[:, 0],
                "shift_low": shifts[:, 1], "shift_high": shifts[:, 2], "n_patients": self._patients_of_cells(),
            },
            attribute=self.attribute.name, level=self.level, rest=self.rest, cases=cases, controls=controls,
            share_of_cases=BIASED[0], share_of_controls=BIASED[1], n_patients=self.ctx.cohort.n_patients,
        )  # fmt: skip

    def _draw_curve(self, drawn: Floats) -> None:
        cases, controls = self.developed.size
        self.ctx.sink.artifact(
            "share_curve",
            f"AUC within each level by the share of {self.level} in training",
            {
                "share": np.array(SHARES), "auc": drawn[..., 0], "low": drawn[..., 1], "high": drawn[..., 2],
                "n_patients": self._patients_of_cells(),
            },
            attribute=self.attribute.name, level=self.level, rest=self.rest, cases=cases, controls=controls,
        )  # fmt: skip


def _row(found: Estimate, ctx: ProbeContext) -> Floats:
    """Return value, low and high, NaN where there is none."""
    bounds = found.bounds(ctx.levels.pointwise)
    if found.value is None or bounds is None:
        return np.full(3, np.nan)
    return np.array([found.value, *bounds])


def _keep(found: Estimate, ctx: ProbeContext, table: Floats, bounds: Floats, i: int, j: int) -> None:
    value, low, high = _row(found, ctx)
    table[i, j], bounds[i, j] = value, (low, high)
