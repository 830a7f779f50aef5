"""Things that are in images and are not of the patient: markers, text, rulers, ink, tubes, patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits._glyphs import enlarged, written
from audit.edits._grid import Grid
from audit.edits._stored import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CORNERS = ("top left", "top right", "bottom left", "bottom right")
LETTER_MM, TEXT_MM, PATCH_MM, TUBE_MM, PEN_MM = 12.0, 6.0, 20.0, 5.0, 2.0
"""Sizes in mm; without a spacing, and on small fields, shares of the image's shorter side hold instead."""
TOP, PURPLE = (1.0,), (0.35, 0.2, 0.6)


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What was drawn for one marker; `apply` makes the image.

    Args:
        kind: One of `MARKERS`.
        place: Where: a corner, a side or "across".
        size: Height of a letter, side of a patch or width of a line, in `unit`.
        unit: "mm" or "pixels".
        level: Intensity, one number or one a channel, as shares of the display range.
        strength: From 0 (the image as it is) to 1.
        bend: How far a line bends, as a share of the image.
        text: What is written.
    """

    kind: str
    place: str
    size: float
    unit: str
    level: tuple[float, ...]
    strength: float = 1.0
    bend: float = 0.0
    text: str = ""

    def cover(self, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
        """Return (rows, columns) in [0, 1], how much of each pixel the marker covers.

        Args:
            shape: Rows and columns.
            spacing: Spacing of rows and columns in `unit`.
        """
        return _COVERS[self.kind](self, shape, spacing)

    def apply(
        self, image: NDArray[Any], grid: Grid, *, display: tuple[float, float], span: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Return the image with the marker; a strength of 0 is the image bit for bit.

        A volume carries it in every plane, as burned-in overlays do.

        Args:
            image: (channels, *spatial).
            grid: Spacing.
            display: Stored intensities shown as black and as white.
            span: Valid range of stored intensities.
        """
        values = np.asarray(image, dtype=np.float64)
        rows, columns = values.shape[-2:]
        cover = self.strength * self.cover((rows, columns), (grid.spacing[-2], grid.spacing[-1]))
        level = np.resize(np.array(self.level), len(values)).reshape(-1, *(1,) * (values.ndim - 1))
        ink = display[0] + (display[1] - display[0]) * level
        return stored(values + cover * (ink - values), image, span)


def sample_markers(
    kinds: tuple[str, ...], shape: tuple[int, int], grid: Grid, rng: np.random.Generator, *, colour: bool
) -> tuple[Marker, ...]:
    """Draw the markers of one image: each kind at each of its places, with its own bend and text.

    Args:
        kinds: Some of `MARKERS`.
        shape: Rows and columns.
        grid: Spacing.
        rng: Draws bends and letters.
        colour: Whether the image has colours, so that a pen is purple.
    """
    out = []
    for kind in kinds:
        places, size = MARKERS[kind]
        bend, text = float(rng.uniform(-0.15, 0.15)), ""
        if kind == "laterality marker":
            text = "LR"[int(rng.integers(2))]
        elif kind == "text":
            text = ("PORTABLE", "AP 12".replace(" ", ""), "ABE21")[int(rng.integers(3))]
        level = (PURPLE if colour else (0.15,)) if kind == "pen mark" else TOP
        marker = Marker(
            kind=kind, place="", size=_sized(size, shape, grid), unit=grid.unit, level=level, bend=bend, text=text
        )
        out += [replace(marker, place=place) for place in places]
    return tuple(out)


def _sized(size_mm: float, shape: tuple[int, int], grid: Grid) -> float:
    """Return a size on this grid: that in mm, at least a pixel; a patch takes a sixth of the shorter side at most."""
    short = min(s * d for s, d in zip(shape, grid.spacing[-2:], strict=True))
    share = short / 6 * size_mm / PATCH_MM
    wanted = min(size_mm, share) if grid.unit == "mm" else share
    return float(max(wanted, min(grid.spacing[-2:])))


