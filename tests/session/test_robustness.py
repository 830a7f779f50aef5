"""Robust accuracy judged from end to end: trained passes, undefended fails, misleading neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import audit
from audit.core import Limit, Policy, Rule, ThreatModel
from audit.testing import network, network_cohort

POLICY = Policy(
    name="robustness",
    allow_not_applicable=("SETUP004", "DATA010"),
    rules=(
        Rule(
            id="robust", probe="ADV001", metric="robust_accuracy", where={"parameter": "headline"},
            limit=Limit(min=0.3), blocking=True, rationale="a floor",
        ),
    ),
)  # fmt: skip
THREAT = ThreatModel(who="whoever handles the file", pixels="all of them, by 2/255", where="before the model")


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("undefended", "FAIL"),
        pytest.param("adversarially-trained", "PASS", marks=pytest.mark.slow),
        pytest.param("sign-and-live", "INCONCLUSIVE", marks=pytest.mark.slow),
    ],
)
def test_a_release_rests_on_an_attack_that_can_be_believed(
    name: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict of the whole run, not of one rule: nothing else takes the PASS of a sturdy model away."""
    monkeypatch.chdir(tmp_path)
    cohort = network_cohort(np.random.default_rng(0), n=40)
    run = audit.run(
        network(name), cohort, policy=POLICY, probes="ADV001", profile="smoke", threat_model=THREAT, out=tmp_path / "o"
    )
    (finding,) = [f for f in run.findings if f.rule == "robust"]
    assert (finding.status, run.verdict.outcome) == (outcome, outcome)
