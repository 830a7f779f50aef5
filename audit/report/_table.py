"""All measurements of a probe as rows, grouped by metric."""

from __future__ import annotations

from dataclasses import dataclass

from audit.core import COUNT, Measurement
from audit.report._numbers import interval_text, range_text, share_text, whole, with_unit
from audit.report._words import apart, capital, definition, metric_name

LONG = 12


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement as printed."""

    where: str
    value: str
    interval: str
    share: str
    is_rate: bool
    patients: str
    together: str
    method: str
    missing: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """The measurements of one metric."""

    metric: str
    name: str
    definition: str
    about: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The table of one probe."""

    blocks: tuple[Block, ...]
    count: int
    long: bool
    together: bool
    counted: bool
    confidence: str


def numbers(measurements: tuple[Measurement, ...], metrics: tuple[str, ...]) -> Numbers | None:
    """Return the table of a probe's measurements, None where it has none."""
    if not measurements:
        return None
    seen = dict.fromkeys([*(x for x in metrics), *(m.metric for m in measurements)])
    blocks = []
    for metric in seen:
        mine = [m for m in measurements if m.metric == metric]
        if mine:
            used = list(dict.fromkeys(_method(m) for m in mine if m.value is not None))
            one = used[0] if len(used) == 1 else ""
            shared, words = apart(mine)
            lines = tuple(
                _line(m, where, "" if one or m.value is None else _method(m))
                for m, where in zip(mine, words, strict=True)
            )
            name, meaning = capital(metric_name(metric)), definition(metric)
            blocks.append(
                Block(
                    metric=metric,
                    name=name,
                    definition=meaning,
                    about="; ".join(w for w in (shared, one) if w),
                    lines=lines,
                )
            )
    return Numbers(
        blocks=tuple(blocks), count=len(measurements), long=len(measurements) > LONG,
        counted=all(m.method == COUNT for m in measurements),
        together=any(m.simultaneous for m in measurements), confidence=f"{measurements[0].level * 100:.3g}",
    )  # fmt: skip


def _method(m: Measurement) -> str:
    return "counted" if m.method == COUNT else m.method


def _line(m: Measurement, where: str, method: str) -> Line:
    rest = m.condition.get("n_rest")
    patients = whole(m.n_patients) + (f" (rest {whole(rest)})" if isinstance(rest, (int, float)) else "")
    return Line(
        where=capital(where) or "Whole cohort", value=with_unit(m), interval=interval_text(m),
        share=share_text(m),
        is_rate=m.k is not None, patients=patients,
        together=range_text(*m.simultaneous) if m.simultaneous and m.value is not None else "",
        method=method, missing=m.missing or "",
    )  # fmt: skip
