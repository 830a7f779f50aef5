"""A small evidence of everything."""

from __future__ import annotations

import datetime as dt

import numpy as np

from audit.core import Artifact, Estimate, Evidence, Measurement, NotTested, Waiver, contrast_key
from audit.evidence import store_artifact, write_atomically, write_evidence
from audit.judge import decide, judge
from tests.judge._make import TODAY, count, estimate, measurement, policy, result, rule, setup_ok

HOSTILE = "<script>alert(1)</script>\x00|`"


def evidence(folder=None, **more):
    """Return evidence with every state and status."""
    gap = Measurement.of(
        estimate(-0.2, 0.02), metric="sensitivity_gap", level=0.95, subgroup={"sex": HOSTILE},
        condition={"n_rest": 30, "epsilon": 2.0, "epsilon_unit": "HU"}, simultaneous=(-0.3, -0.1),
        contrast=contrast_key("sex", ("a", "b"), "sensitivity_gap"),
    )  # fmt: skip
    missing = Measurement.of(
        Estimate.absent("no positives", method="x", n=3, n_patients=3), metric="specificity", level=0.95
    )
    perf = result(measurement(0.9, unit="share"), gap, missing)
    results = [
        setup_ok(), perf, result(code="CAL001", state="error", reason="ValueError: x"),
        result(code="SHIFT001", state="not_applicable", reason="no protocol"),
        result(code="XAI001", state="not_run", reason="not selected"),
    ]  # fmt: skip
    if folder is not None:
        import dataclasses

        stored = store_artifact(
            folder, Artifact(name="roc_curve", title="ROC", arrays={"fpr": np.arange(3.0)}, meta={"a": 1})
        )
        results[1] = dataclasses.replace(perf, artifacts=(stored,))
    p = policy(
        rule("sens"), rule("gap", metric="sensitivity_gap", low=-0.1),
        rule("spec", metric="specificity", min_patients=9),
        rule("cal", probe="CAL001"), rule("shift", probe="SHIFT001"), rule("xai", probe="XAI001", blocking=False),
        rule("gone", probe="ADV001"), rule("both", low=0.1, high=0.99),
        waivers=(Waiver(rule="gap", owner="Dr A", reason="known", expires=dt.date(2026, 12, 1)),
                 Waiver(rule="spec", owner="Dr A", reason="old", expires=dt.date(2026, 1, 1))),
        allow_not_applicable=("SHIFT*",), digest="d" * 64,
    )  # fmt: skip
    findings = judge(results, p, today=TODAY)
    given = {
        "run": {"seed": 1, "profile": "smoke", "version": "0.1.0", "started": "2026-11-22T10:00:00+00:00"},
        "model": {"name": f"m {HOSTILE}", "digest": "e" * 64, "input": {"range": [0.0, 255.0]}},
        "cohort": {"name": "c", "n": 200, "n_patients": 200,
                   "ledger": {"read": 210, "used": 200, "set_aside": {"no target": 10}}},
        "policy": p, "results": tuple(results), "findings": findings, "verdict": decide(findings, results, p),
        "not_tested": (NotTested(what="w", why=HOSTILE, probe="XAI001"),),
    }  # fmt: skip
    return Evidence(**{**given, **more})


def sealed(folder):
    """Write a finished run and return its evidence."""
    from audit.evidence import FILES, seal

    folder.mkdir(exist_ok=True)
    made = evidence(folder)
    write_evidence(folder, made)
    for name in FILES[1:]:
        write_atomically(folder / name, b"x")
    seal(folder)
    return made


__all__ = ["HOSTILE", "count", "evidence", "sealed"]
