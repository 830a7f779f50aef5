"""Static pictures: SVG in per cent of the width, so that text keeps its size on a phone and on paper."""

from __future__ import annotations

import textwrap
from html import escape

from audit.report._chart import Chart, Curve, Forest, Matrix, Row, Series
from audit.report._numbers import nice_ticks, tick_text

_LABEL_CHARACTERS = 34
LINE, BAR, TOP, REACH = 16, 22, 6, 8
CURVE_HEIGHT, CURVE_TOP, CURVE_BOTTOM = 264, 26, 44
LEFT, RIGHT = 12.0, 97.0


def draw(chart: Chart, name: str) -> str:
    """Return the SVG of a chart; `name` makes the ids of its title unique in the page."""
    if isinstance(chart, Forest):
        return _forest(chart, name)
    if isinstance(chart, Curve):
        return _curve(chart, name)
    return _matrix(chart, name)


def _open(name: str, title: str, height: float, kind: str) -> str:
    return (
        f'<svg class="pic {kind}" width="100%" height="{height:g}" role="img" aria-labelledby="{name}-t">'
        f'<title id="{name}-t">{escape(title)}</title>'
    )


def _text(x: str, y: float, words: str, *, anchor: str = "start", kind: str = "t") -> str:
    return f'<text class="{kind}" x="{x}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(kind: str, x1: str, y1: str, x2: str, y2: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


class Scale:
    """A linear map from a domain to per cent of the width (or of the height, upside down)."""

    def __init__(self, domain: tuple[float, float], low: float, high: float) -> None:
        self.domain, self.low, self.high = domain, low, high

    def at(self, value: float) -> float:
        """Return the position in per cent, held inside the scale."""
        first, last = self.domain
        share = (value - first) / (last - first) if last > first else 0.5
        return self.low + min(1.0, max(0.0, share)) * (self.high - self.low)

    def __call__(self, value: float) -> str:
        return f"{self.at(value):.2f}%"


def wrapped(label: str) -> list[str]:
    """Return a label in lines short enough for a phone."""
    return textwrap.wrap(label, _LABEL_CHARACTERS) or [""]


def row_lines(row: Row) -> int:
    """Return how many lines of text a row of a forest plot takes."""
    lines = wrapped(row.label)
    return len(lines) + (1 if len(lines[-1]) + len(row.text) > _LABEL_CHARACTERS + 12 else 0)


def forest_layout(chart: Forest) -> tuple[list[float], float]:
    """Return the height of each row's bar, and of the whole picture without its axis."""
    at, bars = float(TOP), []
    for row in chart.rows:
        at += LINE * row_lines(row)
        bars.append(at + BAR / 2 - 2)
        at += BAR
    return bars, at


def _forest(chart: Forest, name: str) -> str:
    scale = Scale(chart.domain, 1.5, 98.5)
    bars, bottom = forest_layout(chart)
    parts = [_open(name, chart.title, bottom + 24, "forest")]
    for row, y in zip(chart.rows, bars, strict=True):
        lines = wrapped(row.label)
        top = y - BAR / 2 + 2 - LINE * row_lines(row)
        parts += [_text("0", top + LINE * (i + 1) - 4, words, kind="t ink") for i, words in enumerate(lines)]
        parts.append(_text("100%", y - BAR / 2 + 2 - 4, row.text, anchor="end", kind="t num"))
        # Limit and zero are drawn beside each bar alone, so that they never cross a label.
        zero = () if chart.reference is None else (("zero", chart.reference),)
        for kind, at in (*zero, *(("limit", v) for v in chart.limits)):
            parts.append(_line(kind, scale(at), f"{y - REACH:g}", scale(at), f"{y + REACH:g}"))
        parts.append(f'<g class="{row.tone}">{_bar(row, y, scale)}</g>')
    parts.append(_line("axis", "0", f"{bottom:g}", "100%", f"{bottom:g}"))
    for tick in nice_ticks(*chart.domain):
        parts.append(_line("axis", scale(tick), f"{bottom:g}", scale(tick), f"{bottom + 4:g}"))
        parts.append(_text(scale(tick), bottom + 18, tick_text(tick), anchor=_anchor(scale.at(tick))))
    return "".join([*parts, "</svg>"])


def _anchor(percent: float) -> str:
    return "start" if percent < 5 else "end" if percent > 95 else "middle"


def _bar(row: Row, y: float, scale: Scale) -> str:
    base = _line("track", "0", f"{y:g}", "100%", f"{y:g}")
    if row.value is None:
        return base
    bar = (
        "" if row.low is None or row.high is None else _line("iv", scale(row.low), f"{y:g}", scale(row.high), f"{y:g}")
    )
    return f'{base}{bar}<circle class="dot" cx="{scale(row.value)}" cy="{y:g}" r="5"/>'


