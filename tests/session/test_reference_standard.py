"""A model that passes because of whose reference standard is there, where it comes from, or what it is counted in."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET

import pytest

from audit.config import load_audit, load_policy
from audit.errors import FaultsError, InputError
from audit.session import gate, run_config
from benchmarks.statistics import cases, ours

NAMED = """
[[rule]]
id = "labels"
probe = "DATA010"
metric = "share_unverified_of_class"
limit = { max = 0.3 }
"""


def prepared(folder, change=None, *, policy="", model="", cohort="", audit=""):
    """Write the sound table, changed row by row, with a configuration; return the path of audit.toml."""
    cases.sound().write(folder / "predictions.csv")
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for index, row in enumerate(rows):
        if change is not None:
            change(index, row)
    with (folder / "predictions.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = ours.CONFIG.replace("[cohort]", f"{model}\n[cohort]").replace("[audit]", f"{cohort}\n[audit]\n{audit}")
    return ours.prepare(folder, policy=ours.POLICY + policy, config=config)


def audited(folder, *args, **more):
    """Return the run."""
    return run_config(load_audit(prepared(folder, *args, **more)), out=folder / "run", profile="smoke")


def missed_and_blank(index, row):
    """Every ninth ill case is missed, and nobody wrote down that it is ill."""
    if row["y_true"] == "1" and index % 9 == 0:
        row.update(y_score="0.01", y_true="")


def few_blank(index, row):
    """One case in a hundred has no label, whatever it is."""
    if index % 100 == 0:
        row["y_true"] = ""


def by_decision(index, row):
    """Who is called positive gets a biopsy, who is not is followed up."""
    row["source"] = "biopsy" if float(row["y_score"]) >= 0.5 else "follow-up"


def by_chance(index, row):
    """Either source, whatever the model says."""
    row["source"] = ("biopsy", "follow-up")[index % 2]


def test_missed_cases_without_a_label_bar_pass_and_every_output_says_so(tmp_path):
    """All rules pass on the labelled cases; what is left out could be a twentieth of the ill and more."""
    made = audited(tmp_path, missed_and_blank)
    assert {f.status for f in made.findings} == {"PASS"}
    assert made.verdict.outcome == "INCONCLUSIVE"
    (reason,) = made.verdict.reasons
    assert "'positive'" in reason
    assert "DATA010" in reason
    run = json.loads((made.folder / "audit.sarif").read_text())["runs"][0]
    # The note is on the threshold, of which nobody said where it comes from.
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [("verdict", "warning"), ("verdict", "note")]
    assert reason in run["results"][0]["message"]["text"]
    for file in ("junit.xml", "summary.md", "report.html"):
        assert "DATA010, share" in (made.folder / file).read_text().replace("\\_", "_")


def test_a_rule_about_them_decides_in_its_place(tmp_path):
    """The policy says how many may lack the label; what they would change stands in DATA010."""
    made = audited(tmp_path, missed_and_blank, policy=NAMED)
    assert made.verdict.outcome == "PASS"
    worst = [m for m in made.result("DATA010").measurements if m.metric == "sensitivity_bound_low"]
    assert worst[0].value < 0.86


def test_few_cases_without_a_label_bar_nothing(tmp_path):
    """One in a hundred is no twentieth of any class in any site."""
    made = audited(tmp_path, few_blank)
    assert (made.verdict.outcome, made.verdict.reasons) == ("PASS", ())
    assert made.cohort["unverified"]["n"] == 40


def test_a_source_that_follows_the_decision_bars_pass(tmp_path):
    """Every rule passes on rates that are of no single source; a note stays where a rule is about it."""
    more = {"cohort": '[cohort.reference]\nmethod = "source"'}
    made = audited(tmp_path, by_decision, **more)
    assert made.verdict.outcome == "INCONCLUSIVE"
    assert any("source" in r for r in made.verdict.reasons)
    (tmp_path / "named").mkdir()
    named = NAMED.replace("share_unverified_of_class", "source_association").replace("0.3", "1.0")
    passed = audited(tmp_path / "named", by_decision, policy=named, **more)
    assert passed.verdict.outcome == "PASS"
    note = next(n for n in passed.verdict.notes if "differential verification" in n)
    suite = ET.parse(passed.folder / "junit.xml").getroot().find("testsuite")
    assert note in suite.findall("testcase")[-1].findtext("system-out")
    for file in ("audit.sarif", "summary.md", "report.html"):
        assert "differential verification" in (passed.folder / file).read_text()
    assert suite.get("errors") == "0"


def test_sources_mixed_by_chance_bar_nothing(tmp_path):
    """Two sources of which neither follows decision or class are pooled."""
    made = audited(tmp_path, by_chance, cohort='[cohort.reference]\nmethod = "source"')
    assert made.verdict.outcome == "PASS"
    assert not any("verification" in n for n in made.verdict.notes)


@pytest.mark.parametrize("source", ["chosen on the audit set", "Youden on predictions.csv"])
def test_a_threshold_from_the_audited_cases_is_refused(source, tmp_path):
    """The text alone tells: exit code 2, and nothing is written."""
    path = prepared(tmp_path, model=f'operating_point_source = "{source}"')
    with pytest.raises(InputError, match="names the audited cases"):
        run_config(load_audit(path), out=tmp_path / "run", profile="smoke")
    assert not (tmp_path / "run").exists()


def test_a_threshold_of_unknown_origin_is_noted(tmp_path):
    """A PASS says that nobody said where the threshold comes from; a declared source takes the note away."""
    made = audited(tmp_path)
    assert made.verdict.outcome == "PASS"
    assert ["provenance" in n for n in made.verdict.notes] == [True]
    assert "provenance of the operating point" in (made.folder / "summary.md").read_text()
    (tmp_path / "said").mkdir()
    assert audited(tmp_path / "said", model='operating_point_source = "validation, 2024"').verdict.notes == ()


RISK = '[[rule]]\nid = "risk"\nprobe = "{}"\nmetric = "{}"\nlimit = {{ max = 0.9 }}\n'
BOUND = [("CAL003", "risk_at_coverage"), ("CAL003", "aurc"), ("CAL001", "brier"), ("PERF001", "accuracy")]


@pytest.mark.parametrize(("probe", "metric"), BOUND)
def test_a_risk_without_a_declared_prevalence_is_refused_and_never_passes(probe, metric, tmp_path):
    """`run` refuses the rule; `gate` leaves it open, also where the rule asks for the sample's own mix."""
    config = load_audit(prepared(tmp_path, policy=RISK.format(probe, metric)))
    with pytest.raises(FaultsError, match="how many patients are ill"):
        run_config(config, out=tmp_path / "no")
    text = prepared(tmp_path).read_text().replace('"PERF001",', '"PERF001", "CAL003",')
    (tmp_path / "audit.toml").write_text(text)
    made = run_config(load_audit(tmp_path / "audit.toml"), out=tmp_path / "run", profile="smoke")
    for where in ("", 'where = { stratum = "in this sample" }\n'):
        later = tmp_path / "later.toml"
        later.write_text('name = "later"\n' + RISK.format(probe, metric) + where)
        judged = gate(made.folder, load_policy(later))
        assert [f.status for f in judged.findings] == ["INCONCLUSIVE"]
        assert judged.findings[0].patients_needed is None


