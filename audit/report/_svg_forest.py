"""The static picture of values with their intervals, one below the other."""

from __future__ import annotations

import textwrap
from functools import lru_cache

from audit.report._chart import Forest, Row
from audit.report._numbers import nice_ticks, number, tick_text
from audit.report._svg_parts import Scale, line, opening, text

_LABEL_CHARACTERS = 34
LINE, BAR, TOP, REACH = 16, 22, 6, 8


@lru_cache(maxsize=4096)
def wrapped(label: str) -> tuple[str, ...]:
    """Return a label in lines short enough for a phone."""
    return tuple(textwrap.wrap(label, _LABEL_CHARACTERS)) or ("",)


def row_words(row: Row) -> list[tuple[str, str]]:
    """Return the lines of text of a row as `(kind, words)`: the label, its counts, why there is no number."""
    lines = [("ink", words) for words in wrapped(row.label)]
    if row.counts:
        lines.append(("", row.counts))
    return lines + [("", words) for words in (wrapped(row.reason) if row.reason else ())]


def row_lines(row: Row) -> int:
    """Return how many lines of text a row takes."""
    label = wrapped(row.label)
    # The value stands at the right of the last line of the label, or on a line of its own where it does not fit.
    crowded = not row.counts and len(label[-1]) + len(row.text) > _LABEL_CHARACTERS + 12
    return len(row_words(row)) + (1 if crowded else 0)


def forest_layout(chart: Forest) -> tuple[list[float], float]:
    """Return the height of each row's bar, and of the whole picture without its axis."""
    at, bars = float(TOP), []
    for row in chart.rows:
        at += LINE * row_lines(row)
        bars.append(at + BAR / 2 - 2)
        at += BAR if row.value is not None else 6
    return bars, at


def limit_words(chart: Forest) -> list[tuple[float, str]]:
    """Return the limits with their words, for the axis."""
    said = [] if chart.least is None else [(chart.least, f"limit ≥ {number(chart.least)}")]
    return said + ([] if chart.most is None else [(chart.most, f"limit ≤ {number(chart.most)}")])


def axis_height(chart: Forest) -> int:
    """Return the room below the last row."""
    return 24 + (15 * len(chart.limits))


def draw_forest(chart: Forest, name: str) -> str:
    """Return the SVG of a forest plot."""
    scale = Scale(chart.domain, 1.5, 98.5)
    bars, bottom = forest_layout(chart)
    parts = [opening(name, chart.title, bottom + axis_height(chart), "forest")]
    for row, y in zip(chart.rows, bars, strict=True):
        top = y - BAR / 2 + 2 - LINE * row_lines(row)
        for i, (kind, words) in enumerate(row_words(row)):
            parts.append(text("0", top + LINE * (i + 1) - 4, words, kind=f"t {kind}".strip()))
        if row.value is not None:
            parts.append(text("100%", y - BAR / 2 - 2, row.text, anchor="end", kind="t num"))
            parts.append(_row(chart, row, y, scale))
    parts.append(line("axis", "0", f"{bottom:g}", "100%", f"{bottom:g}"))
    for tick in nice_ticks(*chart.domain):
        parts.append(line("axis", scale(tick), f"{bottom:g}", scale(tick), f"{bottom + 4:g}"))
        parts.append(text(scale(tick), bottom + 18, tick_text(tick), anchor=_anchor(scale.at(tick))))
    for i, (at, words) in enumerate(limit_words(chart)):
        parts.append(text(scale(at), bottom + 33 + 15 * i, words, anchor=_anchor(scale.at(at), room=20), kind="t lim"))
    return "".join([*parts, "</svg>"])


def _anchor(percent: float, room: float = 12) -> str:
    """Return where words start from; nearer to an edge than the room, in percent, a telephone would cut them."""
    return "start" if percent < room else "end" if percent > 100 - room else "middle"


def _row(chart: Forest, row: Row, y: float, scale: Scale) -> str:
    """Return a row's bar with its limits; these never cross a label, since they reach no further than the bar."""
    parts = []
    if chart.limits:
        first = 0.0 if chart.least is None else scale.at(chart.least)
        last = 100.0 if chart.most is None else scale.at(chart.most)
        parts.append(
            f'<rect class="good" x="{first:.1f}%" y="{y - REACH:g}" width="{max(0.0, last - first):.1f}%" '
            f'height="{2 * REACH}"/>'
        )
    parts.append(line("track", "0", f"{y:g}", "100%", f"{y:g}"))
    zero = () if chart.reference is None else (("zero", chart.reference),)
    for kind, at in (*zero, *(("limit", v) for v in chart.limits)):
        parts.append(line(kind, scale(at), f"{y - REACH:g}", scale(at), f"{y + REACH:g}"))
    if row.outer is not None:
        parts.append(line("outer", scale(row.outer[0]), f"{y:g}", scale(row.outer[1]), f"{y:g}"))
    if row.low is not None and row.high is not None:
        parts.append(line("iv", scale(row.low), f"{y:g}", scale(row.high), f"{y:g}"))
    assert row.value is not None
    dot = f'<circle class="dot" cx="{scale(row.value)}" cy="{y:g}" r="5"/>'
    return f'<g class="{row.tone}">{"".join(parts)}{dot}</g>'
