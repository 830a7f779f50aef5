"""What a model's rates mean in numbers of cases, and their net benefit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext
from audit.probes._prevalence import predictive_value
from audit.probes._shared import weighted_sum
from audit.probes._unanswered import Answers, either_way
from audit.probes.performance._rates import BAYES, NOBODY, UNBOUNDED, rate_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

COUNTS = ("alerts", "false_alarms", "misses", "errors")
PER = 1000
MOVER = "weighted rates, MOVER of Korn-Graubard"
NO_PROBABILITY = "the operating point is no probability in (0, 1), so that it weighs no harms"


@dataclass(frozen=True, kw_only=True, slots=True)
class Harms:
    """How a threshold weighs a false alarm against a missed case.

    Args:
        threshold: Probability in (0, 1) from which on acting is right.
    """

    threshold: float

    @property
    def weight(self) -> float:
        """Harm of a false alarm, that of a missed case being 1."""
        return self.threshold / (1 - self.threshold)


def harms(ctx: ProbeContext, view: ClassView) -> Harms | None:
    """Return how the declared point weighs harms, None where it is no probability."""
    point = view.operating_point
    if point is None or ctx.card.output == "value" or not 0 < point < 1:
        return None
    return Harms(threshold=point)


def affine(estimate: Estimate, factor: float, offset: float = 0.0) -> Estimate:
    """Return factor x estimate + offset; a negative factor exchanges the bounds."""
    if estimate.value is None:
        return replace(estimate, k=None)
    curve = []
    for level, low, high in estimate.curve:
        ends = sorted((factor * low + offset, factor * high + offset))
        curve.append((level, ends[0], ends[1]))
    return replace(estimate, value=factor * estimate.value + offset, curve=tuple(curve), k=None)


def inverse(share: Estimate, unbounded: str) -> Estimate:
    """Return 1 / share; absent where the share is 0."""
    if share.value is None:
        return share
    if share.value <= 0:
        return Estimate.absent(unbounded, method=share.method, n=share.n, n_patients=share.n_patients)
    curve = tuple((level, 1 / high, 1 / low if low > 0 else UNBOUNDED) for level, low, high in share.curve)
    return replace(share, value=1 / share.value, curve=curve, k=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class AtPrevalence:
    """Load and benefit of one class at a prevalence.

    Args:
        ctx: Gives patients and levels.
        view: The class with its decisions.
        prevalence: Share of positives, in (0, 1).
    """

    ctx: ProbeContext
    view: ClassView
    prevalence: float

    def _given(
        self, weights: tuple[float, float], offset: float, decisions: NDArray[np.bool_] | None = None, *,
        neutral: bool = False,
    ) -> Estimate:  # fmt: skip
        """Return the rates of both classes, weighted and moved by an offset."""
        own = self.view.decisions if decisions is None else decisions
        total = either_way(self.ctx, self.view, own, lambda answers: self._sum(weights, answers), neutral=neutral)
        return affine(total, 1, offset)

    def _sum(self, weights: tuple[float, float], answers: Answers) -> Estimate:
        rates = [rate_in(self.ctx, answers, positives=positives) for positives in (True, False)]
        parts = [(weight, part) for weight, part in zip(weights, rates, strict=True) if weight]
        patients = answers.n_patients if len(parts) > 1 else parts[0][1].n_patients
        return weighted_sum(parts, shared=answers.shared, method=MOVER, n_patients=patients)

    def counts(self) -> Iterator[tuple[str, Estimate]]:
        """Give the expected share of all cases of each kind."""
        ill, well = self.prevalence, 1 - self.prevalence
        yield "alerts", self._given((ill, -well), well, neutral=True)
        yield "false_alarms", self._given((0, -well), well)
        yield "misses", self._given((-ill, 0), ill)
        yield "errors", self._given((-ill, -well), 1)

    def reads(self) -> Estimate:
        """Return how many alerts have to be read for each true positive."""
        return either_way(self.ctx, self.view, self.view.decisions, self._reads)

    def _reads(self, answers: Answers) -> Estimate:
        hit, spared = (rate_in(self.ctx, answers, positives=positives) for positives in (True, False))
        both, whole = answers.shared, answers.n_patients
        share = predictive_value(hit, spared, self.prevalence, shared=both, n_patients=whole, method=BAYES)
        return inverse(share, "no positive case was found, so the number is unbounded")

    def benefit(self, by: Harms, decisions: NDArray[np.bool_] | None = None) -> Estimate:
        """Return the net benefit over acting on nobody, in true positives a case."""
        cost = (1 - self.prevalence) * by.weight
        return self._given((self.prevalence, cost), -cost, decisions)

    def benefit_over_all(self, by: Harms) -> Estimate:
        """Return the net benefit over acting on everybody."""
        return affine(self.benefit(by), 1, -self.benefit_of_all(by))

    def benefit_of_all(self, by: Harms) -> float:
        """Return the net benefit of acting on everybody."""
        return self.prevalence - (1 - self.prevalence) * by.weight


@dataclass(frozen=True, kw_only=True, eq=False)
class InSample:
    """Load and benefit of one class in this sample as it is."""

    ctx: ProbeContext
    view: ClassView

    def _given(
        self, estimate: Callable[[Bools, Bools, Ints], Estimate], decisions: Bools | None = None, *,
        neutral: bool = False,
    ) -> Estimate:  # fmt: skip
        """Return an estimate from (called, ill, patients)."""
        own = self.view.decisions if decisions is None else decisions

        def made(answers: Answers) -> Estimate:
            assert answers.decisions is not None
            return estimate(answers.decisions, answers.labels, answers.patients)

        return either_way(self.ctx, self.view, own, made, neutral=neutral)

    def counts(self) -> Iterator[tuple[str, Estimate]]:
        """Give the share of all cases of each kind."""
        from audit.stats import proportion

        kinds: tuple[Callable[[Bools, Bools], Bools], ...] = (
            lambda called, _: called, lambda called, ill: called & ~ill, lambda called, ill: ill & ~called,
            lambda called, ill: called != ill,
        )  # fmt: skip
        for name, kind in zip(COUNTS, kinds, strict=True):

            def share(
                called: Bools, ill: Bools, patients: Ints, kind: Callable[[Bools, Bools], Bools] = kind
            ) -> Estimate:
                return proportion(kind(called, ill), patients, self.ctx.levels)

            yield name, self._given(share, neutral=name == "alerts")

    def reads(self) -> Estimate:
        """Return how many alerts there are for each true positive."""
        return self._given(self._reads)

    def _reads(self, called: Bools, ill: Bools, patients: Ints) -> Estimate:
        from audit.stats import proportion

        if not called.any():
            return Estimate.absent(NOBODY, method="none")
        share = proportion(ill[called], patients[called], self.ctx.levels)
        return inverse(share, "no positive case was found, so the number is unbounded")

    def benefit(self, by: Harms, decisions: Bools | None = None) -> Estimate:
        """Return the net benefit over acting on nobody, in true positives a case."""
        from audit.stats import mean

        def value(called: Bools, ill: Bools, patients: Ints) -> Estimate:
            values = (called & ill) - by.weight * (called & ~ill)
            return mean(values, patients, self.ctx.levels, support=(-by.weight, 1.0))

        return self._given(value, decisions)

    def benefit_over_all(self, by: Harms) -> Estimate:
        """Return the net benefit over acting on everybody."""
        from audit.stats import mean

        def value(called: Bools, ill: Bools, patients: Ints) -> Estimate:
            values = by.weight * (~called & ~ill) - (~called & ill).astype(np.float64)
            return mean(values, patients, self.ctx.levels, support=(-1.0, by.weight))

        return self._given(value)

    def benefit_of_all(self, by: Harms) -> float:
        """Return the net benefit of acting on everybody."""
        share = float(np.mean(self.view.labels))
        return share - (1 - share) * by.weight
