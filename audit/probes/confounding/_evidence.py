"""The evidence taken out of images: which region of which image is filled, and what the model says then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits import free_places, levels_around, sample_fill, shapes_of, tissue
from audit.probes.confounding._asked import Setting
from audit.probes.confounding._traces import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

DILATION = 2.0
"""How far beyond a mask is filled: in mm, or in pixels where no spacing is declared."""
OTHERS = (0.0, 5.0)
SHELL = 10.0
PLACES = 48
COARSE = {1: 64, 2: 64, 3: 24}
SHOWN = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One image with what is filled in it.

    Args:
        case: The case.
        own: (*spatial) bool, its own mask, empty where it has none.
        other: (*spatial) bool, the mask of its partner, at the place where the partner has it.
    """

    case: int
    own: Mask
    other: Mask


@dataclass(kw_only=True, eq=False)
class Filled:
    """Answers so far.

    Args:
        cases: Cases in the order of the answers.
        raws: Answers by arm: "2", "0" and "5" for the evidence removed at that dilation, "elsewhere" for as much filled
            off the lesion.
        filled: Features of the control fills.
        untouched: Features of the same places before.
        traced: Cases of these features.
        reached: Whether each image was filled elsewhere, too, or has nothing to remove.
        examples: Images of the first cases, by arm.
    """

    cases: list[int] = field(default_factory=list)
    raws: dict[str, list[Floats]] = field(default_factory=dict)
    filled: list[Floats] = field(default_factory=list)
    untouched: list[Floats] = field(default_factory=list)
    traced: list[int] = field(default_factory=list)
    reached: list[bool] = field(default_factory=list)
    examples: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def answers(self, arm: str) -> Floats:
        """Return (m, k) answers of an arm."""
        return np.concatenate(self.raws[arm])


def remove(setting: Setting, subjects: list[Subject], *, dilations: tuple[float, ...] = (DILATION, *OTHERS)) -> Filled:
    """Fill every image and ask the model, batch by batch.

    Args:
        setting: Where it happens.
        subjects: The images.
        dilations: How far beyond the masks is filled; the first is the headline.
    """
    found, ctx = Filled(), setting.ctx
    step = max(1, ctx.budget.batch_size)
    for start in range(0, len(subjects), step):
        batch = subjects[start : start + step]
        arms: dict[str, list[NDArray[np.float32]]] = {}
        for subject in batch:
            image = setting.image(subject.case)
            for name, edited in _arms(setting, subject, image, dilations, found):
                arms.setdefault(name, []).append(edited)
                if len(found.cases) < SHOWN and name in (f"{dilations[0]:g}", "elsewhere"):
                    found.examples.setdefault(name, []).append(edited)
            if len(found.cases) < SHOWN:
                found.examples.setdefault("images", []).append(image)
            found.cases.append(subject.case)
        for name, images in arms.items():
            found.raws.setdefault(name, []).append(setting.ask(images))
        ctx.sink.progress(min(start + step, len(subjects)), len(subjects))
    return found


