"""Whether a method may be believed on this model, before what it points at counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.explain import LINEAR, RANKS, advantage, area, controls_of, fractions, has_weights, make_fill, ranks
from audit.probes.explanation._advantages import RESOLUTION, why_absent
from audit.probes.explanation._collect import DELETION, Batch, Change, explained_batches
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

    Args:
        ctx: The probe's context.
        make: Makes the maps.
    """
    limit = CASES if ctx.budget.explain_cases is None else min(CASES, ctx.budget.explain_cases)
    small = replace(ctx, budget=replace(ctx.budget, explain_cases=limit))
    areas, patients = _deletion(small, make)
    deletion = {method: _advantage(ctx, make, areas, method, patients) for method in make.methods}
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
            similarity[method] = drawn.estimate(ctx, method, RANKS[0])
            reasons[method] = make.refused.get(method) or _why_not(ctx, deletion[method], similarity[method])
    reasons = {method: reason for method, reason in reasons.items() if reason}
    return Qualified(deletion=deletion, similarity=similarity, reasons=reasons)


def _deletion(ctx: ProbeContext, make: Explainer) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    shares = fractions(STEPS)
    kept: dict[str, list[NDArray[np.float64]]] = {}
    cases: list[NDArray[np.int64]] = []
    for batch in explained_batches(ctx, make):
        for name, values in deletion_areas(ctx, batch, shares).items():
            kept.setdefault(name, []).append(values)
        cases.append(batch.cases)
    if not cases:
        return {}, np.empty(0, np.int64)
    areas = {name: np.concatenate(parts) for name, parts in kept.items() if len(parts) == len(cases)}
    return areas, ctx.cohort.patients[np.concatenate(cases)]


def deletion_areas(ctx: ProbeContext, batch: Batch, shares: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return (m,) areas under the deletion curve with imputed pixels, by map.

    Args:
        ctx: The probe's context.
        batch: Cases with all of their maps.
        shares: (s,) shares of the pixels.
    """

    def ask(changed: NDArray[np.float32]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return batch.explained.score(ctx.model.predict(changed))

    places = {name: ranks(values, ctx.rng) for name, values in batch.maps().items()}
    fill = make_fill(LINEAR, batch.images, ctx.rng, spacing=ctx.card.input.spacing_mm)
    change = Change(ask=ask, images=batch.images, shares=shares)
    return {name: area(curve, shares) for name, curve in change.curves(fill, places, (DELETION,))[DELETION].items()}


def _advantage(
    ctx: ProbeContext, make: Explainer, areas: dict[str, NDArray[np.float64]], method: str,
    patients: NDArray[np.int64],
) -> Estimate:  # fmt: skip
    reason = why_absent(make, areas, method)
    if reason:
        return Estimate.absent(reason, method="none")
    controls = {name: areas[name] for name in controls_of(method, areas)}
    estimate, _ = advantage(
        areas[method], controls, patients, ctx.levels, lower_is_better=True, resolution=RESOLUTION * _unit(ctx)
    )
    return estimate


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
