"""Maps under weights drawn again, for the probe of them and for the one that asks whether a method may be believed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from audit.core import Access, DifferentiableModel, Estimate, NotApplicable, ProbeContext
from audit.explain import RANKS, Likeness, compare, corrected, draws, explained_by, over_steps
from audit.probes._images import load_images
from audit.probes.explanation._maps import DRAWN, Explainer, one_a_patient

A_DRAW = 3
"""Cases that share a draw of the weights."""
LEAST_DRAWS = 5
UNCHANGED = 0.9
"""Similarity of absolute values up to which a map is said to have changed: products with the image have 0.6."""
SIGN_ALONE = "of absolute values, which are not shown to follow the weights: at most the sign does"
NONE_LEFT = "fewer than two patients have anything to explain"


@dataclass(kw_only=True, eq=False)
class Randomised:
    """Likeness of the maps under drawn weights, by method.

    Args:
        steps: Names of the layers of each step, from the output.
        likeness: By method.
        reason: Why nothing could be drawn, empty otherwise.
    """

    steps: tuple[tuple[str, ...], ...] = ()
    likeness: dict[str, Likeness] = field(default_factory=dict)
    reason: str = ""

    def headline(self, ctx: ProbeContext, method: str) -> Estimate:
        """Return how alike signed maps stay; where absolute values are not shown to change, how alike those stay.

        Edges whose sign alone follows the weights are edges.
        """
        signed, absolute = (self.estimate(ctx, method, measure) for measure in RANKS)
        bounds = absolute.bounds(ctx.levels.pointwise)
        if signed.value is None or (bounds is not None and bounds[1] < UNCHANGED):
            return signed
        if absolute.missing:
            return replace(absolute, missing=f"{absolute.missing}, by absolute values")
        if not absolute.curve:
            return absolute
        return replace(absolute, method=f"{absolute.method}; {SIGN_ALONE}")

    def estimate(self, ctx: ProbeContext, method: str, measure: str, *, step: int | None = None) -> Estimate:
        """Return how alike the maps of a method stay; over all steps, or at one of them."""
        if method not in self.likeness:
            return Estimate.absent(self.reason or "no map", method="none")
        like = self.likeness[method]
        own, other = like.joined("own", measure), like.joined("other", measure)
        if step is None:
            own, other = over_steps(own, other)
        else:
            own, other = own[:, step], other[:, step]
        return corrected(own, other, like.joined("again", measure), like.draws, ctx.levels)

    def alone(self, ctx: ProbeContext, method: str, measure: str) -> Estimate:
        """Return the same where one step's layers alone were drawn."""
        if method not in self.likeness:
            return Estimate.absent(self.reason or "no map", method="none")
        like = self.likeness[method]
        _, other = over_steps(like.joined("own", measure), like.joined("other", measure))
        own, again = like.joined("alone", measure), like.joined("again", measure)
        return corrected(own, other, again, like.draws, ctx.levels)


def randomised(ctx: ProbeContext, make: Explainer, *, limit: int | None, steps: int, full: bool = True) -> Randomised:
    """Return how alike maps stay, over one case of each of some patients.

    Args:
        ctx: The probe's context.
        make: Makes the maps.
        limit: Patients at most.
        steps: Steps from the output down.
        full: Whether each step is drawn by itself, too, and structures are compared beside ranks.
    """
    found = Randomised()
    if ctx.card.access < Access.GRADIENT:
        found.reason = "the weights of a model that can only be asked cannot be drawn again"
        return found
    cases = one_a_patient(ctx.cohort.patients, limit, ctx.rng)
    groups = list(draws(cases.size, max(LEAST_DRAWS, cases.size // A_DRAW)))
    for number, rows in enumerate(groups):
        images = load_images(ctx.cohort, cases[rows])
        explained = explained_by(ctx.model.predict(images), ctx.card)
        kept = np.flatnonzero(explained.usable)
        if kept.size < 2:
            continue
        try:
            found.steps = compare(
                _differentiable(ctx), make, images[kept], explained.take(kept), found.likeness, rng=ctx.rng,
                steps=steps, number=number, repeat=DRAWN, alone=full, structure=full,
            )  # fmt: skip
        except NotApplicable as why:
            found.reason = why.reason
            return found
        ctx.sink.progress(number + 1, len(groups))
    if not found.likeness:
        found.reason = NONE_LEFT
    return found


def _differentiable(ctx: ProbeContext) -> DifferentiableModel:
    model = ctx.model
    if not isinstance(model, DifferentiableModel):
        raise NotApplicable("the model gives no network whose weights could be drawn again")
    return model
