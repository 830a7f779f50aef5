"""Synthetic evidence: every state, every status, hostile words, sixty subgroups; every number is invented."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from audit.core import (
    Evidence,
    Limit,
    NotTested,
    Policy,
    Rule,
    Waiver,
)
from audit.judge import decide, judge
from tests.report._build import HOSTILE, TODAY, arrays, artifact, measured
from tests.report._results import results

__all__ = [
    "HOSTILE",
    "TODAY",
    "arrays",
    "artifact",
    "empty",
    "evidence",
    "measured",
    "passing",
    "results",
    "rules",
    "undecided",
]


def rules(attribute: str = "sex") -> tuple[Rule, ...]:
    """Return rules that end in every status under `results`."""
    why = {
        "rationale": "A reader of this clinic misses one in eight; the model may not miss more.",
        "margin_source": "Reader study of 2024, 12 readers.",
    }
    return (
        Rule(id="auc", probe="PERF001", metric="auc", limit=Limit(min=0.85), **why),
        Rule(id="sensitivity", probe="PERF001", metric="sensitivity", limit=Limit(min=0.8), **why),
        Rule(
            id="leaning-joint",
            probe="CONF001",
            metric="confounder_cost",
            where={"attribute": "(joint)"},
            limit=Limit(max=0.02),
            **why,
        ),
        Rule(
            id="leaning-protocol",
            probe="CONF001",
            metric="confounder_cost",
            where={"attribute": "protocol"},
            limit=Limit(max=0.02),
            **why,
        ),
        Rule(id="worst-cell", probe="CONF001", metric="worst_cross_auc", limit=Limit(min=0.7), **why),
        Rule(
            id="gap-by-sex",
            probe="FAIR001",
            metric="sensitivity_gap",
            where={"attribute": attribute},
            limit=Limit(min=-0.05),
            min_patients=150,
            **why,
        ),
        Rule(
            id="gap-by-age",
            probe="FAIR001",
            metric="sensitivity_gap",
            where={"attribute": "age"},
            limit=Limit(min=-0.1),
            **why,
        ),
        Rule(id="slope", probe="CAL001", metric="slope", limit=Limit(min=0.8, max=1.2), blocking=False, **why),
        Rule(
            id="attack", probe="ADV001", metric="robust_accuracy", where={"epsilon": 2.0}, limit=Limit(min=0.7), **why
        ),
        Rule(
            id="explanation",
            probe="XAI001",
            metric="deletion_advantage",
            where={"attribution": "integrated gradients"},
            limit=Limit(min=0.0),
            **why,
        ),
        Rule(id="localisation", probe="XAI003", metric="localisation_advantage", limit=Limit(min=0.0), **why),
        Rule(id="golden", probe="SETUP004", metric="faults", limit=Limit(max=0), **why),
        Rule(
            id="new-protocol", probe="SHIFT004", metric="transfer_gain", limit=Limit(min=-0.05), blocking=False, **why
        ),
        Rule(id="protocol-gap", probe="SHIFT001", metric="auc_gap", limit=Limit(min=-0.05), **why),
        Rule(id="rows-lost", probe="DATA003", metric="share_set_aside", limit=Limit(max=0.05), **why),
    )


def evidence(
    *,
    attribute: str = "sex",
    many: int = 0,
    keep: tuple[str, ...] | None = None,
    phantom: bool = True,
    waive: tuple[str, ...] = (),
    patients: bool = True,
) -> Evidence:
    """Return evidence as an audit would end: judged by the real judge.

    Args:
        attribute: Name of the first attribute, to plant hostile words.
        many: Further subgroups.
        keep: Rules of the policy, all by default.
        phantom: Whether the cases are simulated.
        waive: Rules with a waiver in force; the waiver of `worst-cell` has expired.
        patients: Whether patients are declared.
    """
    found = results(attribute, many)
    chosen = tuple(r for r in rules(attribute) if keep is None or r.id in keep)
    waivers = tuple(
        Waiver(rule=r, owner="A. Clinician", reason="second reader in place", expires=dt.date(2027, 3, 1))
        for r in waive
    )
    if keep is None:
        waivers += (
            Waiver(
                rule="worst-cell",
                owner="A. Clinician",
                reason="until more cases are read",
                expires=dt.date(2026, 10, 1),
            ),
        )
    policy = Policy(
        name="release gate v3", rules=chosen, waivers=waivers, allow_not_applicable=("SETUP004",), digest="5f" * 32
    )
    findings = judge(found, policy, today=TODAY, input_range=(0, 255))
    counts = {"n": 800, "n_patients": 500, "n_positive": 200}
    return Evidence(
        run={
            "version": "0.1.0",
            "seed": 1,
            "profile": "standard",
            "budget": {"profile": "standard", "resamples": 2000, "attack_cases": 600, "explain_cases": None},
            "command": "audit run audit.toml --profile standard --seed 1",
            "machine": {"python": "3.11.9", "system": "Linux", "packages": {"numpy": "2.4.1", "torch": "2.14.1"}},
            "started": "2026-11-22T14:05:11+00:00",
            "evidence_digest": "9e" * 32,
            "unattainable": [],
            "intended_use": {"statement": "Triage of MRI brain scans before the first reading."},
        },
        model={
            "name": "lesion-burden",
            "version": "1.4.0",
            "task": "binary",
            "output": "logits",
            "kind": "torch",
            "access": "GRADIENT",
            "classes": ["low", "high"],
            "operating_point": 0.42,
            "operating_point_source": "validation split, 3 November 2026",
            "digest": "9f3c71ab" * 8,
            "phantom": phantom,
            "notes": [],
            "input": {"modality": "mr", "unit": "grey level", "range": [0, 255], "size": [96, 96], "channels": 1},
        },
        cohort={
            "name": "site-B hold-out",
            "digest": "ab" * 32,
            "n": 1266,
            "n_patients": 800 if patients else 1266,
            "patient_declared": patients,
            "phantom": phantom,
            "remarks": [],
            "ledger": {"read": 1280, "used": 1266, "set_aside": {"the image cannot be read": 9, "no target": 5}},
            "design": "case-control",
            "reference_method": "two readers, a third on disagreement",
            "targets": [{"class": "low", "n": 866, "n_patients": 520}, {"class": "high", "n": 400, "n_patients": 400}],
            "attributes": [
                {
                    "name": attribute,
                    "roles": ["protected", "confounder"],
                    "reason": "head size",
                    "levels": [{"level": "female", **counts}, {"level": "male", **counts}],
                },
                {
                    "name": "protocol",
                    "roles": ["protocol", "confounder"],
                    "reason": "site habit",
                    "levels": [{"level": "A", **counts}, {"level": "B", **counts}],
                },
                {
                    "name": "age",
                    "roles": ["protected"],
                    "unit": "years",
                    "levels": [{"level": "[0, 40)", **counts}, {"level": "(missing)", "n": 3, "n_patients": 3}],
                },
            ],
        },
        policy=policy,
        results=found,
        findings=findings,
        verdict=decide(findings, found, policy),
        not_tested=(
            NotTested(what="Leave one protocol out (SHIFT004)", why="the time budget was spent", probe="SHIFT004"),
            NotTested(what="skin tone, ethnicity", why="not in the manifest"),
            NotTested(what="image reconstruction and synthesis", why="out of scope of this suite"),
        ),
    )


def passing(**more: Any) -> Evidence:
    """Return evidence that ends in PASS."""
    keep = ("auc", "sensitivity", "leaning-protocol", "explanation", "protocol-gap", "rows-lost", *more.pop("also", ()))
    made = evidence(keep=keep, **more)
    found = tuple(r for r in made.results if r.state != "error")
    return replace(made, results=found, verdict=decide(made.findings, found, made.policy))


def undecided(**more: Any) -> Evidence:
    """Return evidence that ends in INCONCLUSIVE."""
    return evidence(keep=("auc", "sensitivity", "gap-by-age", "localisation"), **more)


def saved() -> Evidence:
    """Return evidence in which eight probes lack images, two were not selected, one has its reason, one crashed."""
    made = evidence()
    crashed = next(r.probe for r in made.results if r.state == "error")
    images = "it needs answers to new images, which this model does not give"
    said = [NotTested(what=f"Thing {i} (ADV{i:03d})", why=images, probe=f"ADV{i:03d}") for i in range(1, 9)]
    said += [
        NotTested(what=f"Part {i} (XAI{i:03d})", why="not selected, and no rule asks for it", probe=f"XAI{i:03d}")
        for i in (4, 5)
    ]
    said += [
        NotTested(what="Comparators (PERF005)", why="no comparator is declared", probe="PERF005"),
        NotTested(what="A crash", why="RuntimeError", probe=crashed),
        NotTested(what="use by readers", why="only the model was audited"),
    ]
    return replace(made, not_tested=tuple(said))


def empty() -> Evidence:
    """Return evidence of an audit in which nothing ran and nothing was asked."""
    policy = Policy()
    return Evidence(policy=policy, verdict=decide((), (), policy))
