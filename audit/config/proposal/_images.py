"""What the images seem to be, from reading a few of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts import FileSource
from audit.config.proposal._manifest import Manifest
from audit.core import InputSpec
from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ = 16


@dataclass(frozen=True, kw_only=True)
class Images:
    """What a few images have in common.

    Args:
        read: How many were read.
        tried: How many were tried.
        dtype: Their stored type.
        channels: Their channels.
        size: Their commonest size.
        sizes: How many sizes there are among them.
        low: Smallest stored value.
        high: Largest stored value.
        failure: The first reason why one could not be read.
    """

    read: int = 0
    tried: int = 0
    dtype: str = ""
    channels: int = 1
    size: tuple[int, ...] = ()
    sizes: int = 0
    low: float = 0.0
    high: float = 1.0
    failure: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """Stored intensities that [0, 1] most likely stands for."""
        if self.dtype == "uint8":
            return 0.0, 255.0
        if self.dtype == "uint16":
            return 0.0, next(top for top in (1023.0, 4095.0, 16383.0, 65535.0) if self.high <= top)
        if self.low >= 0 and self.high <= 1:
            return 0.0, 1.0
        if self.low >= -1 and self.high <= 1:
            return -1.0, 1.0
        low, high = float(np.floor(self.low)), float(np.ceil(self.high))
        return (low, high) if high > low else (low, low + 1.0)


def look(manifest: Manifest, root: Path, channels: int | None, size: tuple[int, ...]) -> Images:
    """Read up to 16 images, spread over the manifest.

    Args:
        manifest: The manifest, with its image column.
        root: Folder of audit.toml.
        channels: Channels that the model declares, None where it declares none.
        size: Size that the model declares.
    """
    if manifest.image is None:
        return Images()
    cells = manifest.table[manifest.image]
    rows = np.unique(np.linspace(0, len(cells) - 1, min(_READ, len(cells))).astype(int))
    arrays, failure = [], ""
    for row in rows:
        try:
            arrays.append(_stored(cells, int(row), manifest.path.parent, root, channels, len(size)))
        except ReadError as error:
            failure = failure or error.problem
    if not arrays:
        return Images(tried=len(rows), failure=failure)
    sizes = Counter(a.shape[1:] for a in arrays)
    finite = [a[np.isfinite(a)] for a in arrays]
    filled = [a for a in finite if a.size]
    types = Counter(str(a.dtype) for a in arrays)
    return Images(
        read=len(arrays), tried=len(rows), failure=failure, dtype=types.most_common(1)[0][0],
        channels=Counter(a.shape[0] for a in arrays).most_common(1)[0][0], size=sizes.most_common(1)[0][0],
        sizes=len(sizes), low=min((float(a.min()) for a in filled), default=0.0),
        high=max((float(a.max()) for a in filled), default=1.0),
    )  # fmt: skip


def _stored(
    cells: NDArray[np.str_], row: int, folder: Path, root: Path, channels: int | None, axes: int
) -> NDArray[Any]:
    """Return one stored image; an array of unknown axes is tried with one channel and with three."""
    tries = (channels,) if channels is not None else (1, 3)
    last = ReadError("image cannot be read")
    for count in tries:
        spec = InputSpec(channels=count, size=(1,) * axes)
        try:
            return FileSource(references=cells, folder=folder, root=root, input=spec).stored(row).values
        except ReadError as error:
            last = error
    raise last
