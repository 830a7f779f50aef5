"""Where maps point on cases with lesions: the methods', those of their controls, and the lesions' own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import attack_region
from audit.core import NotApplicable, ProbeContext, scores
from audit.explain import (
    Chance,
    Explained,
    Grid,
    Marked,
    chance,
    control_maps,
    explained_by,
    grid,
    lesions,
    marked,
    mass,
    peaks,
    thirds,
    untrained,
)
from audit.probes._images import load_images, load_masks, sample_cases
from audit.probes.explanation._collect import has_blank
from audit.probes.explanation._maps import Explainer, batches
from audit.stats import Marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUTH = "truth"
"""Name of the map that is the lesion mask itself."""


@dataclass(kw_only=True, eq=False)
class Localised:
    """Where the maps of some cases point, one list entry a case.

    Args:
        on: The grid of the images.
        cases: Indices into the cohort.
        correct: Whether the model was right; None for a task without decisions.
        counts: Lesions.
        marked: By map, what its peaks hit.
        mass: By map, share of its relevance inside lesions, NaN for a map without any.
        cells: By method, how its relevance is shared out over thirds.
        chance: What a map without any knowledge scores.
        empty: Cases without a lesion in their mask, which are left out.
    """

    on: Grid
    cases: list[int] = field(default_factory=list)
    correct: list[bool | None] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    marked: dict[str, list[Marked]] = field(default_factory=dict)
    mass: dict[str, list[float]] = field(default_factory=dict)
    cells: dict[str, list[NDArray[np.float64] | None]] = field(default_factory=dict)
    chance: list[Chance] = field(default_factory=list)
    empty: int = 0

    def complete(self) -> tuple[str, ...]:
        """Return the maps that every case has."""
        return tuple(name for name, of in self.marked.items() if len(of) == len(self.cases))

    def found(self) -> dict[str, NDArray[np.float64]]:
        """Return (n,) shares of lesions found by map, mean over numbers of false marks of the case."""
        return {name: np.array([m.found for m in self.marked[name]]) for name in self.complete()}

    def pointed(self, name: str) -> NDArray[np.bool_]:
        """Return (n,) whether the highest peak of a map hits a lesion."""
        return np.array([m.pointed for m in self.marked[name]], dtype=bool)

    def marks(self, name: str, rows: NDArray[np.int64]) -> Marks:
        """Return the marks of a map on some cases, for FROC."""
        of = [self.marked[name][int(i)] for i in rows]
        return Marks(
            lesion_scores=np.concatenate([m.lesion for m in of]), false_scores=np.concatenate([m.false for m in of]),
            lesion_images=np.repeat(np.arange(len(of)), [m.lesion.size for m in of]),
            false_images=np.repeat(np.arange(len(of)), [m.false.size for m in of]), n_images=len(of),
        )  # fmt: skip

    def place(self, name: str) -> tuple[tuple[int, ...], float] | None:
        """Return the third of each axis that holds most of a method's relevance, and its share."""
        known = [c for c in self.cells.get(name, []) if c is not None]
        if not known:
            return None
        means = np.mean(known, axis=0)
        cell = tuple(int(i) for i in np.unravel_index(int(means.argmax()), means.shape))
        return cell, float(means[cell])


def localise(ctx: ProbeContext, make: Explainer, *, limit: int | None) -> Localised:
    """Return where maps point on a sample of the positive cases that have a lesion in their mask.

    Explained is the finding of the reference standard, whatever the model decided.

    Args:
        ctx: The probe's context.
        make: Makes the maps.
        limit: Cases expected in the sample, None for all.

    Raises:
        NotApplicable: The cohort has no masks, or no positive case has a lesion in its mask.
    """
    if ctx.cohort.masks is None:
        raise NotApplicable("the cohort has no lesion masks")
    positive = _positive(ctx)
    if not positive.size:
        raise NotApplicable("no case is positive, so there is no lesion to point at")
    cases = positive[sample_cases(ctx.cohort.patients[positive], limit, ctx.rng)]
    shape = load_masks(ctx.cohort, cases[:1]).shape[1:]
    spec = ctx.card.input.spacing_mm or ctx.cohort.spacing_mm
    found = Localised(on=grid(shape, spec))
    model: Any = ctx.model
    blank = untrained(model, ctx.rng)
    for part in batches(cases, make.batch):
        _add(ctx, make, blank, found, part)
        ctx.sink.progress(len(found.cases) + found.empty, cases.size)
    if not found.cases:
        raise NotApplicable("every lesion mask of the sample is empty")
    return found


