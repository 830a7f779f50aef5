"""The one-sided levels at which every interval is stored."""

from __future__ import annotations

from dataclasses import dataclass

LADDER: tuple[float, ...] = (
    0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.0025, 0.001, 5e-4, 2.5e-4, 1e-4, 1e-5, 1e-6,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """One-sided levels of the bounds of a measurement.

    Args:
        confidence: Two-sided confidence of the pointwise interval, in (0.5, 1).
    """

    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence: expected a number in (0.5, 1), got {self.confidence}")

    @property
    def pointwise(self) -> float:
        """One-sided level of the pointwise interval, (1 - confidence) / 2."""
        # 12 decimals: (1 - 0.95) / 2 is 0.025000000000000022 in binary, which would be a rung of its own beside 0.025.
        return round((1 - self.confidence) / 2, 12)

    @property
    def rungs(self) -> tuple[float, ...]:
        """All levels of the curve, falling, the pointwise one among them."""
        return tuple(sorted({*LADDER, self.pointwise}, reverse=True))
