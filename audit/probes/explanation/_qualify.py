"""Whether a method may be believed on this model, before what it points at counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.explain import (
    LINEAR,
    NO_DETAIL,
    advantage,
    area,
    controls_of,
    fractions,
    has_weights,
    known_support,
    make_fill,
    ranks,
    selftest_curves,
    stands,
)
from audit.probes.explanation._advantages import FLAT, LEAST_FALL, NOTHING, RESOLUTION, UNTESTED, why_absent
from audit.probes.explanation._collect import DELETION, Batch, Change, explained_batches, score_of
from audit.probes.explanation._maps import Explainer
from audit.probes.explanation._randomised import randomised

if TYPE_CHECKING:
    from numpy.typing import NDArray

CASES, STEPS = 40, 8
"""Cases that deletion is tried on, and steps of its curve."""
DRAWN_CASES, DRAWN_STEPS = 18, 3
HALF = 0.5
"""Nearer to the map of another patient and network than to a map made twice; see `similarity_after_randomisation`."""


@dataclass(frozen=True, kw_only=True)
class Qualified:
    """Whether methods are sound on this model.

    Args:
        deletion: Deletion advantage over the best control, by method.
        similarity: Similarity after randomisation, by method; empty for a model whose weights cannot be drawn.
        reasons: Why a method is not qualified, by method; one that is, is not named.
    """

    deletion: dict[str, Estimate] = field(default_factory=dict)
    similarity: dict[str, Estimate] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def __contains__(self, method: str) -> bool:
        return method in self.deletion and method not in self.reasons


def qualify(ctx: ProbeContext, make: Explainer) -> Qualified:
    """Return which methods show what this model uses, and depend on what it has learnt.

    A method qualifies where both are shown at the confidence of the run: its deletion advantage over the best control
    is above 0, and its maps on drawn weights are nearer to those of another patient and network than to a map made
    twice. Maps of a model that can only be asked are made of its answers alone; the first condition does for them.
    None qualifies where deletion fails its self-test on these images, or where the curves are flat.

    Args:
        ctx: The probe's context.
        make: Makes the maps.
    """
    limit = CASES if ctx.budget.explain_cases is None else min(CASES, ctx.budget.explain_cases)
    tried = try_deletion(replace(ctx, budget=replace(ctx.budget, explain_cases=limit)), make)
    deletion = {method: tried.advantage(ctx, make, method) for method in make.methods}
    reasons = {
        method: make.refused.get(method) or _why_not(ctx, found, None) for method, found in deletion.items()
    }  # fmt: skip
    similarity: dict[str, Estimate] = {}
    left = tuple(method for method, reason in reasons.items() if not reason)
    if left and has_weights(ctx.model):
        # What fails the first condition need not be tried under the second, which costs more.
        drawn = randomised(
            ctx, replace(make, methods=left), limit=DRAWN_CASES, steps=DRAWN_STEPS, full=False
        )  # fmt: skip
        for method in left:
            similarity[method] = drawn.headline(ctx, method)
            reasons[method] = make.refused.get(method) or _why_not(ctx, deletion[method], similarity[method])
    reasons = {method: reason for method, reason in reasons.items() if reason}
    return Qualified(deletion=deletion, similarity=similarity, reasons=reasons)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """Deletion with imputed pixels, tried on a sample.

    Args:
        areas: (m,) areas under the curve by map, where every case has one.
        falls: (m,) largest fall of the score over all orders and steps.
        cases: (m,) indices into the cohort.
        unit: What counts as 1 of a score.
        tested: Advantage of the true maps of known models; absent where there is no image.
    """

    areas: dict[str, NDArray[np.float64]]
    falls: NDArray[np.float64]
    cases: NDArray[np.int64]
    unit: float
    tested: Estimate

    def reason(self, ctx: ProbeContext) -> str:
        """Return why no area counts, "" where they do."""
        if not self.cases.size:
            return NOTHING
        if not stands(self.tested, ctx.levels):
            return UNTESTED
        # Written so that a fall that is no number counts as none.
        return "" if self.unit > 0 and float(self.falls.mean()) >= LEAST_FALL * self.unit else FLAT

    def advantage(
        self, ctx: ProbeContext, make: Explainer, method: str, members: NDArray[np.bool_] | None = None
    ) -> Estimate:
        """Return the deletion advantage of a method over the best control.

        Args:
            ctx: The probe's context.
            make: Knows why a method has no map.
            method: The method.
            members: (m,) which cases count; all by default.
        """
        reason = why_absent(make, self.areas, method) or self.reason(ctx)
        if reason:
            return Estimate.absent(reason, method="none")
        rows = np.ones(self.cases.size, bool) if members is None else members
        controls = {name: self.areas[name][rows] for name in controls_of(method, self.areas)}
        estimate, _ = advantage(
            self.areas[method][rows], controls, ctx.cohort.patients[self.cases[rows]], ctx.levels,
            lower_is_better=True, resolution=RESOLUTION * self.unit,
        )  # fmt: skip
        return estimate


def try_deletion(ctx: ProbeContext, make: Explainer) -> Tried:
    """Return deletion with imputed pixels of a sample, after a self-test on its first batch.

    Args:
        ctx: The probe's context; its budget bounds the sample.
        make: Makes the maps.
    """
    shares, tested = fractions(STEPS), Estimate.absent(NOTHING, method="none")
    kept: dict[str, list[NDArray[np.float64]]] = {}
    cases: list[NDArray[np.int64]] = []
    falls: list[NDArray[np.float64]] = []
    for batch in explained_batches(ctx, make):
        if not cases:
            tested = _selftest(ctx, batch, shares)
        drawn = _deletion_curves(ctx, batch, shares)
        for name, curve in drawn.items():
            kept.setdefault(name, []).append(area(curve, shares))
        # The very ends are the same for all orders and say nothing of any.
        least = np.fmin.reduce([np.fmin.reduce(curve[:, 1:-1], axis=1) for curve in drawn.values()])
        falls.append(np.maximum(next(iter(drawn.values()))[:, 0] - least, 0.0))
        cases.append(batch.cases)
    return Tried(
        areas={name: np.concatenate(parts) for name, parts in kept.items() if len(parts) == len(cases)},
        falls=np.concatenate(falls) if falls else np.empty(0),
        cases=np.concatenate(cases) if cases else np.empty(0, np.int64), unit=_unit(ctx), tested=tested,
    )  # fmt: skip


def _selftest(ctx: ProbeContext, batch: Batch, shares: NDArray[np.float64]) -> Estimate:
    known = known_support(batch.images, ctx.rng)
    if known is None:
        return Estimate.absent(NO_DETAIL, method="none")
    fill = make_fill(LINEAR, known.images, ctx.rng, spacing=ctx.card.input.spacing_mm)
    return selftest_curves(known, fill, shares, ctx.levels, ctx.rng, insertion=False)


def _deletion_curves(ctx: ProbeContext, batch: Batch, shares: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return (m, s) deletion curves with imputed pixels, by map."""
    places = {name: ranks(values, ctx.rng) for name, values in batch.maps().items()}
    fill = make_fill(LINEAR, batch.images, ctx.rng, spacing=ctx.card.input.spacing_mm)
    change = Change(ask=score_of(batch), images=batch.images, shares=shares)
    return change.curves(fill, places, (DELETION,))[DELETION]


def _unit(ctx: ProbeContext) -> float:
    """Return what counts as 1 of a score: of a real value its spread over the cohort."""
    if ctx.card.task != "regression":
        return 1.0
    every: Any = ctx.clean.scores
    return float(np.std(every)) or 1.0


def _why_not(ctx: ProbeContext, deletion: Estimate, similarity: Estimate | None) -> str:
    level = ctx.levels.pointwise
    bounds = deletion.bounds(level)
    if deletion.value is None or bounds is None:
        return f"its faithfulness is not known: {deletion.missing}"
    if bounds[0] <= 0:
        return (
            f"it is not shown to beat every control on this model: deletion advantage {deletion.value:.3g} "
            f"({bounds[0]:.3g} to {bounds[1]:.3g})"
        )
    if similarity is None:
        return ""
    bounds = similarity.bounds(level)
    if similarity.value is None or bounds is None:
        return f"it is not known to depend on the weights: {similarity.missing}"
    if bounds[1] >= HALF:
        return (
            f"it is not shown to depend on the weights: similarity after randomisation {similarity.value:.3g} "
            f"({bounds[0]:.3g} to {bounds[1]:.3g}), where 1 is no change"
        )
    return ""
