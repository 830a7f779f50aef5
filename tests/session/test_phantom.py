"""`[cohort] phantom = true`: whatever is printed of a simulated cohort says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import session
from audit.config import load_audit
from audit.evidence import summary
from tests.cli.conftest import AUDIT, POLICY, rows, write_scores


def run(root: Path, *, phantom: str) -> session.Run:
    """Audit saved predictions whose [cohort] has one more line."""
    write_scores(root / "scores.csv", rows(80))
    (root / "audit.toml").write_text(AUDIT.replace('positive = ["1"]', f'positive = ["1"]\n{phantom}'))
    (root / "policy.toml").write_text(POLICY)
    return session.run_config(load_audit(root / "audit.toml"), out=root / "run", probes="PERF001")


def test_a_simulated_cohort_says_so_everywhere(tmp_path: Path) -> None:
    """Model and cohort of the evidence are phantoms, and report and summary print the word."""
    evidence = run(tmp_path, phantom="phantom = true")
    assert evidence.model["phantom"] is True
    assert evidence.cohort["phantom"] is True
    assert evidence.cohort["remarks"][0].startswith("phantom:")
    assert "(phantom)" in summary(evidence)
    assert "phantom" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["", "phantom = false"])
def test_others_do_not(tmp_path: Path, line: str) -> None:
    """Without the key, or with false, nothing is called a phantom."""
    evidence = run(tmp_path, phantom=line)
    assert evidence.model["phantom"] is False
    assert evidence.cohort["phantom"] is False
    assert "phantom" not in summary(evidence)
