"""The shape of `[envelope]` in audit.toml, and its value."""

from __future__ import annotations

from pydantic import Field

from audit.config._fields import Pair, Table
from audit.core import Envelope, KnobRange


class KnobTable(Table):
    """One line of `[envelope.knobs]`."""

    range: Pair = Field(description="lowest and highest severity in clinical use; 0 is the cohort as it is")
    source: str = Field(min_length=1, description="where the range comes from, for example a survey of protocols")
    undiagnostic_beyond: float | None = Field(default=None, gt=0)


class EnvelopeTable(Table):
    """`[envelope]`: which acquisitions are in clinical use, and what they may cost."""

    tolerated_drop: float | None = Field(default=None, gt=0)
    knobs: dict[str, KnobTable] = Field(default_factory=dict)


def envelope(t: EnvelopeTable | None) -> Envelope:
    """Return `[envelope]`."""
    if t is None:
        return Envelope()
    knobs = {
        name: KnobRange(
            low=k.range[0], high=k.range[1], source=k.source, undiagnostic_beyond=k.undiagnostic_beyond
        )
        for name, k in t.knobs.items()
    }  # fmt: skip
    return Envelope(knobs=knobs, tolerated_drop=t.tolerated_drop)
