"""What a model's rates mean in numbers of cases, and their net benefit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext
from audit.probes._prevalence import predictive_value
from audit.probes._shared import weighted_sum
from audit.probes.performance._rates import BAYES, NOBODY, UNBOUNDED, both_labels, rate, rate_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    def _sum(self, found: float, spared: float, hit: Estimate, quiet: Estimate) -> Estimate:
        parts = [(weight, part) for weight, part in ((found, hit), (spared, quiet)) if weight]
        patients = int(np.unique(self.ctx.cohort.patients).size) if len(parts) > 1 else parts[0][1].n_patients
        return weighted_sum(parts, shared=both_labels(self.ctx, self.view), method=MOVER, n_patients=patients)

    def _rates(self) -> tuple[Estimate, Estimate]:
        return rate(self.ctx, self.view, positives=True), rate(self.ctx, self.view, positives=False)

    def counts(self) -> Iterator[tuple[str, Estimate]]:
        """Give the expected share of all cases of each kind."""
        hit, spared = self._rates()
        ill, well = self.prevalence, 1 - self.prevalence
        yield "alerts", affine(self._sum(ill, -well, hit, spared), 1, well)
        yield "false_alarms", affine(self._sum(0, -well, hit, spared), 1, well)
        yield "misses", affine(self._sum(-ill, 0, hit, spared), 1, ill)
        yield "errors", affine(self._sum(-ill, -well, hit, spared), 1, 1)

    def reads(self) -> Estimate:
        """Return how many alerts have to be read for each true positive."""
        hit, spared = self._rates()
        both, whole = both_labels(self.ctx, self.view), int(np.unique(self.ctx.cohort.patients).size)
        share = predictive_value(hit, spared, self.prevalence, shared=both, n_patients=whole, method=BAYES)
        return inverse(share, "no positive case was found, so the number is unbounded")

    def benefit(self, by: Harms, decisions: NDArray[np.bool_] | None = None) -> Estimate:
        """Return the net benefit over acting on nobody, in true positives a case."""
        own = self.view.decisions if decisions is None else decisions
        hit, spared = (rate_of(self.ctx, self.view.labels, own, positives=p) for p in (True, False))
        ill, cost = self.prevalence, (1 - self.prevalence) * by.weight
        return affine(self._sum(ill, cost, hit, spared), 1, -cost)

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

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) bool, the cases that are called positive."""
        assert self.view.decisions is not None
        return self.view.decisions

    def counts(self) -> Iterator[tuple[str, Estimate]]:
        """Give the share of all cases of each kind."""
        from audit.stats import proportion

        called, ill = self.called, self.view.labels
        for name, rows in zip(COUNTS, (called, called & ~ill, ill & ~called, called != ill), strict=True):
            yield name, proportion(rows, self.ctx.cohort.patients, self.ctx.levels)

    def reads(self) -> Estimate:
        """Return how many alerts there are for each true positive."""
        from audit.stats import proportion

        rows = self.called
        if not rows.any():
            return Estimate.absent(NOBODY, method="none")
        share = proportion(self.view.labels[rows], self.ctx.cohort.patients[rows], self.ctx.levels)
        return inverse(share, "no positive case was found, so the number is unbounded")

    def benefit(self, by: Harms, decisions: NDArray[np.bool_] | None = None) -> Estimate:
        """Return the net benefit over acting on nobody, in true positives a case."""
        from audit.stats import mean

        called, ill = self.called if decisions is None else decisions, self.view.labels
        values = (called & ill) - by.weight * (called & ~ill)
        return mean(values, self.ctx.cohort.patients, self.ctx.levels, support=(-by.weight, 1.0))

    def benefit_over_all(self, by: Harms) -> Estimate:
        """Return the net benefit over acting on everybody."""
        from audit.stats import mean

        called, ill = self.called, self.view.labels
        values = by.weight * (~called & ~ill) - (~called & ill).astype(np.float64)
        return mean(values, self.ctx.cohort.patients, self.ctx.levels, support=(-1.0, by.weight))

    def benefit_of_all(self, by: Harms) -> float:
        """Return the net benefit of acting on everybody."""
        share = float(np.mean(self.view.labels))
        return share - (1 - share) * by.weight