def _arms(
    setting: Setting, subject: Subject, image: NDArray[np.float32], dilations: tuple[float, ...], found: Filled
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    grid, rng = setting.grid, setting.ctx.rng
    others = grid.dilated(setting.distractors(subject.case), dilations[0])
    both, background = subject.own | subject.other, ~tissue(image) | others
    for dilation in dilations:
        region = grid.dilated(both, dilation)
        yield f"{dilation:g}", _fill(setting, image, region, background)
    lesion = grid.dilated(subject.own, dilations[0])
    apart = moved(setting, image, lesion, background) if subject.own.any() else np.zeros_like(lesion)
    apart |= grid.dilated(subject.other, dilations[0]) & ~lesion & ~others
    found.reached.append(bool(apart.any() or not both.any()))
    elsewhere = sample_fill(image, apart, background | lesion, rng, grid=grid, span=setting.span).apply(image)
    if apart.any():
        found.filled.append(features(elsewhere))
        found.untouched.append(features(image))
        found.traced.append(subject.case)
    yield "elsewhere", elsewhere


def _fill(setting: Setting, image: NDArray[Any], region: Mask, background: Mask) -> NDArray[np.float32]:
    fill = sample_fill(image, region, background, setting.ctx.rng, grid=setting.grid, span=setting.span)
    return fill.apply(image)


def moved(setting: Setting, image: NDArray[np.float32], lesion: Mask, background: Mask) -> Mask:
    """Return the parts of a region moved to like tissue of the same image; a part without room is left out."""
    clear, out = ~(lesion | background), np.zeros_like(lesion)
    for shape in shapes_of(lesion):
        places = free_places(shape, clear & ~out, setting.ctx.rng, tries=PLACES)
        if len(places):
            # Not of single pixels, whose noise would then be chosen, too.
            levels = levels_around(image, shape, np.vstack([[shape.start], places]), clear).astype(np.float64)
            best = int(np.argmin(np.abs(levels[1:] - levels[0]).max(axis=1)))
            out[shape.box_at(places[best].tolist())] |= shape.region
    return out


def paired(setting: Setting, cases: list[int], controls: list[int], masks: dict[int, Mask]) -> list[Subject]:
    """Return every case and every control, each with the mask of a partner of the other side.

    Masks of cases are dealt out evenly among the controls, and those of controls among the cases, each to an image that
    looks most alike around that place. So place and size of what is filled have the same distribution on both sides,
    and nothing can be told from them.

    Args:
        setting: Where it happens.
        cases: Cases.
        controls: Controls.
        masks: Own mask of each, empty where it has none.
    """
    nothing = np.zeros(setting.size, dtype=bool)
    out = []
    for own, others in ((cases, controls), (controls, cases)):
        donors = [c for c in others if masks[c].any()]
        # One donor in so many has no mask: as many images of this side are dealt none.
        share = len(donors) / max(1, len(others))
        dealt = setting.ctx.rng.permutation(len(own))[: round(share * len(own))]
        takers = [own[int(i)] for i in dealt]
        partner = _dealt(setting, donors, takers, masks)
        out += [Subject(case=c, own=masks[c], other=masks[partner[c]] if c in partner else nothing) for c in own]
    return out


def _dealt(setting: Setting, donors: list[int], takers: list[int], masks: dict[int, Mask]) -> dict[int, int]:
    """Return which donor's mask each taker gets: every donor as often as any other, where it fits best.

    A mask fits an image whose level and spread in a shell around it are those of the image that it is of.
    """
    from scipy.optimize import linear_sum_assignment

    if not donors or not takers:
        return {}
    rounds = -(-len(takers) // len(donors))
    many = [d for _ in range(rounds) for d in donors]
    grid = setting.grid
    shell = np.stack([_coarse(grid.dilated(masks[d], SHELL) & ~grid.dilated(masks[d], DILATION)) for d in donors])
    shell /= np.maximum(shell.sum(axis=1, keepdims=True), 1e-12)
    there, here = (np.stack([_coarse(setting.image(c).mean(axis=0)) for c in some]) for some in (donors, takers))
    level, own_level = (shell * there).sum(axis=1), here @ shell.T
    spread = np.sqrt(np.maximum((shell * there**2).sum(axis=1) - level**2, 0))
    own_spread = np.sqrt(np.maximum(here**2 @ shell.T - own_level**2, 0))
    cost = (own_level - level) ** 2 + (own_spread - spread) ** 2
    rows, columns = linear_sum_assignment(np.tile(cost, (1, rounds)))
    return {takers[int(r)]: many[int(c)] for r, c in zip(rows, columns, strict=True)}


def _coarse(values: NDArray[Any]) -> Floats:
    """Return means of at most 64 blocks an axis, 24 of a volume, flat."""
    out = values.astype(np.float64)
    for axis, size in enumerate(values.shape):
        starts = np.unique(np.linspace(0, size, min(size, COARSE[values.ndim]) + 1).astype(int)[:-1])
        lengths = np.diff([*starts, size]).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        out = np.add.reduceat(out, starts, axis=axis) / lengths
    return np.asarray(out.ravel(), dtype=np.float64)


def mirrored(setting: Setting, order: list[int], masks: dict[int, Mask]) -> list[Subject]:
    """Return cases that share what is filled in pairs, the highest reference value with the lowest.

    Args:
        setting: Where it happens.
        order: Cases by rising reference value.
        masks: Own mask of each.
    """
    del setting
    return [Subject(case=c, own=masks[c], other=masks[p]) for c, p in zip(order, order[::-1], strict=True)]
