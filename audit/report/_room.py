"""How much of the evidence the page shows: everything, or less where it would grow too large."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Thrift:
    """One step of saving room; what is left out is said in its place and stands in evidence.json.

    Args:
        pictures: Characters that pictures of cases may take.
        figures: Figures a probe.
        stored: Rows of a table of stored arrays.
        first: Rows of one metric and attribute that are shown at once, the worst first.
        rest: Whether the others are on the page at all, folded.
        judged: Whether the others of metrics that rules judge are.
        metrics: Metrics a probe in its table, those that rules judge first.
    """

    pictures: int
    figures: int = 8
    stored: int = 40
    first: int = 12
    rest: bool = True
    judged: bool = True
    metrics: int = 1000


_SAVED: tuple[Thrift, ...] = (
    Thrift(pictures=250_000),
    Thrift(pictures=150_000, rest=False),
    Thrift(pictures=100_000, rest=False, stored=16, first=8),
    Thrift(pictures=80_000, rest=False, figures=7, stored=12, first=6, metrics=8),
    Thrift(pictures=60_000, rest=False, figures=6, stored=10, first=5, metrics=6),
    Thrift(pictures=50_000, rest=False, figures=5, stored=8, first=4, metrics=5),
    Thrift(pictures=40_000, rest=False, figures=4, stored=6, first=4, metrics=4),
    Thrift(pictures=30_000, rest=False, figures=3, stored=5, first=3, metrics=3),
    Thrift(pictures=0, rest=False, figures=2, stored=4, first=3, metrics=2),
    Thrift(pictures=0, rest=False, figures=1, stored=2, first=2, metrics=1),
    Thrift(pictures=0, rest=False, judged=False, figures=1, stored=0, first=2, metrics=1),
    Thrift(pictures=0, rest=False, judged=False, figures=0, stored=0, first=2, metrics=1),
)
_BEHIND = 3
"""How many steps earlier a probe is shortened that no rule names: it is read after those that decide."""

STEPS: tuple[tuple[Thrift, Thrift], ...] = tuple(
    (thrift, _SAVED[min(i + _BEHIND if i else 0, len(_SAVED) - 1)]) for i, thrift in enumerate(_SAVED)
)
"""What is tried in turn: thrift for the probes that rules name, and for the others."""


@dataclass(kw_only=True)
class Budget:
    """What one try at a page may use, and what it has drawn."""

    thrift: Thrift
    idle: Thrift
    interactive: bool
    left: int = 0
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = self.thrift.pictures
