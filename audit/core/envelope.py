"""`[envelope]` of audit.toml: which acquisitions are in clinical use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class KnobRange:
    """How far one property of the acquisition varies in clinical use.

    Args:
        low: Lower end, in the knob's unit; 0 or less.
        high: Upper end; 0 or more. 0 is the acquisition of the cohort itself.
        source: Where the range comes from.
        undiagnostic_beyond: Severities further from 0 make images that nobody would read; None where undeclared.
    """

    low: float
    high: float
    source: str
    undiagnostic_beyond: float | None = None

    def __contains__(self, severity: float) -> bool:
        return self.low <= severity <= self.high


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Acquisitions in clinical use, and how much performance may be lost within them.

    Args:
        knobs: Range by knob of `audit.acquisition`; empty where nothing is declared.
        tolerated_drop: Loss of performance at which a severity counts as critical: of an AUC, a rate or a Dice as it
            is, of a regression as a growth of the absolute error in the target's unit. None where undeclared.
    """

    knobs: Mapping[str, KnobRange] = field(default_factory=dict)
    tolerated_drop: float | None = None

    def __bool__(self) -> bool:
        return bool(self.knobs) or self.tolerated_drop is not None
