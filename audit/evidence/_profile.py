"""Where the time of a run went, as rows that a terminal and a report show alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KINDS = ("reading", "forward", "backward", "training", "rest")
_WORDS = {
    "reading": "reading", "forward": "forward", "backward": "backward", "training": "training", "rest": "statistics",
}  # fmt: skip
_SMALL = 0.005
"""Parts below this share of all time are shown as one."""


@dataclass(frozen=True, kw_only=True)
class TimeTable:
    """Where the time went.

    Args:
        summary: One sentence.
        names: Heads of the columns; the first is the part.
        rows: Cells as text, the longest part first; what is small is one row, and the last row is the sum.
    """

    summary: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class _Part:
    name: str
    seconds: Mapping[str, float]
    forwards: int
    backwards: int

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def passes(self) -> float:
        return self.seconds["forward"] + self.seconds["backward"]

    @property
    def longer(self) -> float:
        """How much longer it took than its passes, as a share of these; learning is neither."""
        return (self.total - self.seconds["training"]) / self.passes - 1

    @classmethod
    def of(cls, name: str, values: Any) -> _Part:
        found = values.get("seconds") or {}
        return cls(
            name=name, seconds={kind: float(found.get(kind) or 0.0) for kind in _KINDS},
            forwards=int(values.get("forwards") or 0), backwards=int(values.get("backwards") or 0),
        )  # fmt: skip

    @classmethod
    def sum(cls, name: str, parts: list[_Part]) -> _Part:
        return cls(
            name=name, seconds={kind: sum(p.seconds[kind] for p in parts) for kind in _KINDS},
            forwards=sum(p.forwards for p in parts), backwards=sum(p.backwards for p in parts),
        )  # fmt: skip


def time_table(run: Mapping[str, Any]) -> TimeTable | None:
    """Return where the time of a run went, None where nobody looked.

    Args:
        run: `run` of evidence.json.
    """
    held = run.get("profile_time")
    if not isinstance(held, Mapping) or not isinstance(held.get("parts"), Mapping):
        return None
    parts = [_Part.of(str(name), values) for name, values in held["parts"].items() if isinstance(values, Mapping)]
    everything = _Part.sum("all", parts)
    if not everything.total > 0:
        return None
    rows = sorted(parts, key=lambda p: (-p.total, p.name))
    shown = [p for p in rows if p.total >= _SMALL * everything.total]
    small = rows[len(shown) :]
    if len(small) == 1:
        shown, small = rows, []
    if small:
        shown.append(_Part.sum(f"{len(small)} others", small))
    kinds = [k for k in _KINDS if k != "training" or everything.seconds[k] > 0]
    return TimeTable(
        summary=_summary(everything, [p for p in parts if p.passes > 0], held),
        names=("part", "seconds", "share", *(_WORDS[k] for k in kinds), "images", "gradients"),
        rows=tuple(_row(p, kinds, everything.total) for p in [*shown, everything]),
    )


def overhead(parts: Mapping[str, Any]) -> float | None:
    """Return how much longer the parts that pass images took than their passes, as a share of these.

    Time in which another network learns counts on neither side.

    Args:
        parts: By part its seconds, as `Clock.to_plain` gives them.

    Returns:
        0 where nothing but passes took time; None where no image was passed.
    """
    passing = [p for p in (_Part.of(str(name), values) for name, values in parts.items()) if p.passes > 0]
    return _Part.sum("", passing).longer if passing else None


def _row(part: _Part, kinds: list[str], total: float) -> tuple[str, ...]:
    seconds = (f"{part.seconds[k]:.1f}" for k in kinds)
    counts = (f"{part.forwards:,}", f"{part.backwards:,}")
    return (part.name, f"{part.total:.1f}", f"{100 * part.total / total:.0f}\u00a0%", *seconds, *counts)


def _summary(everything: _Part, passing: list[_Part], held: Mapping[str, Any]) -> str:
    text = f"{everything.total:.1f} s"
    processes = int(held.get("processes") or 1)
    if processes > 1:
        text += f", added up over {processes} processes"
    if not passing:
        return f"{text}; no image passed through the model."
    found = _Part.sum("", passing)
    share = 100 * found.longer
    return (
        f"{text}, of which {everything.passes:.1f} s passed {everything.forwards:,} images forward through the model "
        f"and took gradients of {everything.backwards:,}. The parts that did so took {share:.0f} % longer than their "
        "passes."
    )
