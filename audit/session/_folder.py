"""Where a run is written, and what may be overwritten."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from audit.errors import InputError
from audit.evidence import FILES, SUMS

_OURS = {*FILES, SUMS, "artifacts"}
_MARKS = {"evidence.json", "log.jsonl", SUMS}


def default_folder() -> Path:
    """Return audit-runs/<UTC time>, with a number behind it where that is taken."""
    base = Path("audit-runs") / dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a run may be written into a folder; nothing is changed yet.

    Args:
        folder: A folder, there or not.
        overwrite: Whether a run that it holds may be replaced.

    Raises:
        InputError: It is a file, holds something and `overwrite` is not given, or holds something that is not a run's.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"{folder}: not a folder", expected="a folder for the run", got="a file or a link", fix="name another"
        )
    held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if not held:
        return
    if not overwrite:
        raise InputError(
            f"{folder} is not empty", expected="an empty or new folder", got=f"one with {held[0]}",
            fix="name another folder, or add --overwrite to replace the run in it",
        )  # fmt: skip
    foreign = [n for n in held if not is_ours(n)]
    if foreign or not _MARKS & set(held):
        raise InputError(
            f"{folder} is not the folder of a run, so it is not replaced", expected="what 'audit run' wrote, only",
            got=", ".join(foreign[:5]) or "none of its files", fix="name another folder",
        )  # fmt: skip


def is_ours(name: str) -> bool:
    """Return whether a name at the top of a folder is one of a run's."""
    return name in _OURS or (name.startswith(".") and name.endswith(".part") and name[1:-5] in _OURS)


def make_folder(folder: Path) -> None:
    """Make an empty folder; one that `check_folder` let pass is emptied first."""
    if folder.is_dir() and any(folder.iterdir()):
        # The seal goes first, so that a folder that is half deleted is no evidence.
        (folder / SUMS).unlink(missing_ok=True)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
