"""When a probe that looks at patients one block after the other may stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audit.core.measurement import Measurement

BLOCK = 32
"""Patients between two looks at what is known."""


class Stop(Protocol):
    """Whether enough is known. A probe is told that and nothing else: no limit, and not which way it would be judged.

    A probe with one draws the order of its patients before it looks at any, takes them up in blocks, and gives numbers
    whose intervals hold at whatever block it stops.
    """

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that are waited for; only these need be known after every block."""
        ...

    @property
    def key(self) -> str:
        """Digest of all that the answer rests on, beside the measurements."""
        ...

    def settled(self, measurements: Sequence[Measurement], *, among: int = 1) -> bool:
        """Tell whether further patients are not needed.

        Args:
            measurements: The waited-for metrics of one question as far as they are known, each with its condition and
                an interval that holds whenever one stops.
            among: Questions like this one that the probe asks in all, such as findings of a multilabel model.

        Returns:
            False where nothing is waited for: the probe then looks at all of its patients.
        """
        ...
