"""One run at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import InputError

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on this system
    fcntl = None  # type: ignore[assignment]


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
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy(folder) from None
        except OSError:
            # Some shared file systems have no locks; nothing better is to be had there.
            yield ()
            return
        if not _same(descriptor, folder):
            # Another run had made the folder, found nothing to do, and took it away again.
            raise busy(folder)
        yield (descriptor,)
    finally:
        os.close(descriptor)


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
