"""Where a run is written, and what may be overwritten."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from audit.errors import InputError
from audit.evidence import EVIDENCE, SUMS

_OURS = {EVIDENCE, SUMS, "log.jsonl"}


def default_folder() -> Path:
    """Return audit-runs/<UTC time>."""
    return Path("audit-runs") / dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H%M%SZ")


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a run may be written to a folder; nothing is changed yet.

    Raises:
        InputError: The folder is not empty and may not be overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("the output is a file", expected="a folder", got=folder.name, fix="name another --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise InputError(
            f"the folder {folder.name} is not empty", expected="an empty or a new folder",
            got=f"{sum(1 for _ in folder.iterdir())} files and folders", fix="name another --out, or add --overwrite",
        )  # fmt: skip
    if not _OURS & {p.name for p in folder.iterdir()}:
        raise InputError(
            f"the folder {folder.name} holds something else than a run", expected="a run of this program",
            got="neither evidence.json nor log.jsonl in it", fix="name another --out",
        )  # fmt: skip


def make_folder(folder: Path) -> None:
    """Make an empty folder; one that `check_folder` let pass is emptied first."""
    if folder.is_dir() and any(folder.iterdir()):
        # The seal goes first, so that a folder that is half deleted is no evidence.
        (folder / SUMS).unlink(missing_ok=True)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
