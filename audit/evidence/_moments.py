"""When a run was, by all that states it: its evidence, its log and the ledger, held against each other."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from audit.core import Evidence


@dataclass(frozen=True, kw_only=True)
class Moments:
    """When a run was.

    Args:
        began: The earliest time at which anything says that it had begun; None where that is not known.
        faults: Where the times do not fit each other, or are not there.
    """

    began: dt.datetime | None
    faults: tuple[str, ...]


def run_moments(evidence: Evidence, log: bytes | None, lines: Sequence[Mapping[str, Any]] = ()) -> Moments:
    """Return when a run was, and where the times that are stated do not fit each other.

    Two equal runs have equal evidence, so that no digest of it covers a time: each is held against the others.

    Args:
        evidence: The run, or a copy of it.
        log: Its log.jsonl, None where there is none.
        lines: What the ledger has of this run.
    """
    started, finished = (moment(evidence.run.get(key)) for key in ("started", "finished"))
    faults = [
        f"states no time at which it {word}" for word, t in (("began", started), ("ended", finished)) if t is None
    ]
    try:
        events = _events(log)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Moments(began=None, faults=(*faults, "has no log whose lines each have a time"))
    own = max((i for i, (name, _, _) in enumerate(events) if name == "start"), default=None)
    if own is None or (own > 0 and not (events[0][0] == "start" and events[own][2])):
        # What was stopped and taken up again has the lines of before in front of its own.
        faults.append("has a log that does not begin with its start")
    noted = {word: _noted(lines, word) for word in ("began", "ended")}
    faults += [f"has no time at which it {word} in the ledger" for word, t in noted.items() if lines and t is None]
    chain = (
        ("start that the evidence states", started), ("start in the log", None if own is None else events[own][1]),
        ("start in the ledger", noted["began"]), ("end that the evidence states", finished),
        ("verdict in the log", next((t for name, t, _ in reversed(events) if name == "verdict"), None)),
        ("end in the ledger", noted["ended"]),
    )  # fmt: skip
    # The evidence and the ledger hold whole seconds.
    known = [(name, t.replace(microsecond=0)) for name, t in chain if t is not None]
    faults += [
        f"the {a} ({s.isoformat()}) is later than the {b} ({t.isoformat()})" for (a, s), (b, t) in pairwise(known)
        if s > t
    ]  # fmt: skip
    stated = [t for t in (started, noted["began"], *(t for _, t, _ in events)) if t is not None]
    return Moments(began=min(stated, default=None) if started is not None else None, faults=tuple(faults))


def moment(text: Any) -> dt.datetime | None:
    """Return a time that is stated with its zone, in UTC; None where it is none."""
    try:
        found = dt.datetime.fromisoformat(str(text))
        return found.astimezone(dt.UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _noted(lines: Sequence[Mapping[str, Any]], word: str) -> dt.datetime | None:
    times = [moment(e.get("time")) for e in lines if e.get("event") == word]
    return min((t for t in times if t is not None), default=None)


def _events(log: bytes | None) -> list[tuple[str, dt.datetime, bool]]:
    """Return name, time and whether it says that a run was taken up again, by line."""
    found = []
    for line in (log or b"").decode("utf-8").splitlines():
        event = json.loads(line)
        when = moment(event["time"])
        if when is None:
            raise ValueError("a line without a time")
        found.append((str(event["event"]), when, event.get("resume") is True))
    return found
