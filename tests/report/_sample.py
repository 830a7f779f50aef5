"""Synthetic evidence: every state, every status, hostile words, sixty subgroups; every number is invented."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core import (
    COUNT,
    Access,
    Evidence,
    Levels,
    Limit,
    Measurement,
    NotTested,
    Policy,
    ProbeInfo,
    ProbeResult,
    Rule,
    StoredArtifact,
    Waiver,
    contrast_key,
)
from audit.judge import decide, judge

HOSTILE = "<script>alert(1)</script>"
TODAY = dt.date(2026, 11, 22)
LEVELS = Levels()


def curve(value: float, half: float, low: float, high: float) -> tuple[tuple[float, float, float], ...]:
    """Return an invented curve: a normal interval cut at the ends of the scale."""
    from scipy.stats import norm

    rungs = []
    for level in LEVELS.rungs:
        width = half * float(norm.isf(level)) / 1.96
        rungs.append((level, max(low, value - width), min(high, value + width)))
    return tuple(rungs)


def measured(
    metric: str,
    value: float | None,
    half: float = 0.03,
    *,
    n: int = 800,
    k: float | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    method: str = "Korn-Graubard",
    missing: str | None = None,
    patients: int | None = None,
    **more: Any,
) -> Measurement:
    """Return an invented measurement."""
    people = n if patients is None else patients
    if value is None:
        return Measurement(
            metric=metric,
            value=None,
            method=method,
            n=n,
            n_patients=people,
            missing=missing or "no positive case",
            **more,
        )
    if method == COUNT:
        return Measurement(
            metric=metric, value=value, low=value, high=value, method=COUNT, n=n, n_patients=people, k=k, **more
        )
    rungs = curve(value, half, *bounds)
    point = next(r for r in rungs if r[0] == LEVELS.pointwise)
    return Measurement(
        metric=metric,
        value=value,
        low=point[1],
        high=point[2],
        curve=rungs,
        method=method,
        k=k,
        n=n,
        n_patients=people,
        **more,
    )


def info(code: str, name: str, title: str, question: str, *metrics: str, **more: Any) -> ProbeInfo:
    """Return the catalogue entry of an invented probe."""
    return ProbeInfo(
        code=code,
        name=name,
        family=code.rstrip("0123456789"),
        tasks=("binary",),
        metrics=metrics,
        title=title,
        question=question,
        method=f"{title} is measured on every case; patients are the unit.",
        limits="A single cohort says nothing of others.",
        references=("Obuchowski 1997, Biometrics 53:567",),
        **more,
    )


def artifact(name: str, title: str, *columns: str, pixels: bool = False, **meta: Any) -> StoredArtifact:
    """Return the entry of an invented artifact."""
    sha = f"{abs(hash((name, title))) % 16**8:064x}"
    return StoredArtifact(
        name=name, title=title, file=f"artifacts/{sha}.npz", sha256=sha, columns=columns, meta=meta, pixels=pixels
    )


def arrays(stored: StoredArtifact) -> Mapping[str, NDArray[Any]]:
    """Return the invented arrays of an artifact, by its name."""
    rng = np.random.default_rng(3)
    x = np.linspace(0, 1, 60)
    yy, xx = np.mgrid[:48, :48] / 47 - 0.5
    images = np.stack([np.exp(-((xx - s) ** 2 + yy**2) * 18) * 220 for s in (-0.1, 0.0, 0.12)])
    noise = rng.normal(0, 6, images.shape)
    made: dict[str, dict[str, Any]] = {
        "roc_curve": {"fpr": x, "tpr": x**0.22},
        "reliability_curve": {
            "predicted": np.linspace(0.05, 0.95, 10),
            "observed": np.linspace(0.05, 0.95, 10) ** 1.2,
            "low": np.linspace(0.05, 0.95, 10) ** 1.2 * 0.85,
            "high": np.minimum(1, np.linspace(0.05, 0.95, 10) ** 1.2 + 0.07),
            "n": np.full(10, 80),
        },
        "stratum_matrix": {
            "auc": np.array(
                [[0.91, 0.97, 0.84, 0.95], [0.66, 0.9, 0.6, 0.88], [0.96, 0.98, 0.91, 0.97], [0.58, np.nan, 0.52, 0.9]]
            ),
            "n_cases": np.array([210, 190, 205, 195]),
            "n_controls": np.array([200, 200, 190, 18]),
        },
        "deletion_curve": {
            "fraction": x,
            "attribution": np.exp(-4 * x),
            "edge": np.exp(-1.6 * x),
            "random": 1 - 0.8 * x,
        },
        "score_distribution": {
            "edges": np.linspace(0, 1, 21),
            "negatives": np.histogram(rng.beta(2, 5, 600), np.linspace(0, 1, 21))[0],
            "positives": np.histogram(rng.beta(5, 2, 200), np.linspace(0, 1, 21))[0],
        },
        "adversarial_examples": {
            "images": images.astype(np.uint8)[:, None],
            "perturbed": np.clip(images + noise, 0, 255).astype(np.uint8)[:, None],
            "perturbation": (128 + 8 * noise).astype(np.uint8)[:, None],
            "score": np.array([0.91, 0.84, 0.77]),
            "score_attacked": np.array([0.12, 0.3, 0.41]),
        },
        "attribution_examples": {
            "images": images.astype(np.uint8),
            "attribution": np.roll(images, 3, 2),
            "sex": np.array(["female", "male", HOSTILE]),
        },
        "subgroup_test": {"n_patients": np.array([410, 390])},
        "acme_numbers": {"dose": np.linspace(0, 1, 5), "answer": np.array([1.0, 0.9, 0.7, np.nan, 0.2])},
        "broken": {"auc": np.zeros((2, 3))},
    }
    if stored.title == "A matrix that is none":
        return made["broken"]
    return made[stored.name]


def _gaps(attribute: str, levels: dict[str, tuple[float, float, int]], metric: str) -> list[Measurement]:
    names = list(levels)
    key = contrast_key(attribute, names, metric) if len(names) == 2 else None
    return [
        measured(
            metric,
            v,
            half,
            n=n,
            bounds=(-1, 1),
            method="MOVER of Wilson, effective n",
            subgroup={attribute: level},
            condition={"n_rest": 800 - n},
            simultaneous=(v - 1.3 * half, v + 1.3 * half),
            contrast=key,
        )
        for level, (v, half, n) in levels.items()
    ]


def results(attribute: str = "sex", many: int = 0) -> tuple[ProbeResult, ...]:
    """Return one result of every state, over all nine families."""
    site = {f"hospital {i:02d}": (0.08 * np.sin(i), 0.05 + 0.002 * i, 12 + i) for i in range(many)}
    gaps = _gaps(attribute, {"female": (-0.142, 0.058, 390), "male": (0.142, 0.058, 410)}, "sensitivity_gap")
    gaps += _gaps(
        "age",
        {"[0, 40)": (0.02, 0.09, 120), "[40, 60)": (0.01, 0.07, 380), "[60, 120]": (-0.05, 0.08, 300)},
        "sensitivity_gap",
    )
    gaps.append(
        measured(
            "sensitivity_gap",
            None,
            n=3,
            subgroup={"age": "(missing)"},
            missing="3 patients with a positive case, 5 are needed",
        )
    )
    gaps += _gaps(attribute, {"female": (0.01, 0.04, 400), "male": (-0.01, 0.04, 400)}, "specificity_gap")
    gaps += _gaps("hospital", dict(site), "sensitivity_gap") if site else []
    epsilons = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    robust = [
        measured(
            metric,
            max(0.01, base * 0.72**i - 0.02),
            0.05,
            n=400,
            k=round(400 * max(0.01, base * 0.72**i - 0.02)),
            condition={"epsilon": e, "epsilon_unit": "grey level", "attack": "PGD, margin"},
        )
        for metric, base in (("robust_accuracy", 0.88), ("robust_sensitivity", 0.84))
        for i, e in enumerate(epsilons)
    ]
    robust += [
        measured("certificate_identity", 0, n=400, method=COUNT),
        measured("certificate_large_epsilon", 0.005, 0.008, n=400, k=2),
        measured("certificate_gradient", 1, n=400, k=400, method=COUNT),
    ]
    return (
        ProbeResult(
            info=info("DATA003", "cases-lost", "Cases lost", "Did every row of the manifest count?", "share_set_aside"),
            state="completed",
            measurements=(measured("share_set_aside", 14 / 1280, n=1280, k=14, method=COUNT),),
        ),
        *(
            ProbeResult(
                info=info(f"SETUP00{i}", name, title, question, "faults"),
                state="completed",
                measurements=(measured("faults", 0, n=64, method=COUNT),),
            )
            for i, name, title, question in (
                (1, "output-kind", "Output kind", "Does it answer in the way that was declared?"),
                (2, "not-deterministic", "Determinism", "Does it give the same answer twice?"),
                (3, "label-order", "Label order", "Is the order of the labels right?"),
            )
        ),
        ProbeResult(
            info=info("SETUP004", "golden-batch", "Golden batch", "Does it reproduce its known answers?", "faults"),
            state="not_applicable",
            reason="no golden batch is declared",
        ),
        ProbeResult(
            info=info(
                "PERF001",
                "headline-performance",
                "Headline performance",
                "How good is it on this cohort?",
                "auc",
                "sensitivity",
                "specificity",
                "ppv",
                "accuracy_in_sample",
            ),
            state="completed",
            artifacts=(
                artifact("roc_curve", "ROC curve", "fpr", "tpr"),
                artifact("score_distribution", "Scores by reference standard"),
            ),
            measurements=(
                measured("auc", 0.912, 0.02, method="Obuchowski, logit scale, t", n=1266, patients=800),
                measured("sensitivity", 342 / 400, 0.036, n=400, k=342),
                measured("specificity", 741 / 866, 0.026, n=866, k=741, patients=520),
                measured("ppv", None, missing="no prevalence is declared"),
                measured("accuracy_in_sample", 1083 / 1266, 0.02, n=1266, k=1083, patients=800),
            ),
        ),
        ProbeResult(
            info=info(
                "CAL001",
                "miscalibration",
                "Miscalibration",
                "Can its probabilities be taken at their word?",
                "slope",
                "intercept_in_sample",
                "ece",
            ),
            state="completed",
            artifacts=(artifact("reliability_curve", "Reliability curve"),),
            measurements=(
                measured("slope", 0.93, 0.11, bounds=(-9, 9), method="cluster sandwich, t"),
                measured("intercept_in_sample", -0.08, 0.19, bounds=(-9, 9), method="cluster sandwich, t"),
                measured("ece", 0.021, 0.014, method="patient bootstrap of the debiased square"),
            ),
        ),
        ProbeResult(
            info=info(
                "FAIR001",
                "operating-point-gap",
                "Gap at the operating point",
                "Does it miss more in one group of patients than in the rest?",
                "sensitivity_gap",
                "specificity_gap",
                "sensitivity",
            ),
            state="completed",
            artifacts=(
                artifact(
                    "subgroup_test",
                    f"Are all levels of {attribute} equal in sensitivity?",
                    "n_patients",
                    attribute=attribute,
                    p=0.012,
                    levels="female|male",
                ),
            ),
            measurements=tuple(gaps),
        ),
        ProbeResult(
            info=info(
                "CONF001",
                "balanced-resampling",
                "Balanced resampling",
                "Does it lean on a confounder?",
                "confounder_cost",
                "worst_cross_auc",
                "auc_drop",
            ),
            state="completed",
            artifacts=(
                artifact(
                    "stratum_matrix",
                    "AUC of cases of one level against controls of another",
                    "auc",
                    attribute="(joint)",
                    levels="female, A|female, B|male, A|male, B",
                ),
            ),
            measurements=(
                measured(
                    "confounder_cost",
                    0.031,
                    0.012,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": attribute},
                ),
                measured(
                    "confounder_cost",
                    0.004,
                    0.009,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "protocol"},
                ),
                measured(
                    "confounder_cost",
                    0.059,
                    0.017,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "(joint)"},
                ),
                measured(
                    "worst_cross_auc",
                    0.524,
                    0.07,
                    method="Obuchowski at the Bonferroni level",
                    condition={"attribute": "(joint)", "stratum": "cases male, B x controls male, A"},
                ),
                measured(
                    "auc_drop",
                    0.021,
                    0.01,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "(joint)"},
                ),
            ),
        ),
        ProbeResult(
            info=info(
                "ADV001",
                "linf-evasion",
                "Evasion within a box",
                "How small a change of every pixel defeats it?",
                "robust_accuracy",
                "robust_sensitivity",
                "certificate_identity",
                "certificate_large_epsilon",
                "certificate_gradient",
                access=Access.GRADIENT,
            ),
            state="completed",
            measurements=tuple(robust),
            artifacts=(
                artifact(
                    "adversarial_examples",
                    "Phantom images, the same under attack, and the perturbation (mid grey: none)",
                    pixels=True,
                    epsilon=2.0,
                ),
                artifact("broken_curve", "Never stored"),
            ),
        ),
        ProbeResult(
            info=info(
                "XAI001",
                "unfaithful-attribution",
                "Unfaithful attribution",
                "Do its explanations name the pixels that decide?",
                "deletion_advantage",
                access=Access.GRADIENT,
            ),
            state="completed",
            artifacts=(
                artifact("deletion_curve", "Deletion curve"),
                artifact("attribution_examples", "Explained phantom images", pixels=True),
            ),
            measurements=tuple(
                measured(
                    "deletion_advantage",
                    v,
                    0.05,
                    n=200,
                    bounds=(-1, 1),
                    method="paired t by patient",
                    condition={"attribution": a},
                )
                for a, v in (("integrated gradients", 0.13), ("saliency", 0.03), ("input x gradient", 0.06))
            ),
        ),
        ProbeResult(
            info=info(
                "XAI003",
                "mislocalised",
                "Mislocalised",
                "Do its explanations lie on the lesion?",
                "localisation_advantage",
            ),
            state="error",
            reason="RuntimeError: a layer was reused",
        ),
        ProbeResult(
            info=info(
                "SHIFT001",
                "protocol-matrix",
                "Protocol matrix",
                "Is it worse on one protocol than on the rest?",
                "auc_gap",
                "score_offset",
            ),
            state="completed",
            artifacts=(
                artifact("acme_numbers", "Numbers of a third party"),
                artifact("stratum_matrix", "A matrix that is none"),
                artifact("broken", "A cube of a third party"),
            ),
            measurements=(
                *_gaps("protocol", {"A": (0.004, 0.03, 420), "B": (-0.004, 0.03, 380)}, "auc_gap"),
                *_gaps("protocol", {"A": (0.12, 0.15, 420), "B": (-0.12, 0.15, 380)}, "score_offset"),
            ),
        ),
        ProbeResult(
            info=info(
                "SHIFT004",
                "leave-one-protocol-out",
                "Leave one protocol out",
                "Would it work on a protocol it never saw?",
                "transfer_gain",
            ),
            state="not_run",
            reason="the time budget was spent",
            selected=False,
        ),
    )


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


def empty() -> Evidence:
    """Return evidence of an audit in which nothing ran and nothing was asked."""
    policy = Policy()
    return Evidence(policy=policy, verdict=decide((), (), policy))
