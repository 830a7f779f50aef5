"""What the template shows of each probe and each family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from audit.core import FAMILIES, Evidence, Finding, ProbeResult, StoredArtifact, family_weight, worst_first
from audit.errors import AuditError
from audit.evidence import DATED, LeftOutError, withheld
from audit.report._arrays import Columns, columns, figure
from audit.report._attacks import certificate, threat, winners
from audit.report._chart import TONES, Curve
from audit.report._explanations import CAVEAT, methods_by_metric
from audit.report._figures import Figure, from_measurements
from audit.report._leaning import BY_DECLARATION, leaning, limits_of_labels
from audit.report._numbers import number, whole
from audit.report._pictures import Gallery, gallery
from audit.report._plotly import specify
from audit.report._room import Budget, Thrift
from audit.report._severity_table import first_to_break, severity_table
from audit.report._strip import Strip, group_of
from audit.report._svg import draw
from audit.report._table import Numbers, numbers
from audit.report._words import FAMILY_NAMES, FAMILY_QUESTIONS, STATUS_WORDS, metric_name, plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

ArrayLoader = Callable[[StoredArtifact], "Mapping[str, NDArray[Any]]"]
_MOST_STORED, _MOST_NAMED, _MORE_JUDGED = 3, 3, 2
_WIDE, _TALL = 8, 10
_TABLES = {"attack_winners": winners, "severity_summary": severity_table}
# What makes images again, for machines to read.
_REPLAYED = ("acquisition_parameters",)
# Arrays over the plane of the images that are no picture of a case.
_MAPS = ("text_places",)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure as the page holds it."""

    name: str
    svg: str
    caption: str
    legend: tuple[tuple[str, int], ...]
    wide: bool
    tall: bool


@dataclass(frozen=True, kw_only=True)
class Said:
    """One finding of a probe."""

    status: str
    word: str
    tone: str
    headline: str
    rule: str
    anchor: str
    blocking: bool
    waiver: str
    expired: str


@dataclass(frozen=True, kw_only=True)
class ProbeView:
    """One probe."""

    code: str
    name: str
    title: str
    question: str
    status: str
    word: str
    tone: str
    verb: str
    answer: str
    plain: str
    findings: tuple[Said, ...]
    figures: tuple[Drawn, ...]
    galleries: tuple[Gallery, ...]
    columns: tuple[Columns, ...]
    notes: tuple[str, ...]
    numbers: Numbers | None
    method: str
    limits: str
    references: tuple[str, ...]
    doc: str
    reason: str
    completed: bool


@dataclass(frozen=True, kw_only=True)
class FamilyView:
    """The probes of one family."""

    code: str
    anchor: str
    name: str
    question: str
    remark: str
    overview: Columns | None
    probes: tuple[ProbeView, ...]
    fails: int
    opens: int


def families(
    evidence: Evidence, arrays: ArrayLoader, strips: tuple[Strip, ...], budget: Budget
) -> tuple[FamilyView, ...]:
    """Return the families with their probes, those with failing rules first."""
    anchors = {s.rule: s for s in strips}
    out = []
    names = [*FAMILIES, *sorted({r.info.family for r in evidence.results} - set(FAMILIES))]
    for code in names:
        mine = [r for r in evidence.results if r.info.family == code]
        if mine:
            probes = sorted((_probe(evidence, r, arrays, anchors, budget) for r in mine), key=_rank)
            found = [f.status for p in probes for f in p.findings]
            out.append(
                FamilyView(
                    code=code, anchor=f"family-{code.lower()}", name=FAMILY_NAMES.get(code, code),
                    question=FAMILY_QUESTIONS.get(code, ""), remark=_remark(evidence, code),
                    overview=_OVERVIEWS[code](evidence) if code in _OVERVIEWS else None,
                    probes=tuple(probes),
                    fails=found.count("FAIL"), opens=found.count("INCONCLUSIVE"),
                )
            )  # fmt: skip
    return tuple(sorted(out, key=lambda f: (min(_rank(p) for p in f.probes), family_weight(f.code))))


_OVERVIEWS: Mapping[str, Callable[[Evidence], Columns | None]] = {"CONF": leaning, "XAI": methods_by_metric}


def _remark(evidence: Evidence, family: str) -> str:
    if family == "CONF":
        return " ".join(part for part in (BY_DECLARATION, limits_of_labels(evidence)) if part)
    return threat(evidence) if family == "ADV" else CAVEAT if family == "XAI" else ""


_ORDER = ("FAIL", "INCONCLUSIVE", "ERROR", "NOT_RUN", "PASS", "MEASURED", "NOT_APPLICABLE")


