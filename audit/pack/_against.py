"""The run held against a baseline, made of what the pack holds of both and of nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from audit.core import Comparison, Evidence, StoredPredictions, Verdict
from audit.evidence import EVIDENCE, SUMS, card_of, mask, read_predictions
from audit.judge import decide
from audit.judge.comparison import Side, compare, together, without_small_cells
from audit.pack._blocks import Block, Cell, Document, Facts, Heading, Listing, Mark, Record, Table, Text, ToFill, row
from audit.pack._share import PREDICTIONS, Left, share_run
from audit.pack._stored import json_bytes, rounded
from audit.report.phrases import capital, full_text, limit_text, metric_name, number, plural, where_text

BASELINE = "baseline/"
COMPARED = "comparison.json"
_KEPT = (EVIDENCE, PREDICTIONS, SUMS)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a pack holds of a baseline.

    Args:
        evidence: Its evidence, as shared.
        files: Bytes by path inside its run's folder, as shared.
        derived: Files that differ from the run's.
    """

    evidence: Evidence
    files: Mapping[str, bytes]
    derived: tuple[Left, ...]


@dataclass(frozen=True, kw_only=True)
class Against:
    """The run and a baseline on the same cases.

    Args:
        baseline: What the pack holds of it.
        comparison: Differences and margins.
        judged: The run with the findings and the verdict of rules and margins together.
    """

    baseline: Baseline
    comparison: Comparison
    judged: Evidence


def share_baseline(folder: Path, evidence: Evidence, least: int) -> Baseline:
    """Return evidence and predictions of a baseline as they may be passed on.

    Args:
        folder: Its run's folder, checked before.
        evidence: What it holds.
        least: Fewest patients of a cell; 0: as that run asked.

    Raises:
        InputError: The run shows ids, or names dates as levels of an attribute.
    """
    shared = share_run(folder, evidence, least)
    derived = tuple(f for f in shared.derived if f.path in _KEPT)
    files = {name: shared.files[name] for name in _KEPT}
    return Baseline(evidence=shared.evidence, files=files, derived=derived)


def held_against(evidence: Evidence, stored: StoredPredictions, baseline: Baseline, least: int) -> Against:
    """Return what a run is against a baseline, judged by the run's own policy on the day of the run.

    Args:
        evidence: The run, as shared.
        stored: Its predictions, as shared.
        baseline: The other.
        least: Fewest patients of a cell that is shared; 0: small cells are shown.
    """
    theirs = Side(
        evidence=baseline.evidence, card=card_of(baseline.evidence.model),
        stored=read_predictions(baseline.files[PREDICTIONS]),
    )  # fmt: skip
    mine = Side(evidence=evidence, card=card_of(evidence.model), stored=stored)
    found = without_small_cells(compare(mine, theirs, evidence.policy, today=_day(evidence)), least)
    both = together(evidence, found)
    # With the results of the comparison, for sentences look up what decided a finding.
    judged = replace(both, results=(*both.results, *found.results), verdict=_no_better(evidence, both.verdict, least))
    return Against(baseline=baseline, comparison=found, judged=judged)


def _no_better(evidence: Evidence, verdict: Verdict, least: int) -> Verdict:
    """Return a verdict that keeps whatever barred a PASS in the run and that its shared copy does not tell."""
    again = decide(evidence.findings, evidence.results, evidence.policy, evidence.model)
    told = {*again.reasons, *(mask(r, least) for r in again.reasons)}
    kept = tuple(r for r in evidence.verdict.reasons if r not in told)
    if not kept:
        return verdict
    outcome = verdict.outcome if verdict.outcome != "PASS" else "INCONCLUSIVE"
    return replace(verdict, outcome=outcome, reasons=(*kept, *verdict.reasons))


def _day(evidence: Evidence) -> dt.date:
    moment = dt.datetime.fromisoformat(str(evidence.run.get("finished") or evidence.run["started"]))
    return moment.astimezone(dt.UTC).date()


def comparison_values(against: Against) -> bytes:
    """Return the comparison as JSON: both sides, every difference with its interval, every margin, the verdict."""
    c = against.comparison
    return json_bytes(rounded({
        "difference": "candidate minus baseline, paired by case, patients as the unit",
        "candidate": c.candidate, "baseline": c.baseline, "reasons": c.reasons, "differences": c.differences,
        "findings": c.findings, "verdict_of_margins": c.verdict, "verdict": against.judged.verdict, "notes": c.notes,
    }))  # fmt: skip


