"""A table of scores, labels, patients, sex, age and site alone: performance, calibration and subgroups in full."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audit import session
from audit.config import load_audit, policy_from
from audit.session._run import Run
from tests.session._make import evidence_of

CONFIG = """
[model]
kind = "predictions"
path = "scores.csv"
score = "score"
task = "binary"
output = "probabilities"
operating_point = 0.4
operating_point_source = "another cohort"
[cohort]
manifest = "scores.csv"
target = "label"
patient = "patient"
[cohort.attributes]
sex = { role = "protected" }
age = { role = "protected", bins = [0, 40, 60, 120], unit = "years" }
site = { role = "protocol" }
[audit]
policy = "policy.toml"
profile = "smoke"
"""
RULES = (
    ("auc", "PERF001", "auc", "", "min = 0.8"), ("slope", "CAL001", "slope", "", "min = 0.7, max = 1.4"),
    ("sex-gap", "FAIR001", "sensitivity_gap", "attribute = 'sex'", "min = -0.12"),
    ("sex-floor", "FAIR001", "sensitivity", "attribute = 'sex'", "min = 0.6"),
    ("site-gap", "SHIFT001", "auc_gap", "attribute = 'site'", "min = -0.1"),
)  # fmt: skip


def write(folder: Path, *, planted: bool, n: int = 2400) -> Path:
    """Write 2,400 calibrated scores of 1,200 patients; `planted`: the model misses every third ill woman."""
    rng = np.random.default_rng(11)
    logit = rng.normal(-0.5, 2.2, n)
    label = rng.random(n) < 1 / (1 + np.exp(-logit))
    sex, site = rng.choice(["female", "male"], n // 2).repeat(2), rng.choice(["A", "B", "C"], n)
    if planted:
        logit[label & (sex == "female") & (np.arange(n) % 3 == 0)] -= 5
    p = 1 / (1 + np.exp(-logit))
    rows = [
        f"p{i // 2},{int(label[i])},{p[i]:.6f},{sex[i]},{20 + (7 * (i // 2)) % 70},{site[i]}" for i in range(n)
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.csv").write_text("\n".join(["patient,label,score,sex,age,site", *rows]) + "\n")
    rules = [
        f'[[rule]]\nid = "{i}"\nprobe = "{p}"\nmetric = "{m}"\n' + (f"where = {{ {w} }}\n" if w else "")
        + f'limit = {{ {x} }}\nrationale = "a test"\n'
        for i, p, m, w, x in RULES
    ]  # fmt: skip
    (folder / "policy.toml").write_text("".join(rules))
    (folder / "audit.toml").write_text(CONFIG)
    return folder / "audit.toml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Run]:
    made = {}
    for planted in (False, True):
        folder = tmp_path_factory.mktemp("saved")
        made[planted] = session.run_config(load_audit(write(folder, planted=planted)), out=folder / "run")
    return made


def test_a_planted_gap_fails_and_the_healthy_table_passes(runs: dict[bool, Run]) -> None:
    """The same policy on two tables: missed women FAIL the gap by sex, and nothing stands against the healthy model."""
    healthy, planted = ({f.rule: f.status for f in runs[p].findings} for p in (False, True))
    assert (runs[False].verdict.outcome, set(healthy.values())) == ("PASS", {"PASS"})
    assert (runs[True].verdict.outcome, planted["sex-gap"]) == ("FAIL", "FAIL")
    assert planted["site-gap"] != "FAIL"
    (gap,) = [f for f in runs[True].findings if f.rule == "sex-gap"]
    assert "sex female" in gap.headline


@pytest.mark.parametrize(("probe", "metrics"), [
    ("PERF001", {"auc", "sensitivity", "specificity"}), ("CAL001", {"slope", "ece"}),
    ("FAIR001", {"sensitivity_gap", "specificity_gap", "sensitivity", "specificity"}),
    ("FAIR002", {"auc_gap"}), ("CAL002", {"slope"}), ("SHIFT001", {"auc_gap", "sensitivity_gap"}),
    ("DATA003", {"share_set_aside"}), ("SETUP001", {"faults"}), ("SETUP003", {"faults"}),
])  # fmt: skip
def test_what_needs_no_image_is_measured(runs: dict[bool, Run], probe: str, metrics: set[str]) -> None:
    """Each probe that saved predictions allow completes, its numbers with n, patients and interval."""
    result = runs[False].result(probe)
    assert result is not None
    assert result.state == "completed", result.reason
    valued = [m for m in result.measurements if m.value is not None]
    assert metrics <= {m.metric for m in valued}
    for m in valued:
        assert m.n >= m.n_patients > 0
        assert m.low is not None
        assert m.low <= m.value <= m.high


def test_every_level_of_every_attribute_is_in_the_report(runs: dict[bool, Run]) -> None:
    """Gaps of both sexes and three ages, each a row, and figures for performance, calibration and subgroups."""
    run = runs[False]
    gaps = [m for m in run.result("FAIR001").measurements if m.metric == "sensitivity_gap"]
    assert {next(iter(m.subgroup.items())) for m in gaps if len(m.subgroup) == 1} == {
        ("sex", "female"), ("sex", "male"), ("age", "[0, 40)"), ("age", "[40, 60)"), ("age", "[60, 120]"),
    }  # fmt: skip
    html = (run.folder / "report.html").read_text()
    for words in ("[40, 60)", "female", "site", "Miscalibration", "Gaps at the operating point"):
        assert words in html
    assert all(run.result(p).artifacts for p in ("PERF001", "CAL001", "FAIR001"))


def test_what_needs_a_model_or_an_image_says_so(runs: dict[bool, Run]) -> None:
    """Attacks and explanations are not applicable with their reason, and stand among what was not tested."""
    for probe in ("ADV001", "XAI001"):
        result = runs[False].result(probe)
        assert result is not None
        assert (result.state, bool(result.reason)) == ("not_applicable", True)
        assert any(n.probe == probe for n in runs[False].not_tested)


def test_the_family_is_logged_before_any_result_and_counted_after(runs: dict[bool, Run]) -> None:
    """log.jsonl has the declaration before the first probe; the evidence has it with the number that Holm counted."""
    run = runs[False]
    events = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    order = [e["event"] for e in events]
    assert order.index("family") < order.index("predictions") < order.index("probe") < order.index("hypotheses")
    family = evidence_of(run.folder)["family"]
    assert family["declared"] == events[order.index("family")]["declared"]
    assert (family["before_results"], family["undeclared"]) == (True, [])
    assert family["policy_digest"] == run.policy.digest
    # Two levels are one contrast for a gap and two floors; three sites are three gaps; the slope has two sides.
    assert family["by_rule"] == {"auc": 1, "slope": 2, "sex-gap": 1, "sex-floor": 2, "site-gap": 3}
    assert family["used"] == 9


def test_a_policy_set_after_the_run_says_so(runs: dict[bool, Run]) -> None:
    """The gate under another policy declares its family anew, and not as one from before the results."""
    run = runs[False]
    assert session.gate(run.folder).family["before_results"] is True
    rule = {"id": "s", "probe": "FAIR001", "metric": "sensitivity", "limit": {"min": 0.1}, "rationale": "x"}
    later = session.gate(run.folder, policy_from({"rule": [{**rule, "where": {"attribute": "sex"}}]}))
    assert (later.family["before_results"], later.family["used"]) == (False, 2)
    assert set(later.family) == set(run.family)


def test_warnings_of_before_the_run_are_in_evidence_and_report(tmp_path: Path) -> None:
    """A gap rule without a floor and one that equal groups would hardly meet are in run.warnings and on the page."""
    config = write(tmp_path, planted=False, n=240)
    text = (tmp_path / "policy.toml").read_text().replace('metric = "sensitivity"', 'metric = "specificity"')
    (tmp_path / "policy.toml").write_text(text)
    run = session.run_config(load_audit(config), out=tmp_path / "run")
    said = run.run["warnings"]
    assert any("'sex-gap' will hardly PASS" in s for s in said)
    assert any("equally bad for all" in s for s in said)
    html = (run.folder / "report.html").read_text()
    assert "Foreseen before the run" in html
    assert "equally bad for all" in html
