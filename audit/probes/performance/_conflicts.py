"""Pairs of metrics that ought to lie on the same side of parity, and how far they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, Estimate, ProbeContext, Scalar
from audit.probes._shared import weighted_sum
from audit.probes.performance._comparators import answers, auc_advantage, mae_advantage, nearer, rate_advantage
from audit.probes.performance._rates import both_labels, rate
from audit.probes.performance._segmentation import lesions_found, lesions_right, volume_agreement

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHOD = "rectangle of both intervals at half the level"
FAR = 1e9
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Side:
    """One metric of a pair.

    Args:
        name: What it is called.
        estimate: The number.
        parity: The value that is neither good nor bad.
        span: Largest distance from parity that is possible.
    """

    name: str
    estimate: Estimate
    parity: float = HALF
    span: float = HALF

    def away(self, level: float) -> tuple[float, float]:
        """Return the bounds of the distance from parity; all that is possible where no rung is strict enough."""
        bounds = self.estimate.bounds(level)
        return (-self.span, self.span) if bounds is None else (bounds[0] - self.parity, bounds[1] - self.parity)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two metrics that tell one story where both are above parity or both are below.

    Args:
        first: One metric.
        second: The other.
        condition: Further condition keys, for example the class.
    """

    first: Side
    second: Side
    condition: dict[str, Scalar] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name} and {self.second.name}"

    def disagreement(self) -> Estimate:
        """Return the smaller of both distances from parity where the sides differ, negative where they do not.

        Its bounds are the extreme values over the rectangle of both intervals at half the level, which holds under
        any dependence (Bonferroni).
        """
        fewest = min((self.first.estimate, self.second.estimate), key=lambda e: (e.n_patients, e.n))
        for side in (self.first, self.second):
            if side.estimate.value is None:
                reason = f"{side.name}: {side.estimate.missing}"
                return Estimate.absent(reason, method=METHOD, n=fewest.n, n_patients=fewest.n_patients)
        x = (self.first.estimate.value or 0.0) - self.first.parity
        y = (self.second.estimate.value or 0.0) - self.second.parity
        curve = []
        for level, _, _ in self.first.estimate.curve:
            (x_low, x_high), (y_low, y_high) = self.first.away(level / 2), self.second.away(level / 2)
            low = max(min(x_low, -y_high), min(-x_high, y_low))
            high = max(min(x_high, -y_low), min(-x_low, y_high))
            curve.append((level, low, high))
        return Estimate(
            value=max(min(x, -y), min(-x, y)), curve=tuple(curve), method=METHOD, n=fewest.n,
            n_patients=fewest.n_patients,
        )  # fmt: skip


def pairs(ctx: ProbeContext) -> Iterator[Pair]:
    """Give the pairs that the task of the model has, in the order of the report."""
    if ctx.card.task == "segmentation":
        yield from _of_masks(ctx)
    elif ctx.card.task == "regression":
        yield from _of_values(ctx)
    else:
        yield from _of_classes(ctx)


def _of_classes(ctx: ProbeContext) -> Iterator[Pair]:
    from audit.stats import auc, mean_auc

    views, patients, several = ctx.clean.views, ctx.cohort.patients, ctx.card.task in ("multiclass", "ordinal")
    areas = [auc(view.scores, view.labels, patients, ctx.levels) for view in views]
    macro = None
    if len(views) > 1:
        lacking = next((area for area in areas if area.value is None), None)
        known = [(view.scores, view.labels) for view in views]
        macro = Side(name="mean AUC over classes", estimate=lacking or mean_auc(known, patients, ctx.levels))
    for view, area in zip(views, areas, strict=True):
        ranking = Side(name="AUC", estimate=area)
        if macro is not None:
            yield Pair(first=macro, second=ranking, condition=view.condition)
        if view.decisions is None:
            continue
        found = Side(name="sensitivity", estimate=rate(ctx, view, positives=True))
        spared = Side(name="specificity", estimate=rate(ctx, view, positives=False))
        right = Side(name="accuracy", estimate=_accuracy(ctx, None if several else view))
        yield Pair(first=ranking, second=found, condition=view.condition)
        yield Pair(first=ranking, second=spared, condition=view.condition)
        yield Pair(first=right, second=found, condition=view.condition)
        if not several:
            yield Pair(first=right, second=spared, condition=view.condition)
            yield Pair(first=right, second=_balanced(ctx, view, found, spared), condition=view.condition)
    if ctx.card.task == "binary":
        yield from _against_comparators(ctx, views[0])


