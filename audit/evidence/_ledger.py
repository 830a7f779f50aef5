"""The ledger of runs on this machine: appended to, chained by digests, so that re-running until green shows."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from audit.core import canonical_json

LEDGER_VARIABLE = "AUDIT_LEDGER_FILE"
_FIRST = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a ledger holds.

    Args:
        entries: Its lines in order, each a mapping.
        fault: What is wrong with the chain, empty where every line follows from the one before it.
    """

    entries: tuple[Mapping[str, Any], ...]
    fault: str = ""

    def on(self, digest: str) -> tuple[Mapping[str, Any], ...]:
        """Return the entries about one cohort.

        Args:
            digest: Of the cases that a run used, as its evidence has it, or of those that it was given. Two models may
                use different cases of one cohort, so that every run that was given the same cases counts.
        """
        given = {e.get("cohort_digest") for e in self.entries if digest in (e.get("used_digest"), e["cohort_digest"])}
        return tuple(e for e in self.entries if e["cohort_digest"] in given)


def ledger_path() -> Path:
    """Return the file of the ledger: `$AUDIT_LEDGER_FILE`, else in this user's data folder.

    One a user, not one a folder: a second copy of audit.toml elsewhere would start a second history.

    Raises:
        RuntimeError: There is no home folder.
    """
    named = os.environ.get(LEDGER_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "imaging-audit" / "ledger.jsonl"


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one line that holds the digest of the line before it.

    Args:
        path: The ledger; it and its folder are made where they are not there.
        entry: Plain values.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as f, _locked(f):
        f.seek(0)
        lines = f.read().splitlines()
        last = lines[-1] if lines else b""
        previous = hashlib.sha256(last).hexdigest() if lines else _FIRST
        time = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        line = canonical_json({**entry, "number": len(lines) + 1, "time": time, "previous": previous})
        f.seek(0, os.SEEK_END)
        # One write, so that a kill leaves a whole line or none.
        f.write(line.encode() + b"\n")
        f.flush()
        os.fsync(f.fileno())


def read_ledger(path: Path) -> Ledger | None:
    """Return a ledger, None where there is none; a broken chain is told, never hidden.

    Args:
        path: The file.

    Raises:
        OSError: It is there and cannot be read.
    """
    if not path.is_file():
        return None
    entries: list[Mapping[str, Any]] = []
    previous, fault = _FIRST, ""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = json.loads(line)
            whole = isinstance(entry, dict) and isinstance(entry.get("cohort_digest"), str)
        except ValueError:
            entry, whole = {}, False
        if not whole:
            fault = fault or f"line {number} cannot be read"
        elif (entry.get("number"), entry.get("previous")) != (number, previous):
            fault = fault or f"line {number} does not follow from the line before it"
        if whole:
            entries.append(entry)
        previous = hashlib.sha256(line).hexdigest()
    return Ledger(entries=tuple(entries), fault=fault)


@contextlib.contextmanager
def _locked(f: IO[bytes]) -> Iterator[None]:
    """Hold a file for one writer, where the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(f, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(f, fcntl.LOCK_UN)