def _letters(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    height = max(2, round(marker.size / spacing[0]))
    ink = _ink(marker.text, min(height, shape[0]))
    return _in_corner(ink[:, : shape[1]], shape, marker.place)


@lru_cache(maxsize=32)
def _ink(text: str, height: int) -> Floats:
    return enlarged(written(text), height)


def _patch(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    sides = [min(s, max(1, round(marker.size / d))) for s, d in zip(shape, spacing, strict=True)]
    return _in_corner(np.ones(sides), shape, marker.place, gap=0)


def _in_corner(ink: Floats, shape: tuple[int, int], place: str, gap: int | None = None) -> Floats:
    gaps = [min(s - i, max(1, s // 40) if gap is None else gap) for s, i in zip(shape, ink.shape, strict=True)]
    rows = gaps[0] if place.startswith("top") else shape[0] - ink.shape[0] - gaps[0]
    columns = gaps[1] if place.endswith("left") else shape[1] - ink.shape[1] - gaps[1]
    out = np.zeros(shape)
    out[rows : rows + ink.shape[0], columns : columns + ink.shape[1]] = ink
    return out


def _ruler(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    """Return ticks along a side: one every 10 mm, longer every 50 mm; without a spacing every sixteenth of the side."""
    if marker.place in ("left", "right"):
        turned = replace(marker, place={"left": "top", "right": "bottom"}[marker.place])
        return _ruler(turned, (shape[1], shape[0]), (spacing[1], spacing[0])).T
    out = np.zeros(shape)
    step = max(2, round(10.0 / spacing[1]) if marker.unit == "mm" else shape[1] // 16)
    long, wide = max(2, round(marker.size / spacing[0])), max(1, shape[1] // 250)
    for tick, column in enumerate(range(0, shape[1], step)):
        length = min(shape[0], long if tick % 5 == 0 else max(1, long // 2))
        rows = slice(0, length) if marker.place == "top" else slice(shape[0] - length, shape[0])
        out[rows, column : column + wide] = 1.0
    return out


def _line(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float], start: float, end: float) -> Floats:
    """Return a bent line from top to bottom, its edge a pixel wide; `start` and `end` are shares of the width."""
    rows = np.arange(shape[0])
    along = rows / max(1, shape[0] - 1)
    middle = (start + (end - start) * along + marker.bend * np.sin(np.pi * along)) * (shape[1] - 1)
    slope = np.gradient(middle) if shape[0] > 1 else np.zeros(1)
    away = np.abs(np.arange(shape[1])[None, :] - middle[:, None]) / np.hypot(1, slope)[:, None]
    out: Floats = np.clip(marker.size / spacing[1] / 2 + 0.5 - away, 0.0, 1.0)
    return out


def _tube(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    """Return a faint tube with the dense stripe that makes it visible on a film."""
    side = -1 if marker.place == "left" else 1
    start, end = 0.5 + 0.42 * side, 0.5 + 0.18 * side
    whole = _line(marker, shape, spacing, start, end)
    stripe = _line(replace(marker, size=marker.size / 4), shape, spacing, start, end)
    return 0.35 * whole + 0.5 * stripe


def _pen(marker: Marker, shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    side = -1 if marker.place == "left" else 1
    return 0.9 * _line(marker, shape, spacing, 0.5 + 0.35 * side, 0.5 + 0.25 * side)


MARKERS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "laterality marker": (CORNERS, LETTER_MM),
    "text": (CORNERS, TEXT_MM),
    "ruler": (("top", "bottom", "left", "right"), TEXT_MM),
    "pen mark": (("left", "right"), PEN_MM),
    "chest tube": (("left", "right"), TUBE_MM),
    "corner patch": (CORNERS, PATCH_MM),
}
"""By kind, the places and the size in mm."""
_COVERS: Mapping[str, Callable[[Marker, tuple[int, int], tuple[float, float]], Floats]] = {
    "laterality marker": _letters, "text": _letters, "ruler": _ruler, "pen mark": _pen, "chest tube": _tube,
    "corner patch": _patch,
}  # fmt: skip
