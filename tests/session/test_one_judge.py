"""`audit run`, `audit gate`, the Python API and the pytest plugin agree to the letter: outcome, findings, exit code."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit
from audit import pytest_plugin, session
from audit.cli import main
from audit.config import load_audit, load_policy
from audit.core import EXIT_CODES
from audit.evidence import read_run
from tests.session._make import write
from tests.verification._runs import PROBES, make, scores

DAY = dt.datetime.now(dt.UTC).date()
METRICS = [
    ("PERF001", "sensitivity", ""), ("PERF001", "specificity", ""), ("PERF001", "auc", ""),
    ("FAIR001", "sensitivity_gap", 'attribute = "sex"'), ("CONF001", "confounder_cost", ""),
    ("SHIFT001", "auc_gap", 'attribute = "site"'), ("DATA003", "share_set_aside", ""), ("CAL001", "slope", ""),
    ("ADV001", "robust_accuracy", ""), ("XAI001", "deletion_advantage", ""),
]  # fmt: skip
ALLOWED = ["[]", '["ADV*"]', '["ADV*", "XAI*"]']


@st.composite
def policies(draw):
    """Draw policies of one to five rules, with waivers in force and expired, and accepted absences."""
    lines = [
        'name = "drawn"',
        "[not_applicable]",
        "allow = " + draw(st.sampled_from(ALLOWED)),
    ]
    for i in range(draw(st.integers(1, 5))):
        probe, metric, where = draw(st.sampled_from(METRICS))
        side = draw(st.sampled_from(["min", "max"]))
        lines += [
            "[[rule]]", f'id = "r{i}"', f'probe = "{probe}"', f'metric = "{metric}"',
            f"where = {{ {where} }}" if where else "", f"limit = {{ {side} = {draw(st.floats(-0.5, 1.5)):.3f} }}",
            f"min_patients = {draw(st.sampled_from([0, 0, 30, 5000]))}",
            f"blocking = {draw(st.sampled_from(['true', 'true', 'false']))}", 'rationale = "drawn"',
        ]  # fmt: skip
        if draw(st.integers(0, 3)) == 0:
            day = DAY + dt.timedelta(days=draw(st.sampled_from([-30, 30])))
            lines += ["[[waiver]]", f'rule = "r{i}"', 'owner = "Dr A"', 'reason = "drawn"', f"expires = {day}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run on saved predictions that every drawn policy judges."""
    return make(tmp_path_factory.mktemp("judge") / "a")


def seen_by_pytest(evidence):
    """Return what the plugin makes of each finding and of the verdict: pass, fail or skip."""
    config = SimpleNamespace(stash={pytest_plugin._AUDITS: SimpleNamespace(evidence=lambda asked: evidence)})
    said = {}
    for rule in [*(f.rule for f in evidence.findings), None]:
        try:
            pytest_plugin._check(config, pytest_plugin._Asks(asked=None, rule=rule))
            said[rule] = "passed"
        except pytest.skip.Exception as skipped:
            said[rule] = f"skipped {skipped.msg}"
        except pytest.fail.Exception as failed:
            said[rule] = f"failed {failed.msg}"
    return said


@settings(max_examples=40)
@given(policies())
def test_all_four_agree_on_drawn_policies(run, text):
    """The judge that ran inside of `audit run` is the one that judges again, from the evidence alone."""
    file = run.parent / "drawn.toml"
    file.write_text(text)
    rules = load_policy(file)
    api = audit.gate(run, file)
    typed = session.gate(run, rules)
    assert typed.findings == api.findings
    assert typed.verdict == api.verdict
    assert main(["gate", str(run), "--policy", str(file)]) == api.verdict.exit_code == EXIT_CODES[api.verdict.outcome]
    seen = seen_by_pytest(api)
    assert (seen[None] == "passed") == (api.verdict.outcome == "PASS")
    for f in api.findings:
        stands = f.rule in api.verdict.blocking
        assert (seen[f.rule].startswith("failed")) == stands, f
        assert (seen[f.rule] == "passed") == (f.status == "PASS")
        assert f.status == "PASS" or f.headline in seen[f.rule]


@pytest.mark.parametrize("limit", [0.5, 0.8, 0.99])
def test_a_run_says_what_its_gate_says(tmp_path, limit):
    """Outcome, findings and exit code of `audit run` are those of `audit gate` and of the API, for each outcome."""
    path = write(tmp_path / "a", n=240, limit=limit, scores=scores(240))
    folder = tmp_path / "run"
    code = main(["run", str(path), "--out", str(folder), "--probes", PROBES])
    written, again = read_run(folder), audit.gate(folder)
    assert written.findings == again.findings
    assert written.verdict == again.verdict
    assert written.family == again.family
    assert code == main(["gate", str(folder)]) == again.verdict.exit_code
    made = session.run_config(load_audit(path), out=tmp_path / "api", probes=PROBES)
    assert made.findings == again.findings
    assert made.verdict == again.verdict
    assert (seen_by_pytest(again)[None] == "passed") == (code == 0)
