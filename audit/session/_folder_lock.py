"""One run at a time in a folder."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.errors import InputError

# Not on every system.
fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None


@contextmanager
def locked(folder: Path) -> Iterator[tuple[int, ...]]:
    """Hold a folder for one run.

    The lock goes with the process, however that ends, so that a run which was killed can be taken up again.

    Args:
        folder: The run's folder; it is there.

    Yields:
        File descriptors that a forked process must close, or it would hold the lock when this one has gone.

    Raises:
        InputError: Another run is writing to it.
    """
    if fcntl is None:  # pragma: no cover - as above
        yield ()
        return
    # NFS locks files alone: there one beside the folder stands for it, since the folder holds what a run wrote only.
    beside = folder.absolute().with_name(f".{folder.name}.lock")
    for path, flags in ((folder, os.O_RDONLY), (beside, os.O_RDWR | os.O_CREAT)):
        try:
            descriptor = _taken(path, flags)
        except BlockingIOError:
            raise busy(folder) from None
        if descriptor is None:
            continue
        try:
            if not _same(descriptor, path):
                # Whoever had it took it away again: a lock on what is gone would keep nobody out.
                raise busy(folder)
            yield (descriptor,)
        finally:
            if path == beside:
                beside.unlink(missing_ok=True)
            os.close(descriptor)
        return
    # Some shared file systems have no locks at all; nothing better is to be had there.
    yield ()


def _taken(path: Path, flags: int) -> int | None:
    """Return a descriptor that holds a lock, None where there are no locks.

    Raises:
        BlockingIOError: Another process holds it.
    """
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _same(descriptor: int, folder: Path) -> bool:
    """Return whether a folder is still the one that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except OSError:
        return False


def busy(folder: Path) -> InputError:
    """Return the error that says that another run is at work in a folder."""
    return InputError(
        f"another run is writing to {folder}", expected="one run at a time in a folder", got="a run at work",
        fix="wait until it has ended, or name another folder with --out",
    )  # fmt: skip


def is_locked(folder: Path) -> bool:
    """Return whether a run is writing to a folder now."""
    try:
        with locked(folder):
            return False
    except InputError:
        return True
    except OSError:
        return False
