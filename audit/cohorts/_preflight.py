"""What can be said of image references before a single image is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit.cohorts._machine import fault_of_machine, machine_error
from audit.cohorts._references import NOT_FOUND, resolve
from audit.errors import ReadError
from audit.storage import Location, Remote, there

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def unreadable(cells: NDArray[np.str_], *, folder: Location, root: Path) -> dict[int, str]:
    """Return why references cannot be followed, by row; a file that many rows share is looked for once.

    Args:
        cells: (n,) image cells.
        folder: The manifest's folder.
        root: The folder of audit.toml.
    """
    reasons: dict[int, str] = {}
    paths: dict[int, Location] = {}
    for index, cell in enumerate(cells.tolist()):
        try:
            paths[index] = resolve(cell, folder=folder, root=root).path
        except ReadError as error:
            reasons[index] = error.problem
    found = _found(set(paths.values()))
    reasons |= {index: NOT_FOUND for index, path in paths.items() if path not in found}
    return dict(sorted(reasons.items()))


def _found(places: set[Location]) -> set[Location]:
    on_disk: set[Location] = {p for p in places if isinstance(p, Path) and readable(p)}
    return on_disk | there([p for p in places if isinstance(p, Remote)])


def readable(path: Path) -> bool:
    """Return whether a path is a file or a folder; a pipe or a device, which may never end, is neither.

    Raises:
        StorageError: The disk that holds it has gone.
    """
    try:
        return path.is_file() or path.is_dir()
    except OSError as error:
        if fault_of_machine(error) is not None:
            raise machine_error(error) from error
        # A name that the file system cannot even look up, for example one that is too long.
        return False
