"""A folder with saved predictions and the two files that audit them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.cli import main

AUDIT = """
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
sex = { role = "protected" }
scanner = { role = "protocol" }
[audit]
policy = "policy.toml"
profile = "smoke"
"""
POLICY = """
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = { min = 0.5 }
rationale = "a floor"
"""


def rows(n: int = 240) -> list[list[str]]:
    """Return cases of two sexes and two scanners whose scores follow the label but for one case in ten."""
    made = []
    for i in range(n):
        label = i % 2
        right = (i // 2) % 10 != 0
        score = 0.9 - 0.001 * (i % 97) if label == right else 0.1 + 0.001 * (i % 89)
        made.append([f"case{i}", f"pat{i}", f"{score:.4f}", str(label), "FM"[(i // 3) % 2], "AB"[(i // 5) % 2]])
    return made


def write_scores(path: Path, cells: list[list[str]]) -> None:
    """Write a manifest with its header."""
    lines = ["case_id,patient_id,score,label,sex,scanner", *(",".join(r) for r in cells)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with everything that `audit run audit.toml` needs; keys are made in it, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDIT_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_scores(tmp_path / "scores.csv", rows())
    (tmp_path / "audit.toml").write_text(AUDIT)
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


Said = tuple[int, str, str]


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command; gives exit code, stdout and stderr."""

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(w) for w in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
