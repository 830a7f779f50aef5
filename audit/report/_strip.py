"""One strip a rule: value, interval and limit on one line, the picture of the rule of judgement."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from html import escape

from audit.core import Evidence, Finding, Measurement
from audit.evidence import SUPPRESSED
from audit.judge import whole
from audit.report._chart import TONES, padded
from audit.report._numbers import full_text, limit_text, nice_ticks, people_text, share_text, tick_text
from audit.report._sentence import decisive, ordered
from audit.report._svg_parts import Scale
from audit.report._words import GROUPS, STATUS_WORDS, capital, measured_name, metric_name

_HEIGHT, _MIDDLE = 38, 13


@dataclass(frozen=True, kw_only=True)
class Strip:
    """What the template needs of one rule."""

    rule: str
    anchor: str
    probe: str
    title: str
    status: str
    word: str
    tone: str
    group: str
    value: str
    limit: str
    counts: str
    hint: str
    blocking: bool
    waiver: str
    expired: str
    headline: str
    rationale: str
    source: str
    level: str
    others: int
    svg: str
    margin: float


def strips(evidence: Evidence) -> tuple[Strip, ...]:
    """Return a strip for each rule, those that matter most first."""
    return tuple(_strip(evidence, f, i) for i, f in enumerate(ordered(evidence)))


def _strip(evidence: Evidence, f: Finding, place: int) -> Strip:
    m = decisive(evidence, f)
    return Strip(
        rule=f.rule, anchor=f"rule-{place + 1}", probe=f.probe,
        title=capital(measured_name(m) if m else metric_name(f.metric)),
        status=f.status, word=STATUS_WORDS[f.status], tone=TONES[f.status], group=group_of(f.status),
        value=full_text(m) if m and m.value is not None else "", limit=limit_text(f.limit), counts=_counts(m),
        hint=_hint(f, m), blocking=f.blocking, waiver=_waiver(f), expired=_expired(f), headline=f.headline,
        rationale=_closed(f.rationale), source=_closed(f.margin_source),
        level=f"{f.holm_level:.3g}" if f.holm_level is not None else "",
        others=max(0, len(f.measurements) - 1), svg=strip_svg(f, m, f"strip-{place + 1}"),
        margin=_margin(f, m),
    )  # fmt: skip


def worst(shown: tuple[Strip, ...]) -> tuple[Strip, ...]:
    """Return the three rules for the first screen; among those that pass, the ones closest to their limit."""
    passing = sorted((s for s in shown if s.status == "PASS"), key=lambda s: s.margin)
    return (*(s for s in shown if s.status != "PASS"), *passing)[:3]


def _margin(f: Finding, m: Measurement | None) -> float:
    """Return how far a bound lies from its limit, in widths of the interval."""
    if m is None or m.low is None or m.high is None or m.high == m.low:
        return math.inf
    room = [m.low - f.limit.min] if f.limit.min is not None else []
    room += [f.limit.max - m.high] if f.limit.max is not None else []
    return min(room) / (m.high - m.low)


def group_of(status: str) -> str:
    """Return the filter group of a status."""
    return next(key for key, _, statuses in GROUPS if status in statuses)


def day(date: dt.date) -> str:
    """Return a date as people write it."""
    return f"{date.day} {date:%B %Y}"


def _closed(text: str) -> str:
    """Return a text that ends as a sentence does."""
    return text if not text or text[-1] in ".!?" else f"{text}."


def _waiver(f: Finding) -> str:
    if f.waiver is None:
        return ""
    return f"Waived until {day(f.waiver.expires)} by {f.waiver.owner}: {f.waiver.reason}"


def _expired(f: Finding) -> str:
    if f.waiver_expired is None:
        return ""
    w = f.waiver_expired
    return f"The waiver of {w.owner} expired on {day(w.expires)} and no longer counts: {w.reason}"


def _counts(m: Measurement | None) -> str:
    if m is None or m.method == SUPPRESSED:
        return ""
    shown = f"{share_text(m)}, " if m.k is not None else ""
    saved = m.planned - m.n_patients if m.planned is not None else 0
    return f"{shown}{people_text(m)}" + (f": it stopped there, {whole(saved)} saved" if saved else "")


def _hint(f: Finding, m: Measurement | None) -> str:
    """Return what an undecided rule lacks."""
    if f.status == "PASS":
        return ""
    if f.allowed:
        return f.headline
    if f.status == "FAIL":
        return ""
    absent = (m.missing if m is not None else f.headline) or ""
    # The headline, which names what is absent, is not shown beside the hint.
    said = (absent, f.open_words(m.n_patients if m is not None else None))
    return "; ".join(t for t in said if t) or f.headline


def strip_svg(f: Finding, m: Measurement | None, name: str) -> str:
    """Return the picture of one rule; empty where nothing was measured."""
    limits = [v for v in (f.limit.min, f.limit.max) if v is not None]
    if m is None or m.value is None or m.low is None or m.high is None:
        return ""
    domain = padded([m.low, m.high, m.value, *limits], 0.14)
    scale = Scale(domain, 1.0, 99.0)
    title = f"{measured_name(m)}: {full_text(m)}, {limit_text(f.limit)} required, {STATUS_WORDS[f.status]}"
    first = scale.at(f.limit.min) if f.limit.min is not None else 0.0
    last = scale.at(f.limit.max) if f.limit.max is not None else 100.0
    parts = [
        f'<svg class="strip-pic {TONES[f.status]}" width="100%" height="{_HEIGHT}" role="img" '
        f'aria-labelledby="{name}-t">',
        f'<title id="{name}-t">{escape(title)}</title>',
        f'<rect class="good" x="{first:.2f}%" y="2" width="{max(0.0, last - first):.2f}%" height="{2 * _MIDDLE - 4}"/>',
        f'<line class="track" x1="0" y1="{_MIDDLE}" x2="100%" y2="{_MIDDLE}"/>',
    ]
    parts += [f'<line class="limit" x1="{scale(v)}" y1="0" x2="{scale(v)}" y2="{2 * _MIDDLE}"/>' for v in limits]
    if m.low < m.high:
        parts.append(f'<line class="iv" x1="{scale(m.low)}" y1="{_MIDDLE}" x2="{scale(m.high)}" y2="{_MIDDLE}"/>')
    parts.append(f'<circle class="dot" cx="{scale(m.value)}" cy="{_MIDDLE}" r="5.5"/>')
    parts += _ticks(scale, domain, limits)
    return "".join([*parts, "</svg>"])


def _ticks(scale: Scale, domain: tuple[float, float], limits: list[float]) -> list[str]:
    """Return the limits in words, and round numbers where they leave room."""
    shown = [(scale.at(v), tick_text(v), "t lim") for v in limits]
    for tick in nice_ticks(*domain, wanted=4):
        at = scale.at(tick)
        if all(abs(at - other) > 13 for other, _, _ in shown):
            shown.append((at, tick_text(tick), "t"))
    out = []
    for at, words, kind in shown:
        anchor = "start" if at < 6 else "end" if at > 94 else "middle"
        out.append(
            f'<text class="{kind}" x="{at:.2f}%" y="{_HEIGHT - 1}" text-anchor="{anchor}">{escape(words)}</text>'
        )
    return out
