"""What tells how a file was made: another resolution, a lossy format; and noise of the same energy as any edit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.edits._stored import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

TELLTALES = ("resampled", "JPEG")
FACTOR, QUALITY = 1.25, 70
_FADE = 0.7
_WIDE = 3
"""Pixels that a blur so wide reaches."""


@dataclass(frozen=True, kw_only=True)
class Telltale:
    """What was drawn for one such change; `apply` makes the image.

    Args:
        kind: One of `TELLTALES`.
        factor: Resampled: how many times coarser the grid was in between.
        quality: JPEG: the quality that it was saved with, 1 to 95.
        strength: From 0 (the image as it is) to 1.
    """

    kind: str
    factor: float = FACTOR
    quality: int = QUALITY
    strength: float = 1.0

    def apply(
        self, image: NDArray[Any], *, display: tuple[float, float], span: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Return the changed image; a strength of 0 is the image bit for bit.

        Args:
            image: (channels, *spatial).
            display: Stored intensities shown as black and as white, which eight bits of a JPEG stand for.
            span: Valid range of stored intensities.
        """
        values = np.asarray(image, dtype=np.float64)
        change = _resampled(values, self.factor) if self.kind == "resampled" else _jpeg(values, self.quality, display)
        return stored(values + self.strength * change, image, span)


def _resampled(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return the change by a coarser grid and back, in the last two axes; means of blocks, then linear."""
    from scipy.ndimage import map_coordinates

    out = np.empty_like(values)
    rows, columns = values.shape[-2:]
    small = (max(1, round(rows / factor)), max(1, round(columns / factor)))
    down = [_averaging(n, m) for n, m in zip((rows, columns), small, strict=True)]
    at = np.meshgrid(
        *[(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip((rows, columns), small, strict=True)], indexing="ij"
    )
    for index in np.ndindex(*values.shape[:-2]):
        coarse = down[0] @ values[index] @ down[1].T
        out[index] = map_coordinates(coarse, at, order=1, mode="nearest")
    return out - values


def _averaging(old: int, new: int) -> NDArray[np.float64]:
    """Return (new, old) weights that average equal parts of a line."""
    edges = np.linspace(0, old, new + 1)
    cells = np.arange(old)
    low, high = np.maximum(edges[:-1, None], cells), np.minimum(edges[1:, None], cells + 1)
    parts: NDArray[np.float64] = np.clip(high - low, 0, None)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True), dtype=np.float64)


def _jpeg(values: NDArray[np.float64], quality: int, display: tuple[float, float]) -> NDArray[np.float64]:
    """Return what a JPEG of the displayed image changes, on the stored scale; its eight bits are not what is added."""
    from PIL import Image

    low, width = display[0], (display[1] - display[0]) / 255
    grey = np.clip(np.rint((values - low) / width), 0, 255).astype(np.uint8)
    out = np.zeros_like(values)
    colour = len(values) == 3 and values.ndim == 3
    planes = [(slice(None),)] if colour else list(np.ndindex(*values.shape[:-2]))
    for index in planes:
        plane = np.moveaxis(grey, 0, -1) if colour else grey[index]
        held = io.BytesIO()
        Image.fromarray(plane).save(held, format="JPEG", quality=quality)
        with Image.open(io.BytesIO(held.getvalue())) as read:
            back = np.asarray(read).astype(np.float64)
        changed = (np.moveaxis(back, -1, 0) if colour else back) - grey[index]
        out[index] = width * changed
    return out


def sham(image: NDArray[Any], edited: NDArray[Any], seed: int, *, span: tuple[float, float]) -> NDArray[np.float32]:
    """Return the image with smooth-edged noise where an edit changed it, of the same energy as the edit.

    The energy is the sum of squared changes, channel by channel; what the valid range cuts off is made up for as far
    as the range allows.

    Args:
        image: (channels, *spatial).
        edited: The same image after the edit.
        seed: Of the noise.
        span: Valid range of stored intensities.
    """
    values = np.asarray(image, dtype=np.float64)
    change = np.asarray(edited, dtype=np.float64) - values
    wanted = np.sqrt((change**2).sum())
    if wanted == 0:
        return np.asarray(image, dtype=np.float32).copy()
    where = np.abs(change).max(axis=0) > 0
    noise = np.random.default_rng(seed).normal(size=values.shape)
    noise *= _blend(where)
    scale = wanted / max(float(np.sqrt((noise**2).sum())), 1e-300)
    out = stored(values + scale * noise, image, span)
    for _ in range(4):
        got = float(np.sqrt(((out - values) ** 2).sum()))
        if got == 0 or abs(got / wanted - 1) < 0.01:
            break
        scale *= wanted / got
        out = stored(values + scale * noise, image, span)
    return out


def _blend(where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (*spatial) weights that fade to the edge of a mask, 0 outside; looked at near the mask only."""
    from scipy.ndimage import find_objects, gaussian_filter

    (held,) = find_objects(where.astype(np.int32))
    box = tuple(slice(max(0, part.start - _WIDE), part.stop + _WIDE) for part in held)
    out = np.zeros(where.shape)
    out[box] = gaussian_filter(where[box].astype(np.float64), _FADE) * where[box]
    return out
