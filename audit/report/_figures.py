"""Which figure a probe gets: from its measurements, and from the arrays that it stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audit.core import Evidence, Limit, Measurement, ProbeResult
from audit.evidence import SUPPRESSED
from audit.judge import unit_name
from audit.report._chart import TONES, Chart, Curve, Forest, Row, Series, Tone
from audit.report._controls import control_points
from audit.report._numbers import full_text, number, people_text, share_text
from audit.report._words import (
    about_zero,
    apart,
    attribute_name,
    capital,
    epsilon_text,
    level_words,
    metric_name,
    plural,
)

_MOST_ROWS, _MOST_METRICS = 20, 2
# Metrics that share one scale, from 0 to 1 and higher is better, may share one picture.
_SHARES = (
    "auc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "dice", "surface_dice", "lesion_sensitivity", "icc",
)  # fmt: skip
# What a stored artifact of the same probe draws already, with what belongs beside it.
_DRAWN = {
    ("CONF003", "auc_change"): "resampled_auc", ("CONF003", "auc_gap_resampled"): "resampled_auc",
    ("CONF003", "decodability_auc"): "decodability", ("CONF003", "decodability_control_auc"): "decodability",
    ("CONF001", "auc_by_training"): "four_cells", ("CONF001", "shift_by_training"): "four_cells",
    ("CONF001", "auc_by_share"): "share_curve", ("DATA011", "performance"): "noise_curve",
    ("PERF007", "performance"): "learning_curve", ("SHIFT004", "performance"): "transfer",
    ("CONF006", "auc"): "pooled_within", ("DATA006", "auc"): "metadata_auc", ("DATA006", "auc_control"): "metadata_auc",
}  # fmt: skip
_Indexed = list[tuple[int, Measurement]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with its caption."""

    chart: Chart
    caption: str


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What the rules of a probe say of its measurements."""

    tones: Mapping[int, Tone]
    limits: Mapping[int, frozenset[Limit]]
    metrics: frozenset[str]

    def limit(self, rows: _Indexed) -> Limit | None:
        """Return the limit of these measurements, None where there is none or rules differ."""
        found = {limit for i, _ in rows for limit in self.limits.get(i, ())}
        return next(iter(found)) if len(found) == 1 else None


def from_measurements(evidence: Evidence, result: ProbeResult) -> Iterator[Figure]:
    """Yield the figures that the measurements of a probe call for: of what rules judge, then of what comes first."""
    judged = _judged(evidence, result)
    several: list[tuple[str, list[_Indexed]]] = []
    for metric in _ranked(result, judged):
        mine = [(i, m) for i, m in enumerate(result.measurements) if m.metric == metric and m.method != "count"]
        if metric.startswith("certificate_") or not any(m.value is not None for _, m in mine):
            continue
        if (result.probe, metric) in _DRAWN and any(a.name == _DRAWN[result.probe, metric] for a in result.artifacts):
            continue
        sized = [m for _, m in mine if isinstance(m.condition.get("epsilon"), (int, float)) and m.value is not None]
        if len({m.condition["epsilon"] for m in sized}) > 2:
            yield _by_size(evidence, result.probe, metric, sized, judged.limit(mine))
            continue
        groups = [g for g in _grouped(mine) if sum(m.value is not None for _, m in g) > 1]
        if groups and (metric in judged.metrics or len(several) < _MOST_METRICS):
            several.append((metric, groups))
    for metric, groups in several:
        yield from (_forest(metric, group, judged) for group in groups)
    single = [
        (i, m)
        for i, m in enumerate(result.measurements)
        if m.value is not None and m.method != "count" and m.metric in _SHARES and _alone(result, m)
    ]
    if len(single) > 1:
        yield _together(single, judged)


def _ranked(result: ProbeResult, judged: _Judged) -> list[str]:
    """Return the metrics: those that rules judge, then others as declared, then those that only describe."""
    found = dict.fromkeys([*result.info.metrics, *(m.metric for m in result.measurements)])
    return sorted(found, key=lambda m: (m not in judged.metrics, m in result.info.descriptive))


def _grouped(mine: _Indexed) -> list[_Indexed]:
    """Return the measurements apart by attribute and class, in their order."""
    groups: dict[tuple[str, ...], _Indexed] = {}
    for i, m in mine:
        by = tuple(sorted(m.subgroup)) or (str(m.condition.get("attribute", "")),)
        # Attributes that meet come in many pairs of few cells: one picture for all.
        key = ("(pairs)",) if len(by) > 1 else by
        groups.setdefault((*key, str(m.condition.get("class", ""))), []).append((i, m))
    return list(groups.values())


def _alone(result: ProbeResult, m: Measurement) -> bool:
    return sum(1 for other in result.measurements if other.metric == m.metric and other.value is not None) == 1


def _judged(evidence: Evidence, result: ProbeResult) -> _Judged:
    tones: dict[int, Tone] = {}
    limits: dict[int, frozenset[Limit]] = {}
    metrics = set()
    for f in evidence.findings:
        if f.probe == result.probe:
            metrics.add(f.metric)
            if f.decisive is not None:
                tones.setdefault(f.decisive, TONES[f.status])
            for i in f.measurements:
                limits[i] = limits.get(i, frozenset()) | {f.limit}
    return _Judged(tones=tones, limits=limits, metrics=frozenset(metrics))


def counts_text(m: Measurement) -> str:
    """Return what a number rests on: k/n or cases, and patients where they are not the same."""
    if m.method == SUPPRESSED:
        return ""
    n = share_text(m) if m.k is not None else plural(m.n, "case")
    if m.n == m.n_patients and m.planned in (None, m.n):
        return f"{share_text(m)} patients" if m.k is not None else plural(m.n_patients, "patient")
    return f"{n}, {people_text(m)}"


def _row(m: Measurement, label: str, tone: Tone) -> Row:
    return Row(
        label=label, text=full_text(m) if m.value is not None else "", value=m.value, low=m.low, high=m.high,
        outer=m.simultaneous if m.value is not None else None, tone=tone, counts=counts_text(m),
        reason=f"no number: {m.missing}" if m.value is None else "",
    )  # fmt: skip


def _forest(metric: str, mine: _Indexed, judged: _Judged) -> Figure:
    shown = mine
    if len(mine) > _MOST_ROWS:
        known = [p for p in mine if p[1].value is not None]
        middle = sorted(p[1].value or 0.0 for p in known)[len(known) // 2]
        far = sorted(known, key=lambda p: (p[0] not in judged.tones, -abs((p[1].value or 0.0) - middle)))[:_MOST_ROWS]
        shown = sorted(far, key=lambda p: (p[0] not in judged.tones, p[1].value))
    by = {name for _, m in mine for name in m.subgroup}
    shared, labels = apart([m for _, m in shown])
    rows = tuple(
        _row(m, _level(m, label, by), judged.tones.get(i, "plain")) for (i, m), label in zip(shown, labels, strict=True)
    )
    limit = judged.limit(mine)
    chart = Forest(
        title=f"{_titled(metric, mine, by)}: {len(rows)} values with intervals", rows=rows,
        least=limit.min if limit else None, most=limit.max if limit else None,
        reference=0.0 if about_zero(metric, mine[0][1].direction) else 0.5 if metric == "score_shift_auc" else None,
    )  # fmt: skip
    few = f" The {len(shown)} furthest from the middle of {len(mine)}; all are in evidence.json."
    more = few if shown != mine else ""
    text = _caption(metric, mine, by, shared, limit is not None)
    return Figure(chart=chart, caption=text + more)


def _titled(metric: str, mine: _Indexed, by: set[str]) -> str:
    name = capital(metric_name(metric))
    attribute = attribute_name(mine[0][1].condition.get("attribute") or "")
    over = attribute_name(next(iter(by))) if len(by) == 1 else attribute if not by else "attributes that meet"
    return f"{name} by {over}" if over else name


def _caption(metric: str, mine: _Indexed, by: set[str], shared: str, limited: bool) -> str:
    attribute = attribute_name(mine[0][1].condition.get("attribute") or "")
    rest = ", ".join(part for part in shared.split(", ") if part != attribute)
    words = [_titled(metric, mine, by) + (f" ({rest})" if rest and not by else "")]
    level = number(mine[0][1].level * 100)
    if any(m.simultaneous for _, m in mine):
        words.append(f"Thick: {level} % interval of each by itself; thin: all together")
    else:
        words.append(f"{level} % intervals")
    if limited:
        words.append("Shaded: the side of the dashed limit on which the rule holds")
    return ". ".join(words) + "."


def _level(m: Measurement, label: str, by: set[str]) -> str:
    """Return the label of a row: the level alone where the figure is about one attribute."""
    if len(by) == 1 and m.subgroup:
        return level_words(m, label)
    return capital(label) or "Whole cohort"


def _together(single: _Indexed, judged: _Judged) -> Figure:
    _, labels = apart([m for _, m in single])
    rows = tuple(
        _row(m, capital(metric_name(m.metric)) + (f", {where}" if where else ""), judged.tones.get(i, "plain"))
        for (i, m), where in zip(single, labels, strict=True)
    )
    title = "Headline numbers with intervals: " + ", ".join(r.label for r in rows)
    caption = f"Each number with its {number(single[0][1].level * 100)} % interval."
    return Figure(chart=Forest(title=title, rows=rows), caption=caption)


def _by_size(evidence: Evidence, probe: str, metric: str, sized: list[Measurement], limit: Limit | None) -> Figure:
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
    series += control_points(evidence, probe, sized, place, min(len(arms), 4) + 1)
    unit = unit_name(str(sized[0].condition.get("epsilon_unit") or ""))
    name = metric_name(metric)
    title = f"{capital(name)} from a change of {epsilon_text(sized[0].condition)} on: " + ", ".join(
        full_text(m) for m in next(iter(arms.values()))
    )
    chart = Curve(
        title=title, x_label=f"largest change of a pixel{f', {unit}' if unit else ''}", y_label=capital(name),
        series=tuple(series), x_domain=(-0.2, len(sizes) - 0.8), y_domain=(0.0, 1.0),
        limits=() if limit is None else tuple(v for v in (limit.min, limit.max) if v is not None),
        x_ticks=tuple((place[s], number(s)) for s in sizes),
    )  # fmt: skip
    confidence = number(sized[0].level * 100)
    return Figure(chart=chart, caption=f"{capital(name)} by size of the change, with {confidence} % intervals.")


def _arm(m: Measurement) -> str:
    parts = [str(v) for k, v in m.condition.items() if k in ("attack", "class", "stratum")]
    return ", ".join([*parts, *(f"{k}: {v}" for k, v in m.subgroup.items())]).replace("_", " ")
