"""Which figure a probe gets: from its measurements, and from the arrays that it stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.core import Evidence, Finding, Measurement, ProbeResult
from audit.report._chart import TONES, Chart, Curve, Forest, Row, Series, Tone
from audit.report._numbers import full_text, number, share_text
from audit.report._words import apart, capital, epsilon_text, metric_name, plural, where_text

_MOST_ROWS = 20
# Metrics that share one scale, from 0 to 1 and higher is better, may share one picture.
_SHARES = (
    "auc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "dice", "surface_dice", "lesion_sensitivity", "icc",
)  # fmt: skip
_ABOUT_ZERO = ("_gap", "_drop", "_cost", "_offset", "_advantage", "_difference", "_shift", "_part", "gap_within_strata")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with its caption."""

    chart: Chart
    caption: str


def from_measurements(evidence: Evidence, result: ProbeResult) -> Iterator[Figure]:
    """Yield the figures that the measurements of a probe call for."""
    tones, limits = _judged(evidence, result)
    for metric in dict.fromkeys(m.metric for m in result.measurements):
        mine = [(i, m) for i, m in enumerate(result.measurements) if m.metric == metric and m.method != "count"]
        if metric.startswith("certificate_") or not any(m.value is not None for _, m in mine):
            continue
        sized = [m for _, m in mine if isinstance(m.condition.get("epsilon"), (int, float)) and m.value is not None]
        if len({m.condition["epsilon"] for m in sized}) > 2:
            yield _by_size(result, metric, sized, limits.get(metric, ()))
        elif sum(m.value is not None for _, m in mine) > 1:
            yield _forest(metric, mine, tones, limits.get(metric, ()))
    single = [
        (i, m)
        for i, m in enumerate(result.measurements)
        if m.value is not None and m.method != "count" and m.metric in _SHARES and _alone(result, m)
    ]
    if len(single) > 1:
        yield _together(single, tones)


def _alone(result: ProbeResult, m: Measurement) -> bool:
    return sum(1 for other in result.measurements if other.metric == m.metric and other.value is not None) == 1


def _judged(evidence: Evidence, result: ProbeResult) -> tuple[dict[int, Tone], dict[str, tuple[float, ...]]]:
    """Return the tone of decisive measurements, and the limits of each metric where all its rules agree."""
    tones: dict[int, Tone] = {}
    by_metric: dict[str, list[Finding]] = {}
    for f in evidence.findings:
        if f.probe == result.probe:
            by_metric.setdefault(f.metric, []).append(f)
            if f.decisive is not None:
                tones.setdefault(f.decisive, TONES[f.status])
    limits = {
        metric: tuple(v for v in (found[0].limit.min, found[0].limit.max) if v is not None)
        for metric, found in by_metric.items()
        if len({(f.limit.min, f.limit.max) for f in found}) == 1
    }
    return tones, limits


def _row(m: Measurement, label: str, tone: Tone) -> Row:
    kind = "" if m.k is not None else " cases"
    return Row(
        label=capital(label), text=full_text(m) if m.value is not None else "no number: see table", value=m.value,
        low=m.low, high=m.high, tone=tone, note=f"{share_text(m)}{kind}, {plural(m.n_patients, 'patient')}",
    )  # fmt: skip


def _forest(
    metric: str, mine: list[tuple[int, Measurement]], tones: dict[int, Tone], limits: tuple[float, ...]
) -> Figure:
    name = metric_name(metric)
    shown = mine
    if len(mine) > _MOST_ROWS:
        known = [p for p in mine if p[1].value is not None]
        middle = sorted(p[1].value or 0.0 for p in known)[len(known) // 2]
        far = sorted(known, key=lambda p: (p[0] not in tones, -abs((p[1].value or 0.0) - middle)))[:_MOST_ROWS]
        shown = sorted(far, key=lambda p: (p[0] not in tones, p[1].value))
    more = len(mine) - len(shown)
    shared, labels = apart([m for _, m in shown])
    rows = tuple(
        _row(m, label or "whole cohort", tones.get(i, "plain")) for (i, m), label in zip(shown, labels, strict=True)
    )
    caption = f"{capital(name)}{f', {shared},' if shared else ''} with {number(mine[0][1].level * 100)} % intervals."
    if limits:
        caption += " Dashed: the limit."
    if more:
        caption += f" The {len(shown)} furthest from the middle of {len(mine)}; all are in the table."
    zero = 0.0 if metric.endswith(_ABOUT_ZERO) else 0.5 if metric == "score_shift_auc" else None
    chart = Forest(
        title=f"{capital(name)}: {len(rows)} values with intervals", rows=rows, limits=limits, reference=zero
    )
    return Figure(chart=chart, caption=caption)


def _together(single: list[tuple[int, Measurement]], tones: dict[int, Tone]) -> Figure:
    rows = []
    for i, m in single:
        where = where_text(m)
        rows.append(_row(m, metric_name(m.metric) + (f", {where}" if where else ""), tones.get(i, "plain")))
    title = "Headline numbers with intervals: " + ", ".join(r.label for r in rows)
    caption = f"Each number with its {number(single[0][1].level * 100)} % interval."
    return Figure(chart=Forest(title=title, rows=tuple(rows)), caption=caption)


def _by_size(result: ProbeResult, metric: str, sized: list[Measurement], limits: tuple[float, ...]) -> Figure:
    """Return the curve over the size of the change, on evenly spaced rungs: ladders double from rung to rung."""
    sizes = sorted({float(m.condition["epsilon"] or 0) for m in sized})
    place = {size: float(i) for i, size in enumerate(sizes)}
    arms: dict[str, list[Measurement]] = {}
    for m in sized:
        arms.setdefault(_arm(m), []).append(m)
    series: list[Series] = []
    for ink, (arm_name, arm) in enumerate(list(arms.items())[:4], start=1):
        # A size may be measured twice, once as the headline; the first one is drawn.
        points = sorted({place[float(m.condition["epsilon"] or 0)]: m for m in reversed(arm)}.items())
        x = tuple(p for p, _ in points)
        y = tuple(float(m.value or 0) for _, m in points)
        low, high = tuple(float(m.low or 0) for _, m in points), tuple(float(m.high or 0) for _, m in points)
        label = arm_name or metric_name(metric)
        series.append(Series(name=label, shape="band", x=x, y=low, top=high, ink=ink))
        series.append(Series(name=label, shape="line", x=x, y=y, ink=ink))
        series.append(Series(name=label, shape="dots", x=x, y=y, ink=ink))
    unit = str(sized[0].condition.get("epsilon_unit") or "")
    name = metric_name(metric)
    title = f"{capital(name)} from a change of {epsilon_text(sized[0].condition)} on: " + ", ".join(
        full_text(m) for m in next(iter(arms.values()))
    )
    chart = Curve(
        title=title, x_label=f"largest change of a pixel{f', {unit}' if unit else ''}", y_label=capital(name),
        series=tuple(series), x_domain=(-0.2, len(sizes) - 0.8), y_domain=(0.0, 1.0), limits=limits,
        x_ticks=tuple((place[s], number(s)) for s in sizes),
    )  # fmt: skip
    confidence = number(sized[0].level * 100)
    return Figure(chart=chart, caption=f"{capital(name)} by size of the change, with {confidence} % intervals.")


def _arm(m: Measurement) -> str:
    parts = [str(v) for k, v in m.condition.items() if k in ("attack", "class", "stratum")]
    return ", ".join([*parts, *(f"{k}: {v}" for k, v in m.subgroup.items())]).replace("_", " ")
