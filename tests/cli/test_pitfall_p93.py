"""P93: the command line and Python come to the same numbers and the same verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit import session
from audit.config import load_audit
from audit.evidence import read_run

Said = tuple[int, str, str]


@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
def test_cli_and_python_agree(folder: Path, audit: Callable[..., Said], least: float) -> None:
    """One digest, one verdict and one exit code from `audit run`, `audit gate` and the two calls of Python."""
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text().replace("min = 0.5", f"min = {least}"))
    code, _, _ = audit("run", "audit.toml", "--out", "typed")
    made = session.run_config(load_audit(folder / "audit.toml"), out=folder / "called")
    typed = read_run(folder / "typed")
    assert typed.run["evidence_digest"] == made.run["evidence_digest"]
    assert code == typed.verdict.exit_code == made.verdict.exit_code == session.gate(folder / "typed").verdict.exit_code
    assert audit("gate", "called")[0] == code
    assert code == {0.5: 0, 0.9: 3, 0.99: 1}[least]
