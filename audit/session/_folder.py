"""Where a run is written, and what may be overwritten."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.core import Evidence
from audit.errors import InputError
from audit.evidence import FILES, SUMS, read_run
from audit.session._folder_lock import busy, is_locked

LOG = "log.jsonl"
CACHE = ".audit-cache"
"""Folder beside audit.toml that keeps what was worked out; it may be deleted at any time."""
_EARLIER, _MOVING = ".earlier", ".moving"
"""Folders in that of a run: a finished run, out of sight until a new one measures, and one that is being moved."""
_OURS = {*FILES, SUMS, "artifacts", _EARLIER, _MOVING}
_MARKS = {"evidence.json", "log.jsonl", SUMS}


def default_folder() -> Path:
    """Return audit-runs/<UTC time>, with a number behind it where that is taken."""
    base = Path("audit-runs") / dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def check_folder(folder: Path, *, overwrite: bool, resume: bool = False) -> None:
    """Check that a run may be written into a folder; nothing is changed yet.

    Args:
        folder: A folder, there or not.
        overwrite: Whether a run that it holds may be replaced.
        resume: Whether a run that it holds may be taken up again.

    Raises:
        InputError: It is a file, holds something and neither is given, holds something that is not a run's, or another
            run is writing to it.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"{folder}: not a folder", expected="a folder for the run", got="a file or a link", fix="name another"
        )
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if is_locked(folder):
        raise busy(folder)
    check_held(folder, overwrite=overwrite, resume=resume)


def check_held(folder: Path, *, overwrite: bool, resume: bool = False) -> None:
    """Check that what a folder holds may make way for a run; see `check_folder`.

    Raises:
        InputError: It may not.
    """
    held = sorted(p.name for p in folder.iterdir())
    if not held:
        return
    if not overwrite and not resume:
        raise InputError(
            f"{folder} is not empty", expected="an empty or new folder", got=f"one with {held[0]}",
            fix="name another folder, or add --overwrite to replace the run in it, or --resume to take it up again",
        )  # fmt: skip
    foreign = [n for n in held if not is_ours(n)]
    if foreign or not (_MARKS & set(held) or any((folder / n / SUMS).is_file() for n in (_EARLIER, _MOVING))):
        raise InputError(
            f"{folder} is not the folder of a run, so it is not replaced", expected="what 'audit run' wrote, only",
            got=", ".join(foreign[:5]) or "none of its files", fix="name another folder",
        )  # fmt: skip


def is_ours(name: str) -> bool:
    """Return whether a name at the top of a folder is one of a run's."""
    return name in _OURS or (name.startswith(".") and name.endswith(".part") and name[1:-5] in _OURS)


def made_new(folder: Path) -> bool:
    """Make a folder where there is none, and return whether it was this call that made it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


@contextmanager
def as_before(folder: Path, *, created: bool) -> Iterator[None]:
    """Take a folder that this run has made, and holds, away again where nothing could be measured."""
    try:
        yield
    except InputError:
        if created:
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def emptied(folder: Path, *, keep_log: bool = False) -> Iterator[None]:
    """Empty a folder that `check_folder` let pass and `settle` has settled.

    A finished run in it is set aside: it comes back after an error of the input, unless `clear_earlier` came first.

    Args:
        folder: The folder; it stays the same one, so that a lock on it holds.
        keep_log: Whether the log of a run that was stopped is gone on with; then nothing comes back.
    """
    earlier = folder / _EARLIER
    if keep_log or (folder / SUMS).is_file() or not _is_set_aside(earlier):
        clear_earlier(folder)
    if (folder / SUMS).is_file() and not keep_log:
        (folder / _MOVING).mkdir()
        _move_all(folder, folder / _MOVING)
        (folder / _MOVING).replace(earlier)
    # What a run which was killed had set aside can still come back.
    _empty(folder, keep=(LOG,) if keep_log else (_EARLIER,))
    try:
        yield
    except InputError:
        if _is_set_aside(earlier):
            _empty(folder, keep=(_EARLIER,))
            earlier.replace(folder / _MOVING)
            settle(folder)
        raise
    except BaseException:
        clear_earlier(folder)
        raise


def settle(folder: Path) -> None:
    """Bring back a finished run that was being set aside, or brought back, when a run was killed."""
    moving = folder / _MOVING
    if moving.is_dir() and not moving.is_symlink():
        _move_all(moving, folder)
    _remove(moving)


def _is_set_aside(earlier: Path) -> bool:
    return not earlier.is_symlink() and (earlier / SUMS).is_file()


def _move_all(old: Path, new: Path) -> None:
    # The seal goes last: what breaks off in between leaves a seal that does not hold, or none.
    for path in sorted(old.iterdir(), key=lambda p: p.name == SUMS):
        if path.name not in (_EARLIER, _MOVING):
            path.replace(new / path.name)


def clear_earlier(folder: Path) -> None:
    """Take away the finished run that `emptied` set aside: nothing brings it back from here on."""
    earlier = folder / _EARLIER
    if _is_set_aside(earlier):
        (earlier / SUMS).unlink()
    _remove(earlier)


def _empty(folder: Path, *, keep: tuple[str, ...]) -> None:
    # The seal goes first, so that a folder that is half deleted is no evidence.
    (folder / SUMS).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name not in keep:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def finished(folder: Path, identity: str) -> Evidence | None:
    """Return the evidence of a run that has ended, None where there is none.

    Args:
        folder: The folder, there or not.
        identity: Digest of what is asked for now.

    Raises:
        InputError: The run that has ended there was one of something else.
        EvidenceError: It has ended, and was changed since.
    """
    if not (folder / SUMS).is_file():
        return None
    evidence = read_run(folder)
    if _identity(folder / LOG) != identity:
        raise InputError(
            f"{folder} holds a finished run of something else", expected="the same model, cohort, policy and options",
            got="others, or such as cannot be told from others",
            fix="name another folder, or add --overwrite in place of --resume",
        )  # fmt: skip
    return evidence


def _identity(log: Path) -> str:
    """Return what the last start in a log was of."""
    found = ""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        event = json.loads(line)
        if event.get("event") == "start":
            found = str(event.get("identity", ""))
    return found