def _positive(ctx: ProbeContext) -> NDArray[np.int64]:
    targets = ctx.cohort.targets
    if ctx.card.task in ("binary", "ordinal"):
        return np.flatnonzero(targets > 0)
    if ctx.card.task == "multilabel":
        return np.flatnonzero((targets > 0).any(axis=1))
    return np.arange(len(targets))


def _add(ctx: ProbeContext, make: Explainer, blank: Any, found: Localised, part: NDArray[np.int64]) -> None:
    masks = load_masks(ctx.cohort, part) > 0
    rows = np.flatnonzero(masks.reshape(len(masks), -1).any(axis=1))
    found.empty += part.size - rows.size
    if not rows.size:
        return
    cases, masks = part[rows], masks[rows]
    images = load_images(ctx.cohort, cases)
    raw = ctx.model.predict(images)
    explained, correct = towards_reference(ctx, raw, cases)
    region = attack_region(images, ctx.card.input.modality)[:, 0]
    own = make(ctx.model, images, explained)
    blanks = {} if blank is None else make(blank, images, explained)
    blanks = {name: values for name, values in blanks.items() if name in own and has_blank(make, name)}
    known = control_maps(images, ctx.rng, untrained=blanks)
    plain = {name: _within(values, region) for name, values in known.items() if ":" not in name}
    for i, case in enumerate(cases):
        of = lesions(masks[i], found.on)
        found.cases.append(int(case))
        found.correct.append(None if correct is None else bool(correct[i]))
        found.counts.append(of.count)
        found.chance.append(chance(of, found.on, region[i]))
        for name, values in {**own, **known, **plain, TRUTH: masks.astype(np.float64)}.items():
            inside = region[i] if name in plain else None
            found.marked.setdefault(name, []).append(marked(peaks(values[i], found.on, inside), of, found.on))
            share = mass(values[i], of)
            found.mass.setdefault(name, []).append(np.nan if share is None else share)
        for name, values in own.items():
            found.cells.setdefault(name, []).append(thirds(values[i]))


def _within(values: NDArray[np.float64], region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return control maps that start at 0 and know where the organ is, which makes them harder to beat."""
    axes = tuple(range(1, values.ndim))
    return np.where(region, values - values.min(axis=axes, keepdims=True), 0.0)


def towards_reference(
    ctx: ProbeContext, raw: NDArray[np.float64], cases: NDArray[np.int64]
) -> tuple[Explained, NDArray[np.bool_] | None]:
    """Return the finding of the reference standard as what is explained, and whether the model made it.

    Args:
        ctx: The probe's context.
        raw: (m, k) what the model says of the cases.
        cases: (m,) indices into the cohort.
    """
    card, decided, targets = ctx.card, explained_by(raw, ctx.card), ctx.cohort.targets[cases]
    if card.task == "binary":
        return replace(decided, sign=np.ones(cases.size)), decided.sign > 0
    if card.task in ("multiclass", "ordinal"):
        index = targets.astype(np.int64)
        return replace(decided, index=index), decided.index == index
    if card.task == "multilabel":
        every = scores(raw, card)
        index = np.where(targets > 0, every, -np.inf).argmax(axis=1).astype(np.int64)
        point = card.operating_point
        limits = np.array([
            (point.get(name, 0.5) if isinstance(point, Mapping) else 0.5 if point is None else point)
            for name in card.classes or [""] * every.shape[1]
        ])  # fmt: skip
        return replace(decided, index=index), every[np.arange(cases.size), index] >= limits[index]
    return decided, None
