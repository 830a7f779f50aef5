"""What the model says of images with a marker, and with noise of the same energy at the same place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits import MARKERS, TELLTALES, Telltale, sample_markers, sham
from audit.probes.confounding._asked import Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# What can be in an image of a modality; an undeclared one may be anything.
KINDS = {
    "xray": tuple(MARKERS), "photo": ("text", "ruler", "pen mark", "corner patch", "laterality marker"),
    "ct": ("laterality marker", "text", "corner patch"), "mr": ("laterality marker", "text", "corner patch"),
    "us": ("laterality marker", "text", "ruler", "corner patch"), "microscopy": ("text", "ruler", "pen mark"),
    "": tuple(MARKERS),
}  # fmt: skip
KEEP_OFF = 2.0
SHOWN = 2


@dataclass(kw_only=True, eq=False)
class Marked:
    """Answers so far, one row an edited image.

    Args:
        case: Place of the case among the sampled ones.
        kind: Kind of marker.
        arm: "marker" or "sham".
        raws: Answers, by batch; of a segmentation the volume that is marked.
        examples: The first image, with each kind.
        labels: Kinds of these.
        kept_off: By kind, how many places of all cases were left free for a lesion.
        drawn: Parameters of the first markers.
    """

    case: list[int] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    arm: list[str] = field(default_factory=list)
    raws: list[Floats] = field(default_factory=list)
    examples: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    kept_off: dict[str, int] = field(default_factory=dict)
    drawn: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str, arm: str) -> tuple[NDArray[np.int64], Floats]:
        """Return the places of the cases and the answers of one kind and arm."""
        rows = (np.array(self.kind) == kind) & (np.array(self.arm) == arm)
        return np.array(self.case, dtype=np.int64)[rows], np.concatenate(self.raws)[rows]


def kinds_of(setting: Setting) -> tuple[str, ...]:
    """Return the kinds that are tried: those that images of the modality carry, and what tells how a file was made."""
    return (*KINDS.get(setting.ctx.card.input.modality, tuple(MARKERS)), *TELLTALES)


def mark(setting: Setting, cases: NDArray[np.int64]) -> Marked:
    """Put every marker into every image and ask the model, in batches.

    Args:
        setting: Where it happens.
        cases: The cases.
    """
    found, ctx = Marked(), setting.ctx
    kinds = kinds_of(setting)
    waiting: list[NDArray[np.float32]] = []
    for done, case in enumerate(cases.tolist()):
        image = setting.image(case)
        for kind, edited in _edits(setting, int(case), image, kinds, found):
            noisy = sham(image, edited, int(ctx.rng.integers(2**48)), span=setting.span)
            for arm, one in (("marker", edited), ("sham", noisy)):
                found.case.append(done)
                found.kind.append(kind)
                found.arm.append(arm)
                waiting.append(one)
            if done == 0 and kind not in found.labels:
                found.labels.append(kind)
                found.examples.append(edited)
        if len(waiting) >= ctx.budget.batch_size or done + 1 == cases.size:
            found.raws.append(_answers(setting, waiting))
            waiting = []
        ctx.sink.progress(done + 1, cases.size)
    return found


def _answers(setting: Setting, images: list[NDArray[np.float32]]) -> Floats:
    raws = setting.ask(images)
    if setting.ctx.card.task == "segmentation":
        return np.asarray(raws.reshape(len(raws), -1).sum(axis=1, keepdims=True) * setting.grid.voxel)
    return raws


def _edits(
    setting: Setting, case: int, image: NDArray[np.float32], kinds: tuple[str, ...], found: Marked
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    grid, span, ctx = setting.grid, setting.span, setting.ctx
    display = ctx.card.input.window or span
    mask = setting.mask(case)
    lesion = None if mask is None else grid.dilated(mask, KEEP_OFF)
    shape = (setting.size[-2], setting.size[-1])
    own = tuple(k for k in kinds if k in MARKERS)
    for marker in sample_markers(own, shape, grid, ctx.rng, colour=setting.channels == 3):
        edited = marker.apply(image, grid, display=display, span=span)
        changed = (edited != image).any(axis=0)
        if lesion is not None and (changed & lesion).any():
            found.kept_off[marker.kind] = found.kept_off.get(marker.kind, 0) + 1
            continue
        if len(found.drawn) < 200:
            found.drawn.append({
                "kind": marker.kind, "place": marker.place, "size": marker.size, "unit": marker.unit,
                "bend": marker.bend, "strength": marker.strength, "text": marker.text,
            })  # fmt: skip
        yield marker.kind, edited
    for kind in kinds:
        if kind in TELLTALES:
            yield kind, Telltale(kind=kind).apply(image, display=display, span=span)
