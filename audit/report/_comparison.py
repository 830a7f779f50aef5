"""Two runs on the same cases as one HTML file: static, offline, without a script."""

from __future__ import annotations

from dataclasses import dataclass

from audit.core import Comparison, Difference, Finding, Measurement
from audit.report._about import short
from audit.report._chart import TONES, Forest, Row
from audit.report._numbers import full_text, limit_text, number
from audit.report._page import _policy, _template, environment
from audit.report._strip import strip_svg
from audit.report._svg_forest import draw_forest
from audit.report._words import STATUS_WORDS, capital, metric_name, plural, where_text

_MOST_ROWS = 12


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table of differences."""

    metric: str
    where: str
    baseline: str
    candidate: str
    difference: str
    cases: str
    patients: str
    missing: str


@dataclass(frozen=True, kw_only=True)
class Margin:
    """One margin of the policy and what became of it."""

    rule: str
    title: str
    status: str
    word: str
    tone: str
    value: str
    limit: str
    hint: str
    blocking: bool
    headline: str
    rationale: str
    source: str
    svg: str


def render_comparison(found: Comparison) -> str:
    """Return the page of a comparison: the same text everywhere, no request to anywhere, equal bytes for equal input.

    Args:
        found: What was compared.
    """
    groups: dict[str, list[Difference]] = {}
    for d in found.differences:
        groups.setdefault(next(iter(d.measurement.subgroup), ""), []).append(d)
    whole = groups.get("", [])
    verdict = found.verdict
    return environment().get_template("comparison.html.j2").render(
        found=found, verdict=verdict, tone="none" if verdict is None else TONES[verdict.outcome],
        word="COMPARED" if verdict is None else verdict.label, heading=_heading(found),
        margins=tuple(_margin(f, found.decisive(f), i) for i, f in enumerate(found.findings)),
        figures=tuple(_figures(whole)), sides=tuple(_side(found, name) for name in ("baseline", "candidate")),
        tables=[(name, [_line(d) for d in rows]) for name, rows in groups.items()],
        methods=_methods(found),
        css=_template("report.css"), policy_csp=_policy([]), phantom=bool(found.candidate.get("phantom")),
        confidence=_confidence(found),
    )  # fmt: skip


def _methods(found: Comparison) -> list[tuple[str, str]]:
    """Return the metrics of each method, in words."""
    by_method: dict[str, dict[str, None]] = {}
    for d in found.differences:
        if d.measurement.value is not None:
            by_method.setdefault(d.measurement.method, {})[metric_name(d.metric)] = None
    return [(capital(", ".join(names)), method) for method, names in by_method.items()]


def _confidence(found: Comparison) -> str:
    return f"{100 * found.differences[0].measurement.level:g}" if found.differences else ""


def _heading(found: Comparison) -> str:
    if not found.paired:
        return "The two runs cannot be held against each other."
    if found.verdict is None:
        return "The two runs are paired; the policy has no margin to judge them by."
    if found.verdict.outcome == "PASS":
        return "The candidate is no worse than the baseline by more than the margins."
    if found.verdict.outcome == "FAIL":
        return "The candidate is worse than the baseline by more than a margin allows."
    return "Whether the candidate is worse than the baseline is open."


def _side(found: Comparison, name: str) -> tuple[str, list[tuple[str, str]]]:
    side = found.baseline if name == "baseline" else found.candidate
    size = f"{plural(int(side['n']), 'case')} of {plural(int(side['n_patients']), 'patient')}"
    return name, [
        ("Model", f"{side['name']} {side['version']}".strip()), ("Model digest", short(side["digest"])),
        ("Evidence", short(side["evidence_digest"])), ("Verdict", str(side["outcome"])),
        ("Cohort", f"{side['cohort']}, {size}".strip(", ")), ("Operating point", str(side["operating_point"])),
        ("Made", str(side["finished"])[:16].replace("T", ", ")),
    ]  # fmt: skip


def _line(d: Difference) -> Line:
    m = d.measurement
    values = ["" if v is None else number(v) for v in (d.baseline, d.candidate)]
    return Line(
        metric=capital(metric_name(d.metric)), where=where_text(m), baseline=values[0], candidate=values[1],
        difference="" if m.value is None else full_text(m), cases=str(m.n), patients=str(m.n_patients),
        missing=m.missing or "",
    )  # fmt: skip


def _margin(f: Finding, m: Measurement | None, place: int) -> Margin:
    known = m is not None and m.value is not None
    return Margin(
        rule=f.rule, title=capital(_title(f, m)), status=f.status, word=STATUS_WORDS[f.status], tone=TONES[f.status],
        value=full_text(m) if m is not None and known else "", limit=limit_text(f.limit),
        hint=f.open_because or (f.headline if not known else ""), blocking=f.blocking, headline=f.headline,
        rationale=f.rationale, source=f.margin_source, svg=strip_svg(f, m, f"margin-{place + 1}"),
    )  # fmt: skip


def _title(f: Finding, m: Measurement | None) -> str:
    where = "" if m is None else where_text(m)
    words = f"difference in {metric_name(f.metric.removesuffix('_difference'))}"
    return f"{words}, {where}" if where else words


def _figures(whole: list[Difference]) -> list[tuple[str, str]]:
    """Return one picture of the differences of each unit over all cases."""
    units: dict[str, list[Difference]] = {}
    for d in whole:
        if d.measurement.value is not None:
            units.setdefault(d.measurement.unit, []).append(d)
    found = []
    for i, (unit, rows) in enumerate(units.items()):
        title = "Candidate minus baseline" + (f", {unit}" if unit else "")
        chart = Forest(title=title, rows=tuple(_row(d) for d in rows[:_MOST_ROWS]), reference=0.0)
        found.append((title, draw_forest(chart, f"differences-{i + 1}")))
    return found


def _row(d: Difference) -> Row:
    m = d.measurement
    where = where_text(m)
    words = capital(metric_name(d.metric)) + (f", {where}" if where else "")
    return Row(
        label=words + (" (less is better)" if m.direction == "lower" else ""), text=full_text(m), value=m.value,
        low=m.low, high=m.high, counts=plural(m.n_patients, "patient"),
    )  # fmt: skip
