"""The same figures as Plotly specifications: plain JSON, SVG traces only, colours as names of CSS variables."""

from __future__ import annotations

from html import escape
from typing import Any

from audit.report._chart import Chart, Curve, Forest, Matrix, Series
from audit.report._numbers import nice_ticks, number, tick_text
from audit.report._svg import CURVE_BOTTOM, CURVE_HEIGHT, CURVE_TOP, level_lines, matrix_top
from audit.report._svg_forest import BAR, LINE, REACH, axis_height, forest_layout, limit_words, row_lines, row_words

_DASH = {1: "solid", 2: "dash", 3: "dot", 4: "dashdot"}


def specify(chart: Chart) -> dict[str, Any]:
    """Return `{data, layout}` of a chart."""
    if isinstance(chart, Forest):
        return _forest(chart)
    if isinstance(chart, Curve):
        return _curve(chart)
    return _matrix(chart)


def _words(text: str) -> str:
    """Return text that Plotly shows as it is: it reads a little HTML and decodes entities."""
    return escape(text, quote=False)


def _layout(height: float, **more: Any) -> dict[str, Any]:
    return {
        "height": height, "showlegend": False, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "var(--soft)", "size": 12, "family": "var(--face)"}, "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "var(--card)", "bordercolor": "var(--line)", "align": "left",
            "font": {"color": "var(--ink)", "size": 12.5, "family": "var(--face)"},
        },
        **more,
    }  # fmt: skip


def _axis(domain: tuple[float, float], **more: Any) -> dict[str, Any]:
    ticks = nice_ticks(*domain)
    return {
        "range": list(domain), "zeroline": False, "showgrid": False, "tickmode": "array", "tickvals": list(ticks),
        "ticktext": [tick_text(t) for t in ticks], "fixedrange": False, **more,
    }  # fmt: skip


def _rule(x0: float, x1: float, y0: float, y1: float, *, name: str, **refs: str) -> dict[str, Any]:
    dash, colour, width = ("4px,3px", "var(--ink)", 1.5) if name == "limit" else ("solid", "var(--faint)", 1)
    return {
        "type": "line", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "layer": "below", **refs,
        "line": {"color": colour, "width": width, "dash": dash},
    }  # fmt: skip


def _forest(chart: Forest) -> dict[str, Any]:
    bars, bottom = forest_layout(chart)
    shown = [(r, y) for r, y in zip(chart.rows, bars, strict=True) if r.value is not None]
    data: list[dict[str, Any]] = []
    for tone in sorted({r.tone for r, _ in shown}):
        mine = [(r, y) for r, y in shown if r.tone == tone]
        thin = [(*r.outer, y) for r, y in mine if r.outer is not None]
        thick = [(r.low, r.high, y) for r, y in mine if r.low is not None and r.high is not None]
        data += [_bars(thin, tone, 1.5, 1.0), _bars(thick, tone, 7, 0.4)]
        data.append({
            "type": "scatter", "mode": "markers", "x": [r.value for r, _ in mine], "y": [y for _, y in mine],
            "text": ["<br>".join(_words(t) for t in (r.label, r.text, r.counts) if t) for r, _ in mine],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"color": f"var(--{tone})", "size": 11, "line": {"color": "var(--card)", "width": 1.5}},
        })  # fmt: skip
    notes = []
    for row, y in zip(chart.rows, bars, strict=True):
        top = y - BAR / 2 + 2 - LINE * row_lines(row)
        for i, (kind, words) in enumerate(row_words(row)):
            colour = "var(--ink)" if kind == "ink" else "var(--faint)"
            notes.append(_note(0, top + LINE * (i + 1) - 8, _words(words), "left", colour))
        if row.value is not None:
            notes.append(_note(1, y - BAR / 2 - 6, _words(row.text), "right", "var(--soft)"))
    for i, (at, words) in enumerate(limit_words(chart)):
        # Below the axis, where no place on the axis of the rows reaches.
        note = _note(at, 0, _words(words), "center", "var(--ink)")
        notes.append({**note, "xref": "x", "yref": "paper", "yshift": -(29 + 15 * i)})
    zero = () if chart.reference is None else (("zero", chart.reference),)
    lines = (*zero, *(("limit", v) for v in chart.limits))
    drawn = [y for _, y in shown]
    shapes = [_good(chart, y) for y in drawn] if chart.limits else []
    shapes += [_rule(at, at, y - REACH, y + REACH, name=kind) for y in drawn for kind, at in lines]
    foot = axis_height(chart)
    layout = _layout(
        bottom + foot, margin={"l": 4, "r": 4, "t": 0, "b": foot}, annotations=notes, shapes=shapes,
        xaxis=_axis(chart.domain, showline=True, linecolor="var(--line)", ticks="outside", tickcolor="var(--line)"),
        yaxis={"range": [bottom, 0], "visible": False, "fixedrange": True},
    )  # fmt: skip
    return {"data": data, "layout": layout}


