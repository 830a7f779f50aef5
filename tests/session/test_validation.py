"""The suite's own validation holds on this installation, and would say so if it did not."""

from __future__ import annotations

import json
import os

import pytest

from audit.session.validation import _run
from audit.session.validation._check import Check
from audit.session.validation._faults import fault_checks
from audit.session.validation._gates import gate_checks
from audit.session.validation._intervals import interval_checks
from audit.testing import FAULTS


def test_every_planted_fault_is_in_it():
    """The healthy model and each fault of the testing kit have a check."""
    assert [c.check for c in fault_checks()] == ["planted model: healthy", *(f"planted fault: {f}" for f in FAULTS)]


@pytest.mark.parametrize("check", interval_checks(), ids=lambda c: c.check)
def test_intervals_hold_the_truth(check, tmp_path):
    """Coverage of 400 drawn cohorts is at least 95 % less three standard errors."""
    held, got = check.run(tmp_path)
    assert held, got


@pytest.mark.parametrize("name", ["planted fault: overconfident", "planted fault: weights-drift"])
def test_a_planted_fault_is_found(name, tmp_path):
    """One fault of a rule and one of the set-up."""
    held, got = next(c for c in fault_checks() if c.check == name).run(tmp_path)
    assert held, got


def test_a_changed_run_is_refused(tmp_path):
    """The check of the seal holds."""
    held, got = gate_checks()[-1].run(tmp_path)
    assert held, got


@pytest.mark.slow
def test_all_of_it_holds():
    """Every check, as `audit doctor --validate` carries it out."""
    found = _run.validate()
    assert [c["check"] for c in found["checks"] if not c["held"]] == []
    assert found["held"]


def test_a_check_that_does_not_hold_or_breaks_is_told(monkeypatch):
    """The file says held false; nothing is left in the environment."""
    before = dict(os.environ)

    def breaks(folder):
        raise RuntimeError("planted")

    def check(run):
        return Check(requirement="r", check="c", expected="e", run=run)

    monkeypatch.setattr(_run, "fault_checks", lambda: (check(breaks), check(lambda f: (True, "fine"))))
    monkeypatch.setattr(_run, "interval_checks", lambda: (check(lambda f: (False, "no")),))
    monkeypatch.setattr(_run, "gate_checks", tuple)
    found = _run.validate()
    assert [c["held"] for c in found["checks"]] == [False, True, False]
    assert found["checks"][0]["got"] == "broke: RuntimeError: planted"
    assert found["held"] is False
    assert dict(os.environ) == before
    assert json.loads(json.dumps(found)) == found