def _rank(probe: ProbeView) -> int:
    return _ORDER.index(probe.status)


def _probe(
    evidence: Evidence, result: ProbeResult, arrays: ArrayLoader, anchors: Mapping[str, Strip], budget: Budget
) -> ProbeView:
    found = worst_first((f for f in evidence.findings if f.probe == result.probe), evidence.verdict)
    status = _status(result, found)
    verb, answer = _answer(result, found)
    thrift = budget.thrift if found else budget.idle
    figures, galleries, tables, notes, plain = _pictures(evidence, result, arrays, budget, thrift)
    info = result.info
    return ProbeView(
        code=info.code, name=info.name, title=info.title, question=info.question, status=status,
        word=STATUS_WORDS[status],
        tone=TONES.get(status, "none"), verb=verb, answer=answer, plain=plain,
        findings=tuple(_said(f, anchors) for f in found),
        figures=figures, galleries=galleries, columns=tables, notes=notes,
        numbers=numbers(result.measurements, info, {f.metric for f in found}, thrift),
        method=info.method, limits=info.limits,
        references=info.references, doc=f"docs/{info.doc_url}", reason=result.reason,
        completed=result.state == "completed",
    )  # fmt: skip


def _status(result: ProbeResult, found: list[Finding]) -> str:
    if result.state != "completed":
        return {"not_applicable": "NOT_APPLICABLE", "error": "ERROR"}.get(result.state, "NOT_RUN")
    return found[0].status if found else "MEASURED"


def _said(f: Finding, anchors: Mapping[str, Strip]) -> Said:
    strip = anchors[f.rule]
    return Said(
        status=f.status, word=STATUS_WORDS[f.status], tone=TONES[f.status], headline=f.headline, rule=f.rule,
        anchor=strip.anchor, blocking=f.blocking, waiver=strip.waiver, expired=strip.expired,
    )  # fmt: skip


_ANSWERS = {
    "fail": ("Outside the limit.", "fail"),
    "open": ("Not settled.", "cannot be settled"),
    "none": ("Not assessed.", "could not be assessed"),
    "pass": ("Within the limit.", "hold"),
}


def _answer(result: ProbeResult, found: list[Finding]) -> tuple[str, str]:
    """Return the answer in a word or two, and the sentence that carries it."""
    if result.state != "completed":
        verb = {"not_applicable": "Not applicable.", "error": "It crashed.", "not_run": "Not run."}[result.state]
        return verb, result.reason
    if found:
        worst = found[0]
        group = group_of(worst.status)
        short, outcome = _ANSWERS[group]
        if len(found) == 1:
            return short, worst.headline
        alike = sum(1 for f in found if group_of(f.status) == group)
        return short, f"{whole(alike)} of {whole(len(found))} rules on it {outcome}."
    counted = [m for m in result.measurements if m.metric in ("faults", "pairs") and m.value is not None]
    if counted and len(counted) == len(result.measurements):
        found_any = any(m.value for m in counted)
        return ("Found something." if found_any else "Nothing found."), "No rule of the policy names it."
    missing = sum(1 for m in result.measurements if m.value is None)
    metrics = list(dict.fromkeys(metric_name(m.metric, result.probe) for m in result.measurements))
    more = len(metrics) - _MOST_NAMED
    names = ", ".join(metrics[:_MOST_NAMED]) + (f" and {plural(more, 'further metric')}" if more > 0 else "")
    if not result.measurements:
        return "Nothing measured.", "The probe completed without a number, so it says nothing."
    tail = f"; {plural(missing, 'number')} could not be had" if missing else ""
    return "Measured, not judged.", f"No rule of the policy names it. It gives {names}{tail}."


_LATE = ("attack_visibility",)
"""Figures that only explain the numbers, so they come after them."""

# The last is what the arrays say in plain words.
_Pictures = tuple[tuple[Drawn, ...], tuple[Gallery, ...], tuple[Columns, ...], tuple[str, ...], str]