def _bars(spans: list[tuple[float, float, float]], tone: str, width: float, opacity: float) -> dict[str, Any]:
    """Return horizontal bars, one trace for all."""
    x: list[float | None] = []
    y: list[float | None] = []
    for low, high, at in spans:
        x += [low, high, None]
        y += [at, at, None]
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "opacity": opacity,
        "line": {"color": f"var(--{tone})", "width": width},
    }  # fmt: skip


def _good(chart: Forest, y: float) -> dict[str, Any]:
    """Return the shade on the side of the limit where a rule holds."""
    low, high = chart.domain
    return {
        "type": "rect", "x0": low if chart.least is None else chart.least,
        "x1": high if chart.most is None else chart.most, "y0": y - REACH, "y1": y + REACH, "layer": "below",
        "fillcolor": "var(--good)", "line": {"width": 0},
    }  # fmt: skip


def _note(x: float, y: float, text: str, align: str, colour: str) -> dict[str, Any]:
    return {
        "xref": "paper", "x": x, "y": y, "text": text, "showarrow": False, "xanchor": align, "yanchor": "middle",
        "font": {"color": colour, "size": 12},
    }  # fmt: skip


def _corner(x: float, y: float, text: str, align: str, **shift: float) -> dict[str, Any]:
    """Return the name of an axis at a corner of the plot."""
    return {
        "xref": "paper", "yref": "paper", "x": x, "y": y, "text": _words(text), "showarrow": False, "xanchor": align,
        "yanchor": "middle", **shift,
    }  # fmt: skip


def _curve(chart: Curve) -> dict[str, Any]:
    shapes = [_rule(0, 1, v, v, name="limit", xref="paper") for v in chart.limits]
    shapes += [_rule(0, 1, v, v, name="zero", xref="paper") for v in chart.levels]
    shapes += [_rule(v, v, 0, 1, name="limit", yref="paper") for v in chart.marks]
    if chart.diagonal:
        shapes.append(_rule(chart.x_domain[0], chart.x_domain[1], chart.y_domain[0], chart.y_domain[1], name="zero"))
    data = [trace for series in chart.series for trace in _traces(series, chart)]
    x_axis = _axis(chart.x_domain, showline=True, linecolor="var(--line)", ticks="outside", tickcolor="var(--line)")
    if chart.x_ticks:
        x_axis |= {"tickvals": [t for t, _ in chart.x_ticks], "ticktext": [_words(w) for _, w in chart.x_ticks]}
    layout = _layout(
        CURVE_HEIGHT, margin={"l": 44, "r": 12, "t": CURVE_TOP, "b": CURVE_BOTTOM}, shapes=shapes, xaxis=x_axis,
        yaxis=_axis(chart.y_domain, showgrid=True, gridcolor="var(--line)"),
        annotations=[
            _corner(0, 1, chart.y_label, "left", xshift=-44, yshift=14),
            _corner(1, 0, chart.x_label, "right", yshift=-34),
        ],
    )  # fmt: skip
    return {"data": data, "layout": layout}


