"""Batches of cases with the maps of all methods and controls, and the curves of every case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ProbeContext
from audit.explain import (
    BLUR,
    LINEAR,
    MEAN,
    OWN_MAP,
    Explained,
    Fill,
    area,
    control_maps,
    controls_of,
    curves,
    explained_by,
    has_weights,
    make_fill,
    ranks,
    untrained,
)
from audit.models import fast_predict
from audit.probes._images import load_images, sample_cases
from audit.probes.explanation._maps import Explainer, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Predict = Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]

SHOWN = 3
"""Maps offered as examples."""
DELETION, INSERTION = "deletion", "insertion"
DIRECTIONS = {LINEAR: (DELETION, INSERTION), BLUR: (DELETION, INSERTION), MEAN: (DELETION,)}
"""What is drawn with each fill."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Some cases, what the model said of them, and every map of them.

    Args:
        images: (m, channels, *spatial) stored intensities.
        explained: What is explained.
        cases: (m,) indices into the cohort.
        methods: (m, *spatial) maps by method.
        controls: (m, *spatial) maps by control.
        predict: Answers as the model does, as fast as can be had; see `audit.models.fast_predict`.
        ready: Cases of the sample that were read so far, those with nothing to explain among them.
    """

    images: NDArray[np.float32]
    explained: Explained
    cases: NDArray[np.int64]
    methods: dict[str, NDArray[np.float64]]
    controls: dict[str, NDArray[np.float64]]
    predict: Predict
    ready: int

    def maps(self) -> dict[str, NDArray[np.float64]]:
        """Return all maps by name."""
        return {**self.methods, **self.controls}


def sample_of(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return the cases that are explained, within the budget."""
    return sample_cases(ctx.cohort.patients, ctx.budget.explain_cases, ctx.rng)


def explained_batches(
    ctx: ProbeContext, explainer: Explainer, cases: NDArray[np.int64] | None = None, ends: Sequence[int] = ()
) -> Iterator[Batch]:
    """Yield cases in batches; those with nothing to explain are left out.

    Args:
        ctx: The probe's context.
        explainer: Makes the maps; keeps which methods it refused.
        cases: The cases, by default a sample of the cohort.
        ends: Numbers of cases, rising, that no batch reaches across.
    """
    cases = sample_of(ctx) if cases is None else cases
    done, predict = 0, None
    for part in batches(cases, explainer.batch, ends):
        done += part.size
        batch = explained_batch(ctx, explainer, part, done, predict)
        if batch is not None:
            predict = partial(_same, batch.predict)
            yield batch
        ctx.sink.progress(done, cases.size)


def _same(predict: Predict) -> Predict:
    return predict


def explained_batch(
    ctx: ProbeContext, explainer: Explainer, part: NDArray[np.int64], ready: int,
    predict: Callable[[], Predict] | None = None,
) -> Batch | None:  # fmt: skip
    """Return one batch of cases, without those that have nothing to explain; None where none has.

    Args:
        ctx: The probe's context.
        explainer: Makes the maps; keeps which methods it refused.
        part: (b,) the cases.
        ready: Cases that are read with these.
        predict: Gives what answered the batches before; None for the first.
    """
    model: Any = ctx.model
    images = load_images(ctx.cohort, part)
    explained = explained_by(model.predict(images), ctx.card)
    rows = np.flatnonzero(explained.usable)
    if not rows.size:
        return None
    images, explained = images[rows], explained.take(rows)
    methods = explainer(model, images, explained)
    # Drawn for each batch: a single drawing may be a control that happens to be easy to beat.
    blank = untrained(model, ctx.rng)
    blanks = {} if blank is None else explainer(blank, images, explained)
    own = {name: values for name, values in blanks.items() if name in methods and has_blank(explainer, name)}
    controls = control_maps(images, ctx.rng, untrained=own)
    return Batch(
        images=images, explained=explained, cases=part[rows], methods=methods, controls=controls,
        predict=fast_predict(model, images) if predict is None else predict(), ready=ready,
    )  # fmt: skip


def has_blank(explainer: Explainer, method: str) -> bool:
    """Return whether a method must have a map of the untrained network: all but maps that come from elsewhere."""
    return has_weights(explainer.ctx.model) and (method != OWN_MAP or explainer.own is None)