def _pictures(
    evidence: Evidence, result: ProbeResult, arrays: ArrayLoader, budget: Budget, thrift: Thrift
) -> _Pictures:
    figures: list[Figure] = []
    late: list[Figure] = []
    galleries: list[Gallery] = []
    tables: list[Columns] = []
    notes: list[str] = []
    tests: list[StoredArtifact] = []
    kept_back: list[str] = []
    dated: list[str] = []
    plain = ""
    for artifact in result.artifacts:
        try:
            if artifact.name == "subgroup_test":
                tests.append(artifact)
                continue
            loaded = arrays(artifact)
            if withheld(artifact, loaded, evidence.run):
                kept_back.append(artifact.title)
                continue
            if artifact.pixels or artifact.name in _MAPS:
                _add_gallery(gallery(artifact, loaded), galleries, notes, budget)
                continue
            if artifact.name == "attack_certificate":
                checks, doubt = certificate(artifact, loaded)
                tables.append(checks)
                notes += [doubt] if doubt else []
                continue
            if artifact.name in _TABLES:
                tables.append(_TABLES[artifact.name](artifact, loaded))
                plain = first_to_break(artifact, loaded) if artifact.name == "severity_summary" else plain
                continue
            if artifact.name in _REPLAYED:
                notes.append(f"{artifact.title}: among the artifacts, with the seeds that make every image again.")
                continue
            made = figure(artifact, loaded)
            table = None if made else columns(artifact, loaded, thrift.stored)
        except LeftOutError as gone:
            (dated if gone.got == DATED else kept_back).append(artifact.title)
            continue
        except (AuditError, OSError, KeyError, ValueError, IndexError, EOFError, BadZipFile) as error:
            notes.append(f"{artifact.title}: the arrays behind this figure could not be used ({type(error).__name__}).")
            continue
        if made:
            (late if artifact.name in _LATE else figures).append(made)
        if table:
            tables.append(table)
        if not made and not table and thrift.stored and any(v.size for v in loaded.values()):
            notes.append(
                f"{artifact.title}: neither a figure nor a table fits these arrays; they are among the artifacts."
            )
        if not made and _facts(artifact):
            notes.append(f"{artifact.title}: {_facts(artifact)}.")
    if kept_back:
        few = f"cells with fewer than {evidence.run.get('min_cell')} patients are not shared"
        notes.append(f"Figures left out, since {few}: {'; '.join(kept_back)}.")
    if dated:
        notes.append(f"Figures left out of this copy, since they hold dates: {'; '.join(dated)}.")
    if tests:
        notes.append(_test_note(tests))
    judged = any(f.probe == result.probe for f in evidence.findings)
    most = thrift.figures + (_MORE_JUDGED if judged else 0)
    measured = list(from_measurements(evidence, result))
    # A model with many classes stores a curve for each; the intervals must not be crowded out by them.
    early = max(_MOST_STORED, most - len(measured))
    figures = [*figures[:early], *measured, *figures[early:], *late]
    if len(figures) > most:
        more = plural(len(figures) - most, "further figure")
        notes.append(f"{more} left out; the numbers are in the table or in evidence.json.")
    drawn = tuple(_drawn(result.probe, i, f, budget) for i, f in enumerate(figures[:most], start=1))
    return drawn, tuple(galleries), tuple(tables), tuple(notes), plain


def _test_note(tests: list[StoredArtifact]) -> str:
    """Return all tests of equal subgroups in one sentence."""
    title = tests[0].title.partition("? ")[2] or tests[0].title
    said = []
    for a in tests:
        metric = f"in {a.meta['metric']}" if a.meta.get("metric") else ""
        words = (str(a.meta.get("attribute") or ""), metric, str(a.meta.get("class") or ""), _p_text(a.meta.get("p")))
        said.append(" ".join(w for w in words if w))
    return f"Are all levels equal? {title}: {'; '.join(said)}."


def _p_text(p: object) -> str:
    if not isinstance(p, (int, float)):
        return "p is missing"
    return f"p = {number(float(p))}" if p >= 0.001 else "p < 0.001"


def _facts(artifact: StoredArtifact) -> str:
    pairs = ((k.replace("_", " "), v) for k, v in artifact.meta.items() if v is not None and v != "")
    return ", ".join(f"{k} {number(v) if isinstance(v, float) else str(v).replace('|', ', ')}" for k, v in pairs)


def _add_gallery(made: Gallery | None, galleries: list[Gallery], notes: list[str], budget: Budget) -> None:
    if made is None:
        return
    if made.size > budget.left:
        notes.append(f"{made.title}: left out to keep this page small; the pictures are among the run's artifacts.")
        return
    budget.left -= made.size
    galleries.append(made)


def _drawn(code: str, place: int, made: Figure, budget: Budget) -> Drawn:
    name = f"figure-{code.lower()}-{place}"
    if budget.interactive:
        budget.specs[name] = specify(made.chart)
    legend: tuple[tuple[str, int], ...] = ()
    if isinstance(made.chart, Curve):
        seen = dict.fromkeys((s.name, s.ink) for s in made.chart.series if s.shape != "bars")
        legend = tuple(seen) if len(seen) > 1 else ()
    rows = len(getattr(made.chart, "rows", ()))
    return Drawn(
        name=name, svg=draw(made.chart, name), caption=made.caption, legend=legend, wide=rows > _WIDE, tall=rows > _TALL
    )
