"""Evidence as it may be shared: without cells of few patients, and without what would give them away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Evidence, Finding, Measurement, ProbeResult, StoredArtifact
from audit.evidence._cells import Hidden, hidden_cells, hidden_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPPRESSED = "suppressed"
_COUNTS = ("n", "n_patients", "cases", "rows", "n_cases", "n_controls", "count", "pairs", "shared")
# Curves over all cases, whose points are shares of a denominator that is named beside them.
_CURVES = (
    "roc_curve", "operating_curve", "operating_points", "decision_curve", "net_benefit_curve",
    "operational_load", "paired_errors",
    "deletion_curve", "insertion_curve", "attack_settings", "metric_disagreements", "faults", "subgroup_test",
)  # fmt: skip
_NOUNS = r"(?:patient|case|row|positive|negative|image|pair|examination|malignan\w+|lesion)s?"
_SAID = re.compile(rf"\b(\d[\d,]*)(?=(?: of \d[\d,]*)?(?: [a-z-]+){{0,2}} {_NOUNS}\b)")
_ROWS = re.compile(r" ?\(rows? [\d, …]+\)")


def suppress(evidence: Evidence, least: int) -> Evidence:
    """Return the evidence without cells of fewer patients than `least`; the same evidence where that is 0.

    Args:
        evidence: Everything that was found out.
        least: Fewest patients of a cell that is shared; 0 shares everything.

    Returns:
        Evidence for report, summary, JUnit and SARIF. Statuses and verdict are those of the full evidence.

    A numerator is no cell: 3 of 200 missed stays. Counts of this cohort (cases set aside, cases missing) are cells.
    """
    if least < 1 or "suppressed_levels" in evidence.run:
        return evidence
    hidden = hidden_cells(evidence, least)
    gone = hidden_numbers(evidence, hidden)
    levels = {name: sorted(found) for name, found in hidden.levels.items() if found}
    few = tuple(f"{name} {level}" for name, found in levels.items() for level in found)
    run = {k: _foreseen(v, few, least) if k in ("warnings", "unattainable") else v for k, v in evidence.run.items()}
    return replace(
        evidence,
        run={**run, "min_cell": least, "suppressed_levels": levels},
        cohort=_cohort(evidence.cohort, hidden),
        results=tuple(_result(r, gone, least) for r in evidence.results),
        findings=tuple(_finding(f, gone, least) for f in evidence.findings),
        verdict=replace(
            evidence.verdict,
            reasons=tuple(mask(r, least) for r in evidence.verdict.reasons),
            notes=tuple(mask(t, least) for t in evidence.verdict.notes),
        ),
        not_tested=tuple(replace(n, why=mask(n.why, least)) for n in evidence.not_tested),
    )


def mask(text: str, least: int) -> str:
    """Return a sentence whose counts of fewer than `least` patients, cases or rows are not told."""

    def word(found: re.Match[str]) -> str:
        return f"fewer than {least}" if int(found[1].replace(",", "")) < least else found[1]

    return _ROWS.sub("", _SAID.sub(word, text))


def names_one(sentence: str, few: Sequence[str]) -> bool:
    """Tell whether a sentence is about a level that is not shared: that none of its cases is ill tells it of each."""
    return any(sentence.startswith(f"{level}:") for level in few)


def _foreseen(sentences: Any, few: Sequence[str], least: int) -> Any:
    if isinstance(sentences, str) or not isinstance(sentences, Sequence):
        return _masked(sentences, least)
    return [_masked(s, least) for s in sentences if not (isinstance(s, str) and names_one(s, few))]


def _masked(value: Any, least: int) -> Any:
    if isinstance(value, str):
        return mask(value, least)
    return [_masked(v, least) for v in value] if isinstance(value, Sequence) else value


def _result(result: ProbeResult, gone: frozenset[tuple[str, int]], least: int) -> ProbeResult:
    measurements = tuple(
        _number(m, least) if (result.probe, i) in gone else _told(m, least) for i, m in enumerate(result.measurements)
    )
    return replace(result, measurements=measurements, reason=mask(result.reason, least))


def _number(m: Measurement, least: int) -> Measurement:
    condition = {k: v for k, v in m.condition.items() if k != "n_rest"}
    return replace(
        m, value=None, low=None, high=None, curve=(), k=None, n=0, n_patients=0, simultaneous=None, contrast=None,
        condition=condition, planned=None, method=SUPPRESSED,
        missing=f"fewer than {least} patients, or beside such a cell",
    )  # fmt: skip


def _told(m: Measurement, least: int) -> Measurement:
    return replace(m, method=mask(m.method, least), missing=mask(m.missing, least) if m.missing else m.missing)


def _finding(f: Finding, gone: frozenset[tuple[str, int]], least: int) -> Finding:
    if f.decisive is not None and (f.probe, f.decisive) in gone:
        return replace(
            f, headline=not_shared_headline(f, least), patients_needed=None, settled_distance=None, lacking="",
            patients_spent=None, patients_saved=None,
        )  # fmt: skip
    return replace(f, headline=mask(f.headline, least), lacking=mask(f.lacking, least))


def not_shared_headline(f: Finding, least: int) -> str:
    """Return the sentence of a finding whose decisive number is left out.

    Args:
        f: The finding.
        least: Fewest patients of a cell that is shared.
    """
    return f"{f.metric.replace('_', ' ').capitalize()}: fewer than {least} patients, not shared; required {f.limit}"


def _cohort(cohort: Mapping[str, Any], hidden: Hidden) -> dict[str, Any]:
    out = dict(cohort)
    out["remarks"] = _masked(list(cohort.get("remarks") or ()), hidden.least)
    out["attributes"] = [
        {**a, "levels": [_level(row, hidden.levels.get(str(a["name"]), frozenset())) for row in a.get("levels") or ()]}
        for a in cohort.get("attributes") or ()
    ]
    targets = list(cohort.get("targets") or ())
    small = [t for t in targets if int(t.get("n_patients", t.get("n", 0))) < hidden.least]
    if small:
        # With one class hidden the total would tell it.
        kept = () if len(targets) - len(small) < 2 or len(small) < 2 else targets
        out["targets"] = [t for t in kept if t not in small]
    for key in ("comparators", "raters", "other_splits"):
        if key in cohort:
            out[key] = [_few(row, cohort, hidden) for row in cohort[key]]
    for key in ("ungradable", "events", "unverified"):
        if key in cohort:
            out[key] = _few(cohort[key], cohort, hidden)
    out["ledger"] = _ledger(cohort.get("ledger") or {}, hidden.least)
    return out


def _level(row: Mapping[str, Any], gone: frozenset[str]) -> dict[str, Any]:
    return {"level": f"{row['level']}: not shared"} if str(row["level"]) in gone else dict(row)


def _few(row: Mapping[str, Any], cohort: Mapping[str, Any], hidden: Hidden) -> dict[str, Any]:
    n = int(row.get("n_patients") or row.get("n") or 0)
    outside = int(cohort.get("n_patients") or 0) - n
    if n >= hidden.least and not hidden.small(outside) and not hidden.small(int(row.get("unanswered") or 0)):
        return dict(row)
    return {k: v for k, v in row.items() if k not in ("n", "n_patients", "unanswered")}


def _ledger(ledger: Mapping[str, Any], least: int) -> dict[str, Any]:
    aside = {str(k): int(v) for k, v in (ledger.get("set_aside") or {}).items()}
    few = {k: n for k, n in aside.items() if n < least}
    if not few:
        return dict(ledger)
    # Reasons of few rows are told together; where even together they are few, the next reason joins them.
    for reason, n in sorted(aside.items(), key=lambda item: item[1]):
        if sum(few.values()) >= least:
            break
        few[reason] = n
    if sum(few.values()) < least:
        return {}
    kept = {k: n for k, n in aside.items() if k not in few}
    return {**ledger, "set_aside": {**kept, " or ".join(sorted(few)): sum(few.values())}}


def _names(word: str, level: str) -> bool:
    """Tell whether a cell of words is about a level: the level itself, `site: level` or `site = level and ...`."""
    return word == level or any(f"{mark} {level}" in word for mark in (":", "="))


def withheld(artifact: StoredArtifact, arrays: Mapping[str, NDArray[Any]], run: Mapping[str, Any]) -> bool:
    """Tell whether a figure is left out of what is shared: it has a small cell, or nobody knows that it has none.

    Args:
        artifact: What was stored.
        arrays: Its arrays.
        run: The run of suppressed evidence.
    """
    least = int(run.get("min_cell") or 0)
    if least < 1 or "suppressed_levels" not in run:
        return False
    if artifact.pixels:
        return True
    counts = [np.asarray(arrays[k], dtype=float).ravel() for k in _COUNTS if k in arrays]
    if any(((c > 0) & (c < least)).any() for c in counts):
        return True
    attribute = str(artifact.meta.get("attribute") or "")
    gone = run["suppressed_levels"].get(attribute, ())
    if gone and artifact.name != "subgroup_test":
        return True
    words = [str(v) for a in arrays.values() if np.asarray(a).dtype.kind in "US" for v in np.asarray(a).ravel()]
    if any(_names(word, level) for levels in run["suppressed_levels"].values() for level in levels for word in words):
        return True
    return not counts and artifact.name not in _CURVES
