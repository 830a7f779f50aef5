"""A finished run judged again, alone or against a baseline; nothing is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.core import Comparison, Evidence, Policy
from audit.storage import Location, held_run, locate

if TYPE_CHECKING:
    from audit.judge.comparison import Side


@dataclass(frozen=True, kw_only=True)
class Gated(Evidence):
    """Evidence judged against a baseline as well.

    Args:
        comparison: What the paired comparison found out.
    """

    comparison: Comparison


def gate(
    folder: Location | str, policy: Policy | Path | str | None = None, *, baseline: Location | str | None = None
) -> Evidence:
    """Judge a finished run again, from its evidence alone; nothing in the folder is changed.

    Args:
        folder: The run's folder, or its URL on shared storage.
        policy: Instead of the policy in the evidence; a policy or the path of policy.toml.
        baseline: Folder of the run that this one is held against by the policy's `[[comparison]]` tables.

    Returns:
        The evidence with findings and verdict of today under that policy; with a baseline a `Gated`.

    Raises:
        EvidenceError: A run is unfinished, changed, or from a newer version.
        PolicyError: A rule names a metric that its probe does not have.
    """
    from audit.evidence import read_run

    with held_run(locate(folder)) as mine:
        evidence = read_run(mine)
        judged = _judged(evidence, _policy(policy) or evidence.policy)
        if baseline is None:
            return judged
        with held_run(locate(baseline)) as theirs:
            return _against(judged, mine, theirs)


def compare(
    baseline: Location | str, candidate: Location | str, policy: Policy | Path | str | None = None, *, min_cell: int = 0
) -> Comparison:
    """Return what differs between two finished runs on the same cases, from their stored predictions alone.

    Args:
        baseline: Folder or URL of the run that the other is held against.
        candidate: Folder or URL of the run that is judged.
        policy: Instead of the candidate's own policy; its `[[comparison]]` tables are the margins.
        min_cell: Attributes with a level of fewer patients are left out, and so where one of the runs asked for it.

    Returns:
        The differences, candidate minus baseline, and what the margins say of them.

    Raises:
        EvidenceError: A run is unfinished, changed, or from a newer version.
    """
    from audit.evidence import read_run
    from audit.judge.comparison import compare as held_against
    from audit.judge.comparison import without_small_cells

    with held_run(locate(candidate)) as mine, held_run(locate(baseline)) as theirs:
        evidence, other = read_run(mine), read_run(theirs)
        rules = _policy(policy) or evidence.policy
        least = max(min_cell, *(int(e.run.get("min_cell") or 0) for e in (evidence, other)))
        found = held_against(_side(mine, evidence), _side(theirs, other), rules, today=_today())
        return without_small_cells(found, least)


def _policy(given: Policy | Path | str | None) -> Policy | None:
    from audit.config import load_policy

    return load_policy(Path(given)) if isinstance(given, (str, Path)) else given


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _judged(evidence: Evidence, rules: Policy) -> Evidence:
    from audit.judge import count_family, decide, declare, family_values, judge

    span = evidence.model.get("input", {}).get("range")
    range_ = None if span is None else (float(span[0]), float(span[1]))
    findings = judge(evidence.results, rules, today=_today(), input_range=range_)
    family = evidence.family
    if rules.digest != evidence.policy.digest:
        # Limits that were set with the results at hand are another thing than limits set before; the evidence says so.
        levels = {a["name"]: [v["level"] for v in a["levels"]] for a in evidence.cohort.get("attributes", ())}
        later = count_family(declare(rules, levels, before_results=False), evidence.results, rules, range_)
        family = family_values(later, rules)
    verdict = decide(findings, evidence.results, rules, evidence.model)
    return replace(evidence, policy=rules, findings=findings, verdict=verdict, family=family)


def _against(judged: Evidence, folder: Path, baseline: Path) -> Gated:
    """Return the evidence with the findings of the comparison among its own; they block as those do."""
    from audit.evidence import read_run
    from audit.judge.comparison import compare as held_against
    from audit.judge.comparison import together

    other = read_run(baseline)
    found = held_against(_side(folder, judged), _side(baseline, other), judged.policy, today=_today())
    both = together(judged, found)
    return Gated(**{f.name: getattr(both, f.name) for f in fields(Evidence)}, comparison=found)


def _side(folder: Path, evidence: Evidence) -> Side:
    from audit.errors import EvidenceError
    from audit.evidence import card_of, read_predictions
    from audit.judge.comparison import Side

    card = card_of(evidence.model)
    try:
        return Side(evidence=evidence, card=card, stored=read_predictions(folder / "predictions.parquet"))
    except EvidenceError as error:
        return Side(evidence=evidence, card=card, stored=None, lacking=error.problem)