@dataclass(kw_only=True, eq=False)
class Found:
    """Curves of all cases so far, by fill and direction and by map.

    Args:
        shares: (s,) shares of the pixels.
        curves: (m, s) by (fill, direction) and map, one array a batch.
        cases: Cases, by batch.
        names: Class decided for, by batch.
        values: Clean values of a regression, by batch.
        examples: Images and maps of the first cases.
    """

    shares: NDArray[np.float64]
    curves: dict[tuple[str, str], dict[str, list[NDArray[np.float64]]]] = field(default_factory=dict)
    cases: list[NDArray[np.int64]] = field(default_factory=list)
    names: list[NDArray[np.str_]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    examples: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, ctx: ProbeContext, batch: Batch, headline: str) -> None:
        """Add the curves of one batch: of all maps with imputed pixels, of one method with the other fills, too."""
        maps = batch.maps()
        few = (headline, *controls_of(headline, maps))
        change = Change(ask=score_of(batch), images=batch.images, shares=self.shares)
        made = {fill: make_fill(fill, batch.images, ctx.rng, spacing=ctx.card.input.spacing_mm) for fill in DIRECTIONS}
        ends = {fill: change.ends(made[fill]) for fill in made}
        # One order at a time: those of all maps of a batch of volumes would not fit.
        for name, values in maps.items():
            place = {name: ranks(values, ctx.rng)}
            for fill in (LINEAR, *((BLUR, MEAN) if name in few else ())):
                for direction, new in change.curves(made[fill], place, DIRECTIONS[fill], ends[fill]).items():
                    self.curves.setdefault((fill, direction), {}).setdefault(name, []).append(new[name])
        self.cases.append(batch.cases)
        self.names.append(batch.explained.names)
        self.values.append(batch.explained.value)
        if not self.examples and headline in batch.methods:
            self.examples = {"images": batch.images[:SHOWN], "maps": batch.methods[headline][:SHOWN]}

    def names_of(self, fill: str, direction: str) -> tuple[str, ...]:
        """Return the maps that have a curve of every case."""
        return tuple(k for k, v in self.curves.get((fill, direction), {}).items() if len(v) == len(self.cases))

    def curve(self, fill: str, direction: str, name: str) -> NDArray[np.float64]:
        """Return (n, s) the curves of one map."""
        return np.concatenate(self.curves[fill, direction][name])

    def areas(self, fill: str, direction: str) -> dict[str, NDArray[np.float64]]:
        """Return (n,) areas by map."""
        return {name: area(self.curve(fill, direction, name), self.shares) for name in self.names_of(fill, direction)}

    def falls(self, fill: str) -> NDArray[np.float64]:
        """Return (n,) the largest fall of the score below that of the image, over all orders and steps of a fill."""
        every = [self.curve(fill, d, name) for d in (DELETION, INSERTION) for name in self.names_of(fill, d)]
        clean = self.curve(fill, DELETION, self.names_of(fill, DELETION)[0])[:, 0]
        # The very ends are the same for all orders and say nothing of any.
        # An order that broke an answer must not hide that all others left it as it was.
        least = np.fmin.reduce([np.fmin.reduce(c[:, 1:-1], axis=1) for c in every])
        out: NDArray[np.float64] = np.maximum(clean - least, 0.0)
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """One batch whose pixels are replaced.

    Args:
        ask: From (m, channels, *spatial) images to (m,) scores.
        images: (m, channels, *spatial) stored intensities.
        shares: (s,) shares of the pixels.
    """

    ask: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    images: NDArray[np.float32]
    shares: NDArray[np.float64]

    def ends(self, fill: Fill) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (m,) scores of the images, and of images of which all is replaced: the ends of every order's curve."""
        everything = np.ones((len(self.images), *self.images.shape[2:]), bool)
        return self.ask(self.images), self.ask(fill(everything))

    def curves(
        self, fill: Fill, places: dict[str, NDArray[np.int64]], directions: tuple[str, ...],
        ends: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> dict[str, dict[str, NDArray[np.float64]]]:  # fmt: skip
        """Return (m, s) curves by direction and order; all share both ends."""
        shared = ends or self.ends(fill)
        return {
            direction: {
                name: curves(self.ask, fill, order, self.shares, insertion=direction == INSERTION, ends=shared)
                for name, order in places.items()
            }
            for direction in directions
        }


def score_of(batch: Batch) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    explained = batch.explained

    def ask(changed: NDArray[np.float32]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return explained.score(batch.predict(changed))

    return ask
