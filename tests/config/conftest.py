"""A folder with a complete audit.toml for saved predictions."""

from pathlib import Path

import pytest

SCORES = "case_id,patient_id,score,label,sex,age,scanner\n" + "".join(
    f"c{i},p{i},{0.05 + 0.9 * (i % 10) / 10:.3f},{i % 2},{'FM'[i % 2]},{30 + i},{'AB'[i % 2]}\n" for i in range(20)
)
AUDIT = """
[intended_use]
statement = "triage"
prevalence = { value = 0.04, low = 0.02, high = 0.08, source = "registry" }

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
positive = [1]
patient = "patient_id"
[cohort.sampling]
design = "case-control"
[cohort.attributes]
sex = { role = "protected", also = ["confounder"], reason = "one ward" }
age = { role = "protected", bins = [0, 40, 60, 120], unit = "years" }

[audit]
policy = "policy.toml"
profile = "standard"
seed = 3
"""
POLICY = """
name = "gate"
confidence = 0.95
[not_applicable]
allow = ["XAI*"]
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = { min = 0.8 }
min_patients = 50
rationale = "because"
margin_source = "literature"
[[rule]]
id = "robust"
probe = "ADV001"
metric = "robust_auc"
where = { epsilon = "2/255" }
limit = { min = 0.7, max = 1 }
[[waiver]]
rule = "robust"
owner = "M. Curie"
reason = "accepted"
expires = 2027-03-01
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose audit.toml is right."""
    (tmp_path / "scores.csv").write_text(SCORES)
    (tmp_path / "audit.toml").write_text(AUDIT)
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path
