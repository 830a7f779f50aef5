"""Lesions, or what looks like them, put into images and taken out one by one, each step beside a sham."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits import Fill, Ground, Insertion, in_turn, marks, parts_of, sample_fill, sample_insertions
from audit.probes.confounding._asked import Reading, Setting
from audit.probes.confounding._evidence import moved
from audit.probes.confounding._scenes import EDGE, LESION, Scene, Stock, protocol_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MOST = 3
"""Steps of a dose."""
GAP = 3.0
"""Distance between two lesions that are inserted: mm, or pixels."""
METHOD = "least squares through 0 for each case, mean by patient"


@dataclass(kw_only=True, eq=False)
class Doses:
    """Answers to one arm, one row an edited image.

    Args:
        case: Cases.
        dose: How much was put in or taken out.
        sham: Whether it was the sham.
        raws: Answers, by batch; of a segmentation the marked volume and the share of what was put in that it touches.
        drawn: Parameters of the first insertions.
        examples: The first images: as they are, with the top dose, with its sham.
    """

    case: list[int] = field(default_factory=list)
    dose: list[float] = field(default_factory=list)
    sham: list[bool] = field(default_factory=list)
    raws: list[Floats] = field(default_factory=list)
    drawn: list[dict[str, Any]] = field(default_factory=list)
    examples: list[tuple[NDArray[np.float32], ...]] = field(default_factory=list)

    @property
    def cases(self) -> NDArray[np.int64]:
        """(m,) the cases that have this arm, rising."""
        return np.unique(np.array(self.case, dtype=np.int64))

    def slopes(self, reading: Reading, clean: Floats) -> tuple[Floats, Floats]:
        """Return (m,) slopes of the true and of the sham edit, by case; NaN where an answer is no number.

        Args:
            reading: What is read.
            clean: (N, k) answers to the images as they are.
        """
        case, dose, sham, delta = self._table(reading, clean)
        out = []
        for arm in (False, True):
            rows = sham == arm
            index = np.searchsorted(self.cases, case[rows])
            top = np.bincount(index, weights=dose[rows] * delta[rows], minlength=self.cases.size)
            bottom = np.bincount(index, weights=dose[rows] ** 2, minlength=self.cases.size)
            out.append(np.asarray(top / bottom, dtype=np.float64))
        return out[0], out[1]

    def steps(self, reading: Reading, clean: Floats, *, sham: bool) -> dict[float, tuple[NDArray[np.int64], Floats]]:
        """Return by step the cases and how their answer changed."""
        case, dose, arm, delta = self._table(reading, clean)
        order = self._order(case, dose, arm)
        return {
            float(s): (case[rows], delta[rows]) for s in np.unique(order) for rows in [(order == s) & (arm == sham)]
        }

    def _order(self, case: NDArray[np.int64], dose: Floats, arm: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return (r,) the step of each row, 1 for the first."""
        out = np.zeros(case.size, dtype=np.int64)
        for one in np.unique(case):
            for side in (False, True):
                rows = np.flatnonzero((case == one) & (arm == side))
                out[rows[np.argsort(np.abs(dose[rows]))]] = np.arange(1, rows.size + 1)
        return out

    def _table(self, reading: Reading, clean: Floats) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_], Floats]:
        case = np.array(self.case, dtype=np.int64)
        raw = np.concatenate(self.raws) if self.raws else np.zeros((0, 1))
        delta = reading.value(raw) - reading.value(clean[case]) if case.size else np.zeros(0)
        return case, np.array(self.dose, dtype=np.float64), np.array(self.sham, dtype=bool), delta


def give(
    setting: Setting, scenes: Iterator[Scene], kinds: Sequence[str], held: Stock, *, erase: bool, planes: bool = False
) -> dict[str, Doses]:
    """Put in, and take out, one by one, and ask the model.

    Args:
        setting: Where it happens.
        scenes: The images.
        kinds: What is put in; each is an arm of its own.
        held: What there is.
        erase: Also take lesions out, as the arm "erase".
        planes: Put in only in the annotated plane and only off it instead, as the arms "in plane" and "off plane".
    """
    found: dict[str, Doses] = {}
    for scene in scenes:
        waiting: dict[str, list[_Step]] = {}
        for kind in kinds:
            for name, within, without in _arms_of(setting, scene, kind, planes):
                waiting[name] = _insert(setting, scene, kind, held, found.setdefault(name, Doses()), within, without)
        if erase:
            waiting["erase"] = _erase(setting, scene, held, found.setdefault("erase", Doses()))
        _ask(setting, scene, waiting, found)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    image: NDArray[np.float32]
    dose: float
    sham: bool
    cores: list[Mask] = field(default_factory=list)