def _traces(series: Series, chart: Curve) -> list[dict[str, Any]]:
    colour = f"var(--c{series.ink})"
    if series.shape == "band":
        return [{
            "type": "scatter", "mode": "lines", "x": [*series.x, *series.x[::-1]], "y": [*series.y, *series.top[::-1]],
            "fill": "toself", "fillcolor": f"var(--c{series.ink}-band)", "line": {"width": 0}, "hoverinfo": "skip",
        }]  # fmt: skip
    if series.shape == "bars":
        return [_counts(series, chart)]
    hover = [
        f"{_words(series.name)}<br>{_words(chart.x_label)} {number(a)}<br>{_words(chart.y_label)} {number(b)}"
        for a, b in zip(series.x, series.y, strict=True)
    ]
    trace: dict[str, Any] = {
        "type": "scatter", "x": list(series.x), "y": list(series.y), "text": hover,
        "hovertemplate": "%{text}<extra></extra>",
        "mode": "lines" if series.shape in ("line", "step") else "markers",
        "line": {"color": colour, "width": 2, "dash": _DASH[series.ink],
        "shape": "hv" if series.shape == "step" else "linear"},
        "marker": {"color": colour, "size": 8, "line": {"color": "var(--card)", "width": 1}},
    }  # fmt: skip
    if series.shape == "whiskers":
        trace["error_y"] = {
            "type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 0,
            "array": [t - b for t, b in zip(series.top, series.y, strict=True)],
            "arrayminus": [b - t for t, b in zip(series.bottom, series.y, strict=True)],
        }  # fmt: skip
    return [trace]


def _counts(series: Series, chart: Curve) -> dict[str, Any]:
    """Return bars on the foot of the picture; the tallest takes a sixth of its height."""
    low, high = chart.y_domain
    share = (high - low) / 6 / (max(series.y, default=0.0) or 1.0)
    return {
        "type": "bar", "x": list(series.x), "y": [v * share for v in series.y], "base": low,
        "width": (chart.x_domain[1] - chart.x_domain[0]) * 0.02,
        "text": [f"{_words(series.name)}<br>{number(v)}" for v in series.y], "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>", "marker": {"color": "var(--line)"},
    }  # fmt: skip


def _matrix(chart: Matrix) -> dict[str, Any]:
    names = [_words(level) for level in chart.levels]
    heads = ["<br>".join(_words(line) for line in level_lines(level)) for level in chart.levels]
    places = list(range(len(names)))
    hover = [
        [f"{_words(chart.row_label)} {a}<br>{_words(chart.column_label)} {b}<br>{_words(t)}"
         for b, t in zip(names, row, strict=True)]
        for a, row in zip(names, chart.texts, strict=True)
    ]  # fmt: skip
    notes = [
        {
            "x": j,
            "y": i,
            "text": "<br>".join(_words(t) for t in (chart.texts[i][j], *(r[j] for r in chart.notes[i : i + 1]))),
            "showarrow": False,
            "font": {"color": "var(--ink)", "size": 12},
        }
        for i in places
        for j in places
    ]
    axis = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": heads,
        "tickangle": 0,
        "tickfont": {"color": "var(--ink)"},
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }
    layout = _layout(
        matrix_top(chart) + 4 + 46 * len(names), margin={"l": 90, "r": 4, "t": matrix_top(chart), "b": 4},
        annotations=[
            *notes,
            _corner(0, 1, chart.row_label, "left", xshift=-90, yshift=matrix_top(chart) - 8),
            _corner(0, 1, chart.column_label, "left", yshift=matrix_top(chart) - 8),
        ],
        xaxis={**axis, "side": "top", "fixedrange": True}, yaxis={**axis, "autorange": "reversed", "fixedrange": True},
    )  # fmt: skip
    data = [{
        "type": "heatmap", "z": [list(row) for row in chart.values], "x": places, "y": places, "zmin": 0, "zmax": 1,
        "showscale": False, "xgap": 3, "ygap": 3, "text": hover, "hovertemplate": "%{text}<extra></extra>",
        "colorscale": [[0, "var(--fail-band)"], [0.5, "var(--wash)"], [1, "var(--c1-band)"]],
    }]  # fmt: skip
    return {"data": data, "layout": layout}
