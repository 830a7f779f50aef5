"""Files of predictions that other programs pass, and that no audit may."""

from __future__ import annotations

import pytest

from audit.config import load_audit
from audit.session import run_config
from benchmarks.statistics import cases, ours


def _audited(table, folder):
    table.write(folder / "predictions.csv")
    return run_config(load_audit(ours.prepare(folder)), out=folder / "run", profile="smoke")


@pytest.mark.parametrize("make", cases.FAIL_OPEN, ids=lambda make: make.__name__)
def test_a_planted_fault_never_passes(make, tmp_path):
    """FAIL or INCONCLUSIVE, with a rule or a reason that blocks."""
    assert _audited(make(), tmp_path).verdict.outcome in ("FAIL", "INCONCLUSIVE")


def test_a_sound_table_passes_the_same_policy(tmp_path):
    """The policy can be passed, so that the verdicts on the faults mean something."""
    assert _audited(cases.sound(), tmp_path).verdict.outcome == "PASS"


def test_a_small_site_that_is_all_wrong_is_not_called_equal(tmp_path):
    """Nineteen patients all missed are enough for a FAIL of the gap."""
    found = _audited(cases.nineteen_missed(), tmp_path)
    assert {f.rule: f.status for f in found.findings}["sensitivity-gap"] == "FAIL"
