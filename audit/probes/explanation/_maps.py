"""Maps of the methods that a run looks at, verified once, in batches that fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import NotApplicable, ProbeContext
from audit.explain import Explained, OwnMap, Queries, attribute, chosen, methods_for
from audit.probes._images import batch_size, load_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DRAWN: tuple[str, ...] = ("gradient_shap", "rise", "own_map")
"""Methods whose map need not be the same twice."""


@dataclass(kw_only=True, eq=False)
class Explainer:
    """Makes maps for one probe, and keeps why a method has none.

    Args:
        ctx: The probe's context.
        methods: Methods that are looked at.
        own: The model's own maps, None: those of its network.
        batch: Images a batch.
        refused: Why a method has no map, by method; it is not asked again.
        checked: Whether the methods were verified on a batch.
        completeness: Errors of the methods whose sums must equal a change of the output, by method, one array a batch
            of the audited model.
    """

    ctx: ProbeContext
    methods: tuple[str, ...]
    own: OwnMap | None
    batch: int
    refused: dict[str, str] = field(default_factory=dict)
    checked: bool = False
    completeness: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    @property
    def standing(self) -> tuple[str, ...]:
        """The methods that have maps so far."""
        return tuple(name for name in self.methods if name not in self.refused)

    def __call__(self, model: Any, images: NDArray[np.float32], explained: Explained) -> dict[str, NDArray[np.float64]]:
        """Return (n, *spatial) maps by method; of the audited model the first batch verifies the methods."""
        ctx, audited = self.ctx, model is self.ctx.model
        spec = ctx.explain
        maps = attribute(
            model, images, explained, methods=self.standing, rng=ctx.rng, batch=self.batch, layer=ctx.layer,
            own=self.own, checks=audited and not self.checked, points=ctx.budget.explain_points,
            queries=Queries(window_mm=spec.window_mm, window_share=spec.window_share, masks=ctx.budget.explain_masks),
        )  # fmt: skip
        if audited:
            self.checked = True
            self.refused.update(maps.refused)
            for name, errors in maps.completeness.items():
                self.completeness.setdefault(name, []).append(errors)
        return maps.values


def explainer(ctx: ProbeContext) -> Explainer:
    """Return what makes the maps of the methods that the run asks for.

    Raises:
        NotApplicable: The cohort has no images, or the model cannot be asked.
    """
    if ctx.cohort.images is None:
        raise NotApplicable("the cohort has no images")
    given = ctx.explain.own
    own = None if given is None else OwnMap(function=given, name=ctx.explain.own_map or "own map")
    allowed = methods_for(ctx.model, ctx.card, ctx.layer, own=own)
    methods = chosen(allowed, ctx.budget.profile, ctx.explain.methods)
    if not methods:
        raise NotApplicable("the model allows none of the methods of explanation that were asked for")
    size = batch_size(load_images(ctx.cohort, np.arange(1))[0], ctx.budget.batch_size)
    return Explainer(ctx=ctx, methods=methods, own=own, batch=size)


def batches(cases: NDArray[np.int64], size: int, ends: Sequence[int] = ()) -> Iterator[NDArray[np.int64]]:
    """Yield the cases in batches, none of which reaches across one of some numbers of cases, rising."""
    edges = [0, *(end for end in ends if end < cases.size), cases.size]
    for first, last in pairwise(edges):
        for start in range(first, last, size):
            yield cases[start : min(start + size, last)]


def one_a_patient(
    patients: NDArray[np.int64], limit: int | None, rng: np.random.Generator, among: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return one case of each patient of a random sample, in random order.

    Args:
        patients: (n,) patient codes.
        limit: Patients at most, None for all.
        rng: Draws patients and cases.
        among: Cases that may be drawn; all by default.
    """
    cases = rng.permutation(np.arange(patients.size) if among is None else among)
    first = np.sort(np.unique(patients[cases], return_index=True)[1])
    return cases[first if limit is None else first[:limit]]