def _curve(chart: Curve, name: str) -> str:
    x, height = Scale(chart.x_domain, LEFT, RIGHT), CURVE_HEIGHT - CURVE_TOP - CURVE_BOTTOM
    base = CURVE_HEIGHT - CURVE_BOTTOM

    def y(value: float) -> float:
        return CURVE_TOP + Scale(chart.y_domain, 100, 0).at(value) / 100 * height

    parts = [_open(name, chart.title, CURVE_HEIGHT, "curve"), _text("0", 13, chart.y_label)]
    for tick in nice_ticks(*chart.y_domain):
        parts.append(_line("grid", f"{LEFT}%", f"{y(tick):.1f}", f"{RIGHT}%", f"{y(tick):.1f}"))
        parts.append(_text(f"{LEFT - 1.5}%", y(tick) + 4, tick_text(tick), anchor="end"))
    ticks = chart.x_ticks or tuple((t, tick_text(t)) for t in nice_ticks(*chart.x_domain))
    for position, words in ticks:
        parts.append(_line("axis", x(position), f"{base}", x(position), f"{base + 4}"))
        parts.append(_text(x(position), base + 18, words, anchor="middle"))
    parts.append(_line("axis", f"{LEFT}%", f"{base}", f"{RIGHT}%", f"{base}"))
    parts.append(_text(f"{RIGHT}%", base + 37, chart.x_label, anchor="end"))
    parts += [_line("limit", f"{LEFT}%", f"{y(v):.1f}", f"{RIGHT}%", f"{y(v):.1f}") for v in chart.limits]
    # A nested picture that stretches lets paths be written in per cent, too; strokes keep their width.
    parts.append(
        f'<svg x="{LEFT}%" y="{CURVE_TOP}" width="{RIGHT - LEFT}%" height="{height}" viewBox="0 0 100 100" '
        'preserveAspectRatio="none" aria-hidden="true">'
    )
    if chart.diagonal:
        parts.append('<path class="zero" d="M0 100L100 0"/>')
    parts += [_path(s, chart) for s in chart.series]
    parts.append("</svg>")
    for series in chart.series:
        parts += _marks(series, x, y)
    return "".join([*parts, "</svg>"])


def _path(series: Series, chart: Curve) -> str:
    x, y = Scale(chart.x_domain, 0, 100), Scale(chart.y_domain, 100, 0)
    if series.shape == "band":
        there = [f"{x.at(a):.2f} {y.at(b):.2f}" for a, b in zip(series.x, series.y, strict=True)]
        back = [f"{x.at(a):.2f} {y.at(b):.2f}" for a, b in zip(series.x, series.top, strict=True)]
        return f'<path class="band s{series.ink}" d="M{"L".join(there + back[::-1])}Z"/>'
    if series.shape not in ("line", "step"):
        return ""
    points = list(zip(series.x, series.y, strict=True))
    if series.shape == "step":
        points = [p for (a, b), (c, _) in zip(points, [*points[1:], points[-1]], strict=True) for p in ((a, b), (c, b))]
    d = "L".join(f"{x.at(a):.2f} {y.at(b):.2f}" for a, b in points)
    return f'<path class="line s{series.ink}" d="M{d}"/>'


def _marks(series: Series, x: Scale, y: object) -> list[str]:
    if series.shape not in ("dots", "whiskers"):
        return []
    assert callable(y)
    parts = []
    if series.shape == "whiskers":
        parts = [
            _line(f"whisker s{series.ink}", x(a), f"{y(low):.1f}", x(a), f"{y(high):.1f}")
            for a, low, high in zip(series.x, series.bottom, series.top, strict=True)
        ]
    return parts + [
        f'<circle class="dot s{series.ink}" cx="{x(a)}" cy="{y(b):.1f}" r="4"/>'
        for a, b in zip(series.x, series.y, strict=True)
    ]


def _matrix(chart: Matrix, name: str) -> str:
    count = len(chart.levels)
    heads = [level_lines(level) for level in chart.levels]
    label_width, cell, top = 24.0, 46.0, float(matrix_top(chart))
    width = (100 - label_width) / max(1, count)
    parts = [_open(name, chart.title, top + cell * count + 4, "matrix")]
    parts.append(_text("0", 13, chart.row_label))
    parts.append(_text(f"{label_width}%", 13, chart.column_label))
    for j, lines in enumerate(heads):
        middle = f"{label_width + width * (j + 0.5) - 0.3:.2f}%"
        start = top - 6 - 14 * (len(lines) - 1)
        parts += [_text(middle, start + 14 * k, words, anchor="middle", kind="t ink") for k, words in enumerate(lines)]
    for i, lines in enumerate(heads):
        start = top + cell * i + cell / 2 + 4 - 7 * (len(lines) - 1)
        parts += [_text("0", start + 14 * k, words, kind="t ink") for k, words in enumerate(lines)]
        for j in range(count):
            value = chart.values[i][j]
            shade, kind = (0.0, "cell gone") if value is None else (abs(value - 0.5) * 0.9, f"cell {_side(value)}")
            left = f"{label_width + width * j:.2f}%"
            parts.append(
                f'<rect class="{kind}" x="{left}" y="{top + cell * i + 2}" width="{width - 0.6:.2f}%" '
                f'height="{cell - 4}" rx="4" style="fill-opacity:{min(0.45, shade):.3f}"/>'
            )
            middle = f"{label_width + width * (j + 0.5) - 0.3:.2f}%"
            parts.append(_text(middle, top + cell * i + cell / 2 + 4, chart.texts[i][j], anchor="middle", kind="t ink"))
    return "".join([*parts, "</svg>"])


def level_lines(level: str) -> list[str]:
    """Return the name of a level in short lines."""
    return textwrap.wrap(level, 10) or [""]


def matrix_top(chart: Matrix) -> int:
    """Return where the cells of a matrix begin, below the names of its columns."""
    return 26 + 14 * max((len(level_lines(level)) for level in chart.levels), default=1)


def _side(value: float) -> str:
    return "up" if value >= 0.5 else "down"