def _accuracy(ctx: ProbeContext, view: ClassView | None) -> Estimate:
    """Return the share of right decisions in this sample, of one finding or over all classes."""
    from audit.stats import proportion

    named, asked = (
        (ctx.clean.scores.argmax(axis=1), ctx.clean.targets) if view is None else (view.decisions, view.labels)
    )
    right = named == asked
    return proportion(np.asarray(right, dtype=bool), ctx.cohort.patients, ctx.levels)


def _balanced(ctx: ProbeContext, view: ClassView, found: Side, spared: Side) -> Side:
    both, whole = both_labels(ctx, view), int(np.unique(ctx.cohort.patients).size)
    parts = ((HALF, found.estimate), (HALF, spared.estimate))
    mean = weighted_sum(parts, shared=both, method="mean of both rates, MOVER of Korn-Graubard", n_patients=whole)
    return Side(name="balanced accuracy", estimate=mean)


def _against_comparators(ctx: ProbeContext, view: ClassView) -> Iterator[Pair]:
    both, whole = both_labels(ctx, view), int(np.unique(ctx.cohort.patients).size)
    for other in map(answers, ctx.cohort.comparators.values()):
        if other.scores is None or other.decisions is None or view.decisions is None:
            continue
        rates = [(1.0, rate_advantage(ctx, view, other, positives=positives)) for positives in (True, False)]
        decided = weighted_sum(rates, shared=both, method="sum of both advantages, MOVER", n_patients=whole)
        ranked = Side(name=f"AUC over {other.name}", estimate=auc_advantage(ctx, view, other), parity=0.0, span=1.0)
        yield Pair(first=ranked, second=Side(name="both rates over it", estimate=decided, parity=0.0, span=2.0))


def _of_masks(ctx: ProbeContext) -> Iterator[Pair]:
    columns = set(ctx.clean.columns)
    if "dice" not in columns:
        return
    overlap = Side(name="mean Dice", estimate=_mean(ctx, ctx.clean.column("dice")))
    if "surface_dice" in columns:
        surface = _mean(ctx, ctx.clean.column("surface_dice"))
        yield Pair(first=overlap, second=Side(name="mean surface Dice", estimate=surface))
    firsts = [overlap]
    if {"volume_predicted", "volume_reference"} <= columns:
        # At 0.5 patients differ from each other as much as the model from the reference.
        volume = Side(name="ICC of volumes", estimate=volume_agreement(ctx), span=1.5)
        yield Pair(first=volume, second=overlap)
        firsts.append(volume)
    if {"lesions_found", "lesions_reference"} <= columns:
        found = Side(name="lesion-wise sensitivity", estimate=lesions_found(ctx))
        yield from (Pair(first=first, second=found) for first in firsts)
    if {"lesions_false", "lesions_predicted"} <= columns:
        right = Side(name="share of its lesions that are real", estimate=lesions_right(ctx))
        yield from (Pair(first=first, second=right) for first in firsts)


def _mean(ctx: ProbeContext, values: NDArray[np.float64]) -> Estimate:
    from audit.stats import mean

    known = np.isfinite(values)
    return mean(values[known], ctx.cohort.patients[known], ctx.levels, support=(0.0, 1.0))


def _of_values(ctx: ProbeContext) -> Iterator[Pair]:
    from audit.stats import mean

    error = ctx.clean.scores - np.asarray(ctx.clean.targets, dtype=np.float64)
    spread = float(np.std(error)) or 1.0
    average = mean(error / spread, ctx.cohort.patients, ctx.levels)
    usual = _share_above(ctx, error)
    yield Pair(
        first=Side(name="mean error", estimate=average, parity=0.0, span=FAR),
        second=Side(name="median error", estimate=usual),
    )
    for name, other in ctx.cohort.comparators.items():
        theirs, own = nearer(ctx, other)
        yield Pair(
            first=Side(
                name=f"mean absolute error over {name}", estimate=mae_advantage(ctx, other), parity=0.0, span=FAR
            ),
            second=Side(name="share of cases that it is nearer in", estimate=_share_above(ctx, theirs - own)),
        )


def _share_above(ctx: ProbeContext, values: NDArray[np.float64]) -> Estimate:
    """Return the share of values above 0 among those that are not 0; the median is on the same side as this of 1/2."""
    from audit.stats import proportion

    rows = np.isfinite(values) & (values != 0)
    if not rows.any():
        return Estimate.absent("no case differs", method="none")
    return proportion(values[rows] > 0, ctx.cohort.patients[rows], ctx.levels)