def test_a_consecutive_cohort_carries_its_own_risk(tmp_path):
    """Where patients were taken as they came the risk among them is that of use."""
    text = prepared(tmp_path, policy=RISK.format("CAL003", "risk_at_coverage")).read_text()
    text = text.replace("[audit]", '[cohort.sampling]\ndesign = "consecutive"\n[audit]')
    (tmp_path / "audit.toml").write_text(text.replace('"PERF001",', '"PERF001", "CAL003",'))
    made = run_config(load_audit(tmp_path / "audit.toml"), out=tmp_path / "run", profile="smoke")
    assert {f.rule: f.status for f in made.findings}["risk"] == "PASS"


def test_a_level_of_few_patients_is_not_told_of_where_cells_are_left_out(tmp_path):
    """That none of five is ill tells it of each of them: neither report nor console says it, the evidence does."""

    class Heard:
        """Somebody who watches."""

        def __init__(self):
            self.notes = []

        def note(self, text):
            self.notes.append(text)

        def start(self, *args):
            pass

        def advance(self, *args):
            pass

        def finish(self, *args):
            pass

    def few(index, row):
        if row["y_true"] == "0" and index < 9:
            row["site"] = "D"

    heard = Heard()
    config = load_audit(prepared(tmp_path, few))
    made = run_config(config, out=tmp_path / "run", profile="smoke", min_cell=10, progress=heard)
    assert any(w.startswith("site D:") for w in made.run["warnings"])
    assert not any("site D: none" in n for n in heard.notes), heard.notes
    small = [n for n in heard.notes if "site D" in n]
    assert all("fewer than 10" in n for n in small), small
    for file in ("report.html", "summary.md", "junit.xml", "audit.sarif"):
        assert "site D: none" not in (made.folder / file).read_text()
