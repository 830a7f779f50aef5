"""What can be said of image references before a single image is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit.cohorts._references import NOT_FOUND, resolve
from audit.errors import ReadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def unreadable(cells: NDArray[np.str_], *, folder: Path, root: Path) -> dict[int, str]:
    """Return why references cannot be followed, by row; a file that many rows share is looked for once.

    Args:
        cells: (n,) image cells.
        folder: The manifest's folder.
        root: The folder of audit.toml.
    """
    reasons: dict[int, str] = {}
    there: dict[Path, bool] = {}
    for index, cell in enumerate(cells.tolist()):
        try:
            path = resolve(cell, folder=folder, root=root).path
        except ReadError as error:
            reasons[index] = error.problem
            continue
        if path not in there:
            there[path] = readable(path)
        if not there[path]:
            reasons[index] = NOT_FOUND
    return reasons


def readable(path: Path) -> bool:
    """Return whether a path is a file or a folder; a pipe or a device, which may never end, is neither."""
    try:
        return path.is_file() or path.is_dir()
    except OSError:
        # A name that the file system cannot even look up, for example one that is too long.
        return False
