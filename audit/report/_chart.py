"""Figures as values: drawn once as a static picture and once for Plotly, from the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["fail", "open", "pass", "none", "plain"]
Shape = Literal["line", "dots", "band", "step", "whiskers", "bars"]
TONES: dict[str, Tone] = {
    "FAIL": "fail", "INCONCLUSIVE": "open", "PASS": "pass", "NOT_APPLICABLE": "none", "ERROR": "none",
    "NOT_RUN": "none",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a forest plot.

    Args:
        label: What was measured.
        text: Value and interval as printed.
        value: Position of the dot; None where the number is missing.
        low: Left end of the bar.
        high: Right end of the bar.
        outer: Interval that holds for all rows together, drawn thin.
        tone: Status of the finding that this number decided.
        counts: Cases and patients, printed after the label.
        reason: Why there is no number.
    """

    label: str
    text: str
    value: float | None
    low: float | None = None
    high: float | None = None
    outer: tuple[float, float] | None = None
    tone: Tone = "plain"
    counts: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Values with their intervals, one below the other, on one scale.

    Args:
        title: Name of the picture for those who cannot see it.
        rows: From the top.
        least: The limit set before the run that values must not lie under; None for none.
        most: The limit that they must not lie above.
        reference: A thin line, for example no gap.
    """

    title: str
    rows: tuple[Row, ...]
    least: float | None = None
    most: float | None = None
    reference: float | None = None

    @property
    def limits(self) -> tuple[float, ...]:
        """The limits that there are, rising."""
        return tuple(v for v in (self.least, self.most) if v is not None)

    @property
    def domain(self) -> tuple[float, float]:
        """Both ends of the scale, with some air."""
        seen = [v for r in self.rows for v in (r.value, r.low, r.high, *(r.outer or ())) if v is not None]
        seen += list(self.limits) + ([] if self.reference is None else [self.reference])
        return padded(seen)


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve or cloud.

    Args:
        name: For the legend.
        shape: How it is drawn; bars stand on the foot of the picture, with their heights in `y`.
        x: Positions.
        y: Heights, or the lower edge of a band, or the middle of whiskers.
        top: Upper edge of a band, or of whiskers with `bottom`.
        bottom: Lower end of whiskers.
        ink: 1 to 4, the colour and dash of the series.
    """

    name: str
    shape: Shape
    x: tuple[float, ...]
    y: tuple[float, ...]
    top: tuple[float, ...] = ()
    bottom: tuple[float, ...] = ()
    ink: int = 1


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Series on two axes.

    Args:
        title: Name of the picture for those who cannot see it.
        x_label: Words of the horizontal axis.
        y_label: Words of the vertical axis.
        series: What is drawn, from the back.
        x_domain: Ends of the horizontal axis.
        y_domain: Ends of the vertical axis.
        diagonal: Whether the line y = x is drawn.
        limits: Horizontal dashed lines.
        levels: Horizontal thin lines, for example no difference.
        marks: Vertical dashed lines, for example the operating point.
        x_ticks: Positions and words of ticks where they are not round numbers.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_domain: tuple[float, float]
    y_domain: tuple[float, float]
    diagonal: bool = False
    limits: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()
    marks: tuple[float, ...] = ()
    x_ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Cells of two crossed groupings.

    Args:
        title: Name of the picture for those who cannot see it.
        row_label: What the rows are.
        column_label: What the columns are.
        levels: Names of rows and columns.
        values: Row by row; None where there is no number.
        texts: What is written in the cells.
        notes: What stands below it, for example counts; empty for nothing.
    """

    title: str
    row_label: str
    column_label: str
    levels: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    notes: tuple[tuple[str, ...], ...] = ()


Chart = Forest | Curve | Matrix


def padded(seen: list[float], share: float = 0.08) -> tuple[float, float]:
    """Return the ends of a scale that shows all numbers with some air on both sides."""
    if not seen:
        return 0.0, 1.0
    low, high = min(seen), max(seen)
    air = (high - low) * share or abs(high) * 0.1 or 0.1
    return low - air, high + air
