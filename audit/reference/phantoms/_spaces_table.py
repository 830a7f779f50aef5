"""Scans of many patients at once, with what was counted in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.reference.phantoms._spaces import PerivascularSpaces
from audit.reference.phantoms._spaces_draw import KINDS
from audit.reference.phantoms._spaces_observers import OBSERVERS
from audit.reference.phantoms._spaces_regions import SIZE


@dataclass(frozen=True, kw_only=True, eq=False)
class SpacesTable:
    """Scans of patients, one a row.

    Attributes:
        images: (n, planes, rows, columns) stored grey levels, uint16.
        masks: (n, kinds, planes, rows, columns) bool, in the order of `KINDS`.
        regions: (n, planes, rows, columns) bool.
        planes: (n,) index of the plane that is read, -1 where all is.
        readings: (n, observers) counts, in the order of `OBSERVERS`.
        there: (n,) spaces in the whole region.
    """

    images: NDArray[np.uint16]
    masks: NDArray[np.bool_]
    regions: NDArray[np.bool_]
    planes: NDArray[np.int64]
    readings: NDArray[np.int64]
    there: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def scanned(source: PerivascularSpaces, *, n: int | None = None, again: bool = False) -> SpacesTable:
    """Scan the first patients of a cohort and have them read.

    Args:
        source: The cohort.
        n: How many; all by default.
        again: Their rescans instead, read again.
    """
    count = len(source) if n is None else n
    images = np.zeros((count, *SIZE), dtype=np.uint16)
    masks = np.zeros((count, len(KINDS), *SIZE), dtype=bool)
    regions = np.zeros((count, *SIZE), dtype=bool)
    planes, there = np.zeros((2, count), dtype=np.int64)
    readings = np.zeros((count, len(OBSERVERS)), dtype=np.int64)
    for i in range(count):
        scan = source.scan(i, again=again)
        images[i], regions[i], planes[i] = scan.image, scan.region, scan.plane
        masks[i] = np.stack([scan.masks[kind] for kind in KINDS])
        readings[i] = list(source.readings(i, scan, again=again).values())
        there[i] = sum(thing.kind == "space" and bool(planes_of.any()) for thing, planes_of in scan.things)
    return SpacesTable(
        images=images, masks=masks, regions=regions, planes=planes, readings=readings, there=there
    )  # fmt: skip
