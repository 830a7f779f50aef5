"""A cohort and a model that are quick to audit, without torch."""

from __future__ import annotations

import json

import numpy as np

CONFIG = """
[model]
kind = "predictions"
path = "scores.csv"
case = "case_id"
score = "score"
task = "binary"
classes = ["negative", "positive"]
output = "probabilities"
operating_point = 0.5
[cohort]
manifest = "scores.csv"
case = "case_id"
target = "label"
positive = ["1"]
patient = "patient_id"
[cohort.attributes]
sex = { role = "protected", also = ["confounder"], reason = "more men than women were referred with disease" }
site = { role = "protocol" }
[audit]
policy = "policy.toml"
profile = "smoke"
"""
POLICY = """
name = "small gate"
[not_applicable]
allow = ["XAI*", "ADV*"]
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = { min = LIMIT }
min_patients = 50
rationale = "a test"
[[rule]]
id = "gap"
probe = "FAIR001"
metric = "sensitivity_gap"
where = { attribute = "sex" }
limit = { min = -0.25 }
rationale = "a test"
[[rule]]
id = "attack"
probe = "ADV001"
metric = "robust_accuracy"
limit = { min = 0.5 }
rationale = "a test"
"""


def write(folder, *, limit=0.6, n=600, seed=0, sexes=("female", "male"), scores=None, rows=None):
    """Write scores.csv, audit.toml and policy.toml; return the path of audit.toml."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    sex = rng.choice(np.array(sexes), n)
    site = rng.choice(np.array(["A", "B"]), n)
    p = 1 / (1 + np.exp(-(2.4 * (labels - 0.5) + rng.normal(0, 1, n)))) if scores is None else np.asarray(scores)
    lines = ["case_id,patient_id,label,score,sex,site"]
    lines += [f"CASE-{i:04d},PAT-{i // 2:04d},{labels[i]},{p[i]},{sex[i]},{site[i]}" for i in range(n)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.csv").write_text("\n".join(lines + list(rows or [])) + "\n", encoding="utf-8")
    (folder / "audit.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "policy.toml").write_text(POLICY.replace("LIMIT", str(limit)), encoding="utf-8")
    return folder / "audit.toml"


def evidence_of(folder):
    """Return evidence.json as plain values."""
    return json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
