"""All measurements of a probe as rows, grouped by metric and attribute."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import NormalDist

from audit.core import COUNT, Measurement, ProbeInfo
from audit.evidence import SUPPRESSED
from audit.report._numbers import (
    decimals_for,
    interval_text,
    number,
    range_text,
    share_text,
    whole,
    with_unit,
)
from audit.report._room import Thrift
from audit.report._words import about_zero, apart, attribute_name, capital, definition, level_words, metric_name

LONG = 12
POWER = 0.8
"""Share of such cohorts in which a gap of the printed size would show."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement as printed.

    `mark` names its method among those of the table; `shows` is the smallest gap that such a cohort would show.
    """

    where: str
    value: str
    interval: str
    share: str
    is_rate: bool
    patients: str
    together: str
    shows: str
    mark: str
    missing: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """The measurements of one metric over one attribute: the first, worst first where there are `more`.

    Those beyond are `rest`, which is shorter than `more` where the page has no room for them.
    """

    metric: str
    name: str
    definition: str
    about: str
    lines: tuple[Line, ...]
    more: int
    rest: tuple[Line, ...]
    judged: bool


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The table of one probe."""

    blocks: tuple[Block, ...]
    count: int
    long: bool
    together: bool
    shows: bool
    counted: bool
    confidence: str
    methods: tuple[str, ...]
    left_out: tuple[str, ...]


def numbers(
    measurements: tuple[Measurement, ...], info: ProbeInfo, judged: Collection[str], thrift: Thrift
) -> Numbers | None:  # fmt: skip
    """Return the table of a probe's measurements, None where it has none.

    Args:
        measurements: What the probe measured.
        info: What the probe declares.
        judged: Metrics that rules judge; they are the last to be left out.
        thrift: How much room there is.
    """
    if not measurements:
        return None
    methods = list(dict.fromkeys(m.method for m in measurements if m.value is not None and m.method != COUNT))
    groups: dict[tuple[str, tuple[str, ...]], list[Measurement]] = {}
    there = {m.metric for m in measurements}
    order = [m for m in dict.fromkeys([*info.metrics, *sorted(there)]) if m in there]
    order = sorted(order, key=lambda m: (m in info.descriptive, order.index(m)))
    kept = sorted(order, key=lambda m: m not in judged)[: thrift.metrics]
    for m in sorted(measurements, key=lambda m: order.index(m.metric)):
        if m.metric in kept:
            groups.setdefault((m.metric, _over(m)), []).append(m)
    blocks = tuple(_block(key, mine, info, methods, thrift, judged=key[0] in judged) for key, mine in groups.items())
    lines = [line for b in blocks for line in (*b.lines, *b.rest)]
    marked = any(line.mark for line in lines)
    return Numbers(
        blocks=blocks,
        count=len(measurements), left_out=tuple(metric_name(m, info.code) for m in order if m not in kept),
        long=len(measurements) > LONG, counted=all(m.method == COUNT for m in measurements),
        together=any(m.simultaneous for m in measurements), shows=any(line.shows for line in lines),
        confidence=f"{measurements[0].level * 100:.3g}",
        methods=tuple(methods) if marked else (),
    )  # fmt: skip


def _over(m: Measurement) -> tuple[str, ...]:
    """Return the attributes that a number is about."""
    return tuple(sorted(m.subgroup)) or tuple(str(a) for a in (m.condition.get("attribute"),) if a)


def _block(
    key: tuple[str, tuple[str, ...]], mine: list[Measurement], info: ProbeInfo, methods: list[str], thrift: Thrift,
    *, judged: bool,
) -> Block:  # fmt: skip
    metric, over = key
    # A few rows more cost less room than the sentence that says what is left out.
    first = thrift.first if len(mine) > thrift.first + 1 else len(mine)
    if first < len(mine):
        mine = sorted(mine, key=_badness)
    shared, words = apart(mine)
    used = {m.method for m in mine if m.value is not None}
    lines = tuple(
        _line(
            m,
            _level(m, where) if len(mine) > 1 else where or "Whole cohort",
            "" if len(used) < 2 or m.value is None else _mark(m, methods),
        )
        for m, where in zip(mine, words, strict=True)
    )
    by = " and ".join(attribute_name(a) for a in over) if len(mine) > 1 else ""
    about = [f"by {by}" if by else "", "" if by else shared, next(iter(used)) if len(used) == 1 else ""]
    if used == {COUNT}:
        about[2] = "counted"
    if metric in info.descriptive:
        about.append("describes, is not judged")
    return Block(
        metric=metric, name=capital(metric_name(metric, info.code)), definition=definition(metric, info.code),
        about="; ".join(w for w in about if w), lines=lines[:first], more=len(lines) - first,
        rest=lines[first:] if thrift.rest or (judged and thrift.judged) else (), judged=judged,
    )  # fmt: skip


def _badness(m: Measurement) -> tuple[bool, float]:
    """Return what puts the worst first: low where higher is better, far from zero where zero is best."""
    if m.value is None:
        return True, 0.0
    if m.direction == "lower":
        return False, -m.value
    if m.direction == "zero" or about_zero(m.metric):
        return False, -abs(m.value)
    return False, m.value


def _level(m: Measurement, where: str) -> str:
    """Return the level alone where the block is about one attribute."""
    if len(m.subgroup) != 1 or not where:
        return capital(where) or "Whole cohort"
    return level_words(m, where)


def _mark(m: Measurement, methods: list[str]) -> str:
    return "counted" if m.method == COUNT else str(methods.index(m.method) + 1)


def _line(m: Measurement, where: str, mark: str) -> Line:
    rest = m.condition.get("n_rest")
    early = m.planned is not None and m.planned > m.n_patients
    patients = whole(m.n_patients) + (f" of {whole(m.planned or 0)}" if early else "")
    patients += f" (rest {whole(rest)})" if isinstance(rest, (int, float)) else ""
    gone = m.method == SUPPRESSED
    return Line(
        where=where, value=with_unit(m), interval=interval_text(m), share="" if gone else share_text(m),
        is_rate=m.k is not None, patients="" if gone else patients,
        together=range_text(*m.simultaneous) if m.simultaneous and m.value is not None else "",
        shows=_shows(m), mark=mark, missing=m.missing or "",
    )  # fmt: skip


def _shows(m: Measurement) -> str:
    """Return the smallest true gap that four in five such cohorts would tell from none, by this number's own interval.

    Half its width is z times the standard error, and the gap must exceed none by that and by the power's z more. Of a
    skewed interval the longer half counts: at another gap the other side may be the one that tells.
    """
    if not (m.metric.endswith("_gap") and m.subgroup) or m.value is None or m.low is None or m.high is None:
        return ""
    side = max(m.value - m.low, m.high - m.value)
    if side <= 0:
        return ""
    normal = NormalDist()
    return number(side * (1 + normal.inv_cdf(POWER) / normal.inv_cdf((1 + m.level) / 2)), decimals_for(m.low, m.high))
