"""P62: how a protected attribute was recorded stands beside it."""

from __future__ import annotations

from pathlib import Path

from audit import session
from audit.config import load_audit
from tests.session._make import evidence_of, write


def test_an_inferred_attribute_says_so_in_evidence_and_report(tmp_path: Path) -> None:
    """`recorded_by` reaches the reader; where it is not declared nothing is made up."""
    path = write(tmp_path, n=120)
    path.write_text(path.read_text().replace("sex = {", 'sex = { recorded_by = "inferred from the first name",'))
    folder = session.run_config(load_audit(path), out=tmp_path / "run").folder
    recorded = {a["name"]: a["recorded_by"] for a in evidence_of(folder)["cohort"]["attributes"]}
    assert recorded == {"sex": "inferred from the first name", "site": ""}
    assert "inferred from the first name" in (folder / "report.html").read_text(encoding="utf-8")
