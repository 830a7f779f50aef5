"""What a time stamp or a signed commit shows of when the policy was set."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What one proof shows.

    Args:
        what: What it is, in words that follow "before".
        headline: What it shows, empty where it shows nothing.
        facts: What was found, as pairs of words.
        doubts: What keeps it from showing anything, the weightiest first.
        limits: What it does not show even where it holds.
        latest: The latest time that it can mean; None: none is known.
    """

    what: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    latest: dt.datetime | None = None


def said(text: str) -> str:
    """Return a text of others without characters that a terminal or a page could take for something else."""
    return "".join(c if c.isprintable() else "?" for c in text)[:120]


def clock_of(when: dt.datetime | None) -> str:
    """Return a time as facts have it."""
    return "not known" if when is None else when.isoformat(timespec="seconds")


def folded(text: str) -> str:
    """Return a sentence as it stands behind a colon."""
    return f"{text[:1].lower()}{text[1:].rstrip('.')}"
