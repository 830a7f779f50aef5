"""Where a run goes, and what may be replaced."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from audit.errors import InputError

# `audit.evidence.FILES` in the order of a run; repeated, so that a wrong folder is refused before anything is loaded.
_OURS = {
    "evidence.json", "predictions.parquet", "report.html", "junit.xml", "audit.sarif", "summary.md", "log.jsonl",
    "SHA256SUMS", "artifacts",
}  # fmt: skip


def run_folder(out: Path | None) -> Path:
    """Return the folder of a run, by default one named after the time."""
    if out is not None:
        return out
    base = Path("audit-runs") / dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a run may be written into a folder.

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
            f"{folder} is not empty", expected="an empty or new folder", got=f"{len(held)} entries",
            fix="name another folder, or add --overwrite to replace the run in it",
        )  # fmt: skip
    foreign = [n for n in held if not _is_ours(n)]
    if foreign or not ({"evidence.json", "log.jsonl", "SHA256SUMS"} & set(held)):
        raise InputError(
            f"{folder} is not the folder of a run, so it is not replaced", expected="what 'audit run' wrote, only",
            got=", ".join(foreign[:5]) or "none of its files", fix="name another folder",
        )  # fmt: skip


def _is_ours(name: str) -> bool:
    return name in _OURS or (name.startswith(".") and name.endswith(".part") and name[1:-5] in _OURS)


def relative(path: Path) -> str:
    """Return a path as seen from the current folder."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
