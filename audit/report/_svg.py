"""Static pictures: SVG in per cent of the width, so that text keeps its size on a phone and on paper."""

from __future__ import annotations

import textwrap

from audit.report._chart import Chart, Curve, Forest, Matrix, Series
from audit.report._numbers import nice_ticks, tick_text
from audit.report._svg_forest import draw_forest
from audit.report._svg_parts import Scale, line, opening, text

CURVE_HEIGHT, CURVE_TOP, CURVE_BOTTOM = 264, 26, 44
LEFT, RIGHT = 12.0, 97.0


def draw(chart: Chart, name: str) -> str:
    """Return the SVG of a chart; `name` makes the ids of its title unique in the page."""
    if isinstance(chart, Forest):
        return draw_forest(chart, name)
    if isinstance(chart, Curve):
        return _curve(chart, name)
    return _matrix(chart, name)


def _curve(chart: Curve, name: str) -> str:
    x, height = Scale(chart.x_domain, LEFT, RIGHT), CURVE_HEIGHT - CURVE_TOP - CURVE_BOTTOM
    base = CURVE_HEIGHT - CURVE_BOTTOM

    def y(value: float) -> float:
        return CURVE_TOP + Scale(chart.y_domain, 100, 0).at(value) / 100 * height

    parts = [opening(name, chart.title, CURVE_HEIGHT, "curve"), text("0", 13, chart.y_label)]
    for tick in nice_ticks(*chart.y_domain):
        parts.append(line("grid", f"{LEFT}%", f"{y(tick):.1f}", f"{RIGHT}%", f"{y(tick):.1f}"))
        parts.append(text(f"{LEFT - 1.5}%", y(tick) + 4, tick_text(tick), anchor="end"))
    ticks = chart.x_ticks or tuple((t, tick_text(t)) for t in nice_ticks(*chart.x_domain))
    for position, words in ticks:
        parts.append(line("axis", x(position), f"{base}", x(position), f"{base + 4}"))
        parts.append(text(x(position), base + 18, words, anchor="middle"))
    parts.append(line("axis", f"{LEFT}%", f"{base}", f"{RIGHT}%", f"{base}"))
    parts.append(text(f"{RIGHT}%", base + 37, chart.x_label, anchor="end"))
    for kind, ats in (("zero", chart.levels), ("limit", chart.limits)):
        parts += [line(kind, f"{LEFT}%", f"{y(v):.1f}", f"{RIGHT}%", f"{y(v):.1f}") for v in ats]
    parts += [line("limit", x(v), f"{CURVE_TOP}", x(v), f"{base}") for v in chart.marks]
    for series in chart.series:
        parts += _bars(series, chart, height)
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
        there = [f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in zip(series.x, series.y, strict=True)]
        back = [f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in zip(series.x, series.top, strict=True)]
        return f'<path class="band s{series.ink}" d="M{"L".join(there + back[::-1])}Z"/>'
    if series.shape not in ("line", "step"):
        return ""
    points = list(zip(series.x, series.y, strict=True))
    if series.shape == "step":
        points = [p for (a, b), (c, _) in zip(points, [*points[1:], points[-1]], strict=True) for p in ((a, b), (c, b))]
    d = "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in points)
    return f'<path class="line s{series.ink}" d="M{d}"/>'


def _bars(series: Series, chart: Curve, height: float) -> list[str]:
    """Return bars on the foot of the picture; the tallest takes a sixth of its height."""
    if series.shape != "bars" or not series.y:
        return []
    x, most = Scale(chart.x_domain, LEFT, RIGHT), max(series.y) or 1.0
    foot, tallest = CURVE_TOP + height, height / 6
    return [
        f'<rect class="count" x="{x.at(a) - 0.9:.1f}%" y="{foot - b / most * tallest:.1f}" width="1.8%" '
        f'height="{b / most * tallest:.1f}"/>'
        for a, b in zip(series.x, series.y, strict=True)
    ]


def _marks(series: Series, x: Scale, y: object) -> list[str]:
    if series.shape not in ("dots", "whiskers"):
        return []
    assert callable(y)
    parts = []
    if series.shape == "whiskers":
        parts = [
            line(f"whisker s{series.ink}", x(a), f"{y(low):.1f}", x(a), f"{y(high):.1f}")
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
    parts = [opening(name, chart.title, top + cell * count + 4, "matrix")]
    parts.append(text("0", 13, chart.row_label))
    parts.append(text(f"{label_width}%", 13, chart.column_label))
    for j, lines in enumerate(heads):
        middle = f"{label_width + width * (j + 0.5) - 0.3:.1f}%"
        start = top - 6 - 14 * (len(lines) - 1)
        parts += [text(middle, start + 14 * k, words, anchor="middle", kind="t ink") for k, words in enumerate(lines)]
    for i, lines in enumerate(heads):
        start = top + cell * i + cell / 2 + 4 - 7 * (len(lines) - 1)
        parts += [text("0", start + 14 * k, words, kind="t ink") for k, words in enumerate(lines)]
        for j in range(count):
            value = chart.values[i][j]
            shade, kind = (0.0, "cell gone") if value is None else (abs(value - 0.5) * 0.9, f"cell {_side(value)}")
            left = f"{label_width + width * j:.1f}%"
            parts.append(
                f'<rect class="{kind}" x="{left}" y="{top + cell * i + 2}" width="{width - 0.6:.1f}%" '
                f'height="{cell - 4}" rx="4" style="fill-opacity:{min(0.45, shade):.3f}"/>'
            )
            middle = f"{label_width + width * (j + 0.5) - 0.3:.1f}%"
            line_at = top + cell * i + cell / 2 + (-3 if chart.notes else 4)
            parts.append(text(middle, line_at, chart.texts[i][j], anchor="middle", kind="t ink"))
            if chart.notes:
                parts.append(text(middle, line_at + 15, chart.notes[i][j], anchor="middle"))
    return "".join([*parts, "</svg>"])


def level_lines(level: str) -> list[str]:
    """Return the name of a level in short lines."""
    return textwrap.wrap(level, 10) or [""]


def matrix_top(chart: Matrix) -> int:
    """Return where the cells of a matrix begin, below the names of its columns."""
    return 26 + 14 * max((len(level_lines(level)) for level in chart.levels), default=1)


def _side(value: float) -> str:
    return "up" if value >= 0.5 else "down"
