"""Images with their lesions and with what looks like them, and what of it can be put into other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.edits import Spot, Texture, parts_of, spots_of, texture_of, tissue, usual
from audit.probes.confounding._asked import Setting, read_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

EDGE = 2.0
"""How far a lesion reaches beyond its mask: mm, or pixels."""
SOURCES = 48
COUNTED = 95.0
LESION = "lesion"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One image with what is known of it.

    Args:
        case: The case.
        image: (channels, *spatial).
        masks: By kind, lesions and each declared type of distractor; a kind whose mask is not there is absent.
        shown: (*spatial) bool, where the image shows something.
        tissue: (*spatial) bool, where something may be put: the declared region, else where the image shows something.
        spacing: Spacing of the grid.
    """

    case: int
    image: NDArray[np.float32]
    masks: dict[str, Mask]
    shown: Mask
    tissue: Mask
    spacing: tuple[float, ...]

    @cached_property
    def texture(self) -> Texture:
        """Texture of all that the image shows."""
        return texture_of(self.image, self.shown, self.spacing)

    def taken(self, setting: Setting, margin: float) -> Mask:
        """Return (*spatial) bool, everything that is no plain tissue, with a margin in the grid's unit."""
        out = np.zeros(setting.size, dtype=bool)
        for mask in self.masks.values():
            out |= mask
        return setting.grid.dilated(out, margin)


def scene_of(setting: Setting, case: int) -> Scene | None:
    """Return the scene of a case, None where its lesions, or the declared region, are not known."""
    cohort = setting.ctx.cohort
    lesions = setting.mask(case)
    if lesions is None:
        return None
    image = setting.image(case)
    shown = where = tissue(image)
    if cohort.regions is not None:
        region = read_mask(cohort.regions, case)
        if region is None:
            return None
        where = region
    masks = {LESION: lesions}
    for kind, source in cohort.distractors.items():
        mask = read_mask(source, case)
        if mask is not None:
            masks[kind] = mask
    return Scene(case=case, image=image, masks=masks, shown=shown, tissue=where, spacing=setting.grid.spacing)


def has_scene(setting: Setting, case: int) -> bool:
    """Return whether a case has a scene; see `scene_of`."""
    regions = setting.ctx.cohort.regions
    return setting.mask(case) is not None and (regions is None or read_mask(regions, case) is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stock:
    """What can be inserted, by kind, and how many of a kind a case may have.

    Args:
        spots: By kind and by the levels of the protocol attributes.
        most: By kind, the cohort's 95th centile of the number in a case.
    """

    spots: dict[tuple[str, str], list[Spot]]
    most: dict[str, int]


def protocol_of(setting: Setting, case: int) -> str:
    """Return the levels of a case's protocol attributes; contrast means something within one protocol only."""
    return "|".join(str(a.levels[case]) for a in setting.ctx.cohort.by_role("protocol"))


def stock(setting: Setting, cases: Sequence[int]) -> Stock:
    """Return the cohort's own lesions and distractors that stand alone, usual in size and contrast.

    Args:
        setting: Where it happens.
        cases: Cases to look in; all are counted, and spots are taken from as many as needed.
    """
    rng, ctx = setting.ctx.rng, setting.ctx
    counts: dict[str, list[int]] = {}
    found: dict[tuple[str, str], list[Spot]] = {}
    used: dict[tuple[str, str], int] = {}
    for case in ctx.rng.permutation(np.array(cases)).tolist():
        scene = scene_of(setting, int(case))
        if scene is None:
            continue
        for kind, mask in scene.masks.items():
            counts.setdefault(kind, []).append(len(parts_of(mask)))
            key = (kind, protocol_of(setting, int(case)))
            if used.get(key, 0) >= SOURCES or not mask.any():
                continue
            others = np.zeros_like(mask)
            for name, other in scene.masks.items():
                others |= other if name != kind else False
            used[key] = used.get(key, 0) + 1
            found.setdefault(key, []).extend(
                spots_of(scene.image, mask, others, scene.tissue, int(case), rng, grid=setting.grid, edge=EDGE)
            )
    most = {kind: int(np.percentile(values, COUNTED)) for kind, values in counts.items()}
    return Stock(spots={key: usual(spots) for key, spots in found.items()}, most=most)