def comparison_document(evidence: Evidence, against: Against | None) -> Document:
    """Return the document on the baseline, which says so where there is none.

    Args:
        evidence: The run.
        against: What it is against a baseline.
    """
    blocks = _without(evidence) if against is None else _with(against)
    source = ("run/evidence.json",) if against is None else (COMPARED, f"{BASELINE}{EVIDENCE}", f"run/{PREDICTIONS}")
    return Document(
        id="comparison", title="Comparison with a baseline",
        purpose="Shows whether the model is worse than the one before it on the same cases, by margins set before.",
        blocks=tuple(blocks), source=source,
    )  # fmt: skip


def _without(evidence: Evidence) -> list[Block]:
    if not evidence.policy.comparisons:
        return [Text(text="The policy has no margin against a baseline, and none was given.", tone="note")]
    margins = tuple(f"{c.id}: {metric_name(c.metric)} by at most {c.margin:g}" for c in evidence.policy.comparisons)
    return [
        Text(tone="warn", text=(
            "The policy allows the model to be worse than a baseline by these margins only, and no baseline was given, "
            "so nothing shows that they hold. Give its run with --baseline."
        )),
        Listing(items=margins),
    ]  # fmt: skip


def _with(against: Against) -> list[Block]:
    c, judged = against.comparison, against.judged
    blocks: list[Block] = [
        Facts(rows=(
            ("rules and margins together", (Mark(judged.verdict.outcome), " " + ", ".join(_waived(judged.verdict)))),
            ("margins alone", c.verdict.label if c.verdict else "the policy has none"),
        )),
        *(Facts(title=capital(name), rows=_side(getattr(c, name))) for name in ("baseline", "candidate")),
    ]  # fmt: skip
    if c.reasons:
        blocks += [Text(tone="warn", text="The two runs cannot be compared:"), Listing(items=c.reasons)]
    blocks += [_margin(against, i) for i in range(len(c.findings))]
    if c.differences:
        blocks.append(Heading(text="Every difference, candidate minus baseline"))
        rows = tuple(
            row(capital(metric_name(d.metric)), where_text(d.measurement) or "all cases", _value(d.baseline),
                _value(d.candidate), full_text(d.measurement) or f"no number: {d.measurement.missing}",
                f"{d.measurement.n_patients:,}")
            for d in c.differences
        )  # fmt: skip
        blocks.append(
            Table(caption="Paired by case, intervals by patient", numbers=(2, 3, 4, 5), rows=rows,
                  head=("metric", "where", "baseline", "candidate", "difference (interval)", "patients"))
        )  # fmt: skip
    if c.notes:
        blocks.append(Listing(items=c.notes))
    blocks.append(Text(tone="note", text=(
        "Made from the predictions of both runs as this pack holds them. Evidence and predictions of the baseline are "
        "in baseline/; its other files stay with its own pack."
    )))  # fmt: skip
    blocks.append(ToFill(labels=("Why this baseline, and what changed since", "Changes that were agreed on before")))
    return blocks


def _waived(verdict: Verdict) -> list[str]:
    return [verdict.label] if verdict.waivers else []


def _side(about: Mapping[str, object]) -> tuple[tuple[str, Cell], ...]:
    return (
        ("model", f"{about.get('name')} {about.get('version') or ''}".strip()),
        ("model digest", str(about.get("digest"))), ("evidence digest", str(about.get("evidence_digest"))),
        ("judged", str(about.get("outcome"))),
        ("run ended", str(about.get("finished"))[:19].replace("T", " ") + " UTC"),
        ("cohort", f"{about.get('cohort')}: {plural(int(str(about.get('n'))), 'case')} of "
                   f"{plural(int(str(about.get('n_patients'))), 'patient')}"),
    )  # fmt: skip


def _margin(against: Against, i: int) -> Record:
    c = against.comparison
    f = c.findings[i]
    m = c.decisive(f)
    rows: list[tuple[str, Cell]] = [
        ("pass criterion", f"difference {limit_text(f.limit)}, whole interval inside; "
                           f"{'blocks' if f.blocking else 'does not block'} the release"),
        ("result", f.headline), *((("open because", f.open_because),) if f.open_because else ()),
        ("patients", "none" if m is None else f"{m.n_patients:,}"),
        ("clinical meaning", f.rationale or "to be added by the author"),
        ("source of the margin", f.margin_source or "to be added by the author"),
    ]  # fmt: skip
    return Record(title=f.rule, status=f.status, rows=tuple(rows), anchor=f"rule-{f.rule}")


def _value(value: float | None) -> str:
    return "none" if value is None else number(value)
