"""Files of predictions that other programs pass, and that no audit may."""

from __future__ import annotations

import pytest

from audit.config import load_audit
from audit.session import run_config
from benchmarks.statistics import cases, ours


def _audited(table, folder, **asked):
    table.write(folder / "predictions.csv")
    return run_config(load_audit(ours.prepare(folder, **asked)), out=folder / "run", profile="smoke")


def _alone(table, folder, probe, metric, limit):
    """Return the run under a policy of one rule, with the probe of that rule beside those that always run."""
    rule = f'name = "one rule"\n[[rule]]\nid = "it"\nprobe = "{probe}"\nmetric = "{metric}"\nlimit = {{ {limit} }}\n'
    head, _ = ours.CONFIG.split("probes =")
    use = "[intended_use]\nprevalence = { value = 0.3 }\n"
    return _audited(table, folder, policy=rule, config=f'{head}probes = ["{probe}", "DATA003"]\n{use}')


# Each passes on the sound table, and would pass on the answered cases of the others.
ALONE = [
    ("PERF001", "sensitivity", "min = 0.8"), ("PERF001", "auc", "min = 0.9"), ("PERF001", "npv", "min = 0.8"),
    ("PERF002", "accuracy", "min = 0.8"), ("PERF010", "misses", "max = 60.0"), ("CAL001", "ece", "max = 0.1"),
    ("CAL003", "risk_at_coverage", "max = 0.15"), ("FAIR001", "sensitivity_gap", "min = -0.1"),
    ("FAIR002", "auc_gap", "min = -0.1"), ("FAIR004", "underdiagnosis_gap", "max = 0.1"),
    ("FAIR005", "sensitivity_gap", "min = -0.15"), ("FAIR006", "ranking_part", "min = -0.15"),
]  # fmt: skip


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


@pytest.mark.parametrize("rule", ALONE, ids=lambda rule: " ".join(rule[:2]))
def test_one_rule_alone_does_not_pass_where_most_of_the_ill_have_no_answer(rule, tmp_path):
    """Neither where their scores are missing nor where the model declined; with every case answered it passes."""
    for name, make in (("lost", cases.most_of_the_ill_unscored), ("declined", cases.most_of_the_ill_declined)):
        (tmp_path / name).mkdir()
        assert _alone(make(), tmp_path / name, *rule).verdict.outcome != "PASS"
    (tmp_path / "sound").mkdir()
    assert _alone(cases.sound(), tmp_path / "sound", *rule).verdict.outcome == "PASS"


@pytest.mark.parametrize("rule", [r for r in ALONE if r[1] not in ("ece", "auc_gap")], ids=lambda r: " ".join(r[:2]))
def test_the_number_itself_is_open_where_most_of_the_ill_have_no_answer(rule, tmp_path):
    """The rule is not met by the number, whatever bars a PASS beside it."""
    made = _alone(cases.most_of_the_ill_unscored(), tmp_path, *rule)
    assert [f.status for f in made.findings] == ["INCONCLUSIVE"]


def test_a_search_alone_does_not_pass_over_six_missed(tmp_path):
    """A site too small to be searched has no number, and the rule on the search is open."""
    made = _alone(cases.six_missed(), tmp_path, "FAIR005", "sensitivity_gap", "min = -0.15")
    assert [f.status for f in made.findings] == ["INCONCLUSIVE"]
    assert "too few to be searched" in made.findings[0].headline + (made.findings[0].lacking or "")