def _arms_of(setting: Setting, scene: Scene, kind: str, planes: bool) -> Iterator[tuple[str, Mask | None, Mask | None]]:
    if not planes:
        yield kind, None, None
        return
    given = setting.ctx.cohort.annotated_planes
    plane = -1 if given is None else int(given[scene.case])
    if 0 <= plane < setting.size[0]:
        here = np.zeros(setting.size, dtype=bool)
        here[plane] = True
        yield "in plane", here, None
        yield "off plane", None, here


def _insert(
    setting: Setting, scene: Scene, kind: str, held: Stock, found: Doses, within: Mask | None, without: Mask | None
) -> list[_Step]:
    grid, span = setting.grid, setting.span
    spots = held.spots.get((kind, protocol_of(setting, scene.case)), [])
    room = held.most.get(kind, 0) - len(parts_of(scene.masks.get(kind, np.zeros(setting.size, dtype=bool))))
    count = min(MOST, room)
    if count < 1 or not spots or kind not in scene.masks:
        return []
    clear = scene.tissue & ~scene.taken(setting, GAP)
    ground = Ground(image=scene.image, allowed=clear, tissue=clear)
    drawn = sample_insertions(ground, spots, count, setting.ctx.rng, grid=grid, gap=GAP, within=within, without=without)
    out = []
    true, plain = (in_turn(scene.image, drawn, texture=scene.texture, span=span, sham=sham) for sham in (False, True))
    for k, images in enumerate(zip(true, plain, strict=True), start=1):
        some = drawn[:k]
        for image, sham in zip(images, (False, True), strict=True):
            out.append(_Step(image=image, dose=_dose(setting, some), sham=sham, cores=marks(some, setting.size)))
    if out and not found.examples:
        found.examples.append((scene.image, out[-2].image, out[-1].image))
    found.drawn += [one.parameters(grid) for one in drawn] if len(found.drawn) < 100 else []
    return out


def _dose(setting: Setting, some: Sequence[Insertion]) -> float:
    """Return how much was put in: lesions, or for a segmentation their volume."""
    if setting.ctx.card.task == "segmentation":
        return float(sum(one.spot.volume for one in some))
    return float(len(some))


def _erase(setting: Setting, scene: Scene, held: Stock, found: Doses) -> list[_Step]:
    """Take lesions out, the shams the same shapes of plain tissue; doses are below 0."""
    grid, rng, lesions = setting.grid, setting.ctx.rng, scene.masks[LESION]
    parts = parts_of(lesions)
    if not parts or len(parts) > max(held.most.get(LESION, 0), MOST):
        return []
    some = [parts[int(i)] for i in rng.permutation(len(parts))[:MOST]]
    background = ~scene.tissue | scene.taken(setting, EDGE)
    out = []
    gone, apart, volume = np.zeros_like(lesions), np.zeros_like(lesions), 0.0
    for k, part in enumerate(some, start=1):
        wide = grid.dilated(part, EDGE)
        gone |= wide
        apart |= moved(setting, scene.image, wide, background | grid.dilated(apart, GAP))
        volume += float(part.sum()) * grid.voxel
        dose = -(volume if setting.ctx.card.task == "segmentation" else float(k))
        for sham, region in ((False, gone), (True, apart)):
            fill: Fill = sample_fill(scene.image, region, background & ~region, rng, grid=grid, span=setting.span)
            out.append(_Step(image=fill.apply(scene.image), dose=dose, sham=sham))
    if not found.examples:
        found.examples.append((scene.image, out[-2].image, out[-1].image))
    return out


def _ask(setting: Setting, scene: Scene, waiting: dict[str, list[_Step]], found: dict[str, Doses]) -> None:
    steps = [(name, step) for name, those in waiting.items() for step in those]
    if not steps:
        return
    raws = setting.ask([step.image for _, step in steps])
    if setting.ctx.card.task == "segmentation":
        touched = [
            np.mean([bool(raw[core].any()) for core in step.cores]) if step.cores and np.isfinite(raw).all() else np.nan
            for raw, (_, step) in zip(raws, steps, strict=True)
        ]
        volume = raws.reshape(len(raws), -1).sum(axis=1) * setting.grid.voxel
        raws = np.stack([volume, np.array(touched, dtype=np.float64)], axis=1)
    for row, (name, step) in enumerate(steps):
        one = found[name]
        one.case.append(scene.case)
        one.dose.append(step.dose)
        one.sham.append(step.sham)
        one.raws.append(raws[row : row + 1])
