"""An audit from end to end on saved predictions."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest

import audit
from audit import session
from audit.config import load_audit
from audit.core import LADDER, Policy
from audit.errors import EvidenceError, InputError
from audit.evidence import FILES, SUMS, check_seal, evidence_schema, read_run, seal
from tests.session._make import evidence_of, write


def stored_text(folder):
    """Return predictions.parquet as text; its bytes are compressed."""
    return str(pq.read_table(folder / "predictions.parquet").to_pydict())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    config = load_audit(write(folder))
    return session.run_config(config, out=folder / "run")


def test_every_file_of_a_run_is_there(made):
    """A finished run has every file of the contract and is sealed."""
    assert {p.name for p in made.folder.iterdir()} == {*FILES, SUMS, "artifacts"}
    check_seal(made.folder)


def test_a_model_within_its_limits_passes(made):
    """The control: sensitivity 0.89 against 0.6, no planted gap, attacks not applicable and allowed."""
    assert (made.verdict.outcome, made.verdict.reasons) == ("PASS", ())
    assert {f.rule: f.status for f in made.findings} == {
        "sensitivity": "PASS", "gap": "PASS", "attack": "NOT_APPLICABLE",
    }  # fmt: skip


def test_the_evidence_fits_the_schema_and_the_contract(made):
    """Schema, ladder of levels, n and n_patients of every measurement."""
    values = evidence_of(made.folder)
    jsonschema.validate(values, evidence_schema())
    for r in values["results"]:
        for m in r["measurements"]:
            assert m["metric"] in r["metrics"]
            assert m["n"] >= m["n_patients"] >= 0
            if m["value"] is None:
                assert m["missing"]
            elif m["method"] != "count":
                assert set(LADDER) <= {rung[0] for rung in m["curve"]}
                assert m["low"] <= m["value"] <= m["high"]


def test_what_was_written_is_what_was_returned(made):
    """The folder holds the returned evidence without loss."""
    assert read_run(made.folder).findings == made.findings
    assert evidence_of(made.folder)["run"]["evidence_digest"] == made.run["evidence_digest"]


def test_a_limit_out_of_reach_fails(tmp_path):
    """The same model under a limit of 0.99 FAILs by the rule that names it; JUnit and SARIF agree."""
    made = session.run_config(load_audit(write(tmp_path, limit=0.99)), out=tmp_path / "run")
    assert (made.verdict.outcome, made.verdict.exit_code, made.verdict.blocking) == ("FAIL", 1, ("sensitivity",))
    suite = ET.parse(made.folder / "junit.xml").getroot().find("testsuite")
    assert suite.get("failures") == "2"
    sarif = json.loads((made.folder / "audit.sarif").read_text())
    assert {r["ruleId"] for r in sarif["runs"][0]["results"]} == {"sensitivity", "attack", "verdict"}


def test_equal_seeds_give_equal_digests(made, tmp_path):
    """Two runs with one seed have one evidence digest and one report; another seed has another digest."""
    config = load_audit(write(tmp_path))
    again = session.run_config(config, out=tmp_path / "again", workers=3)
    assert again.run["evidence_digest"] == made.run["evidence_digest"]
    other = session.run_config(config, out=tmp_path / "other", seed=7)
    assert other.run["evidence_digest"] != made.run["evidence_digest"]


def test_leaving_out_a_probe_changes_no_other_number(made, tmp_path):
    """Each probe's numbers depend on the run's seed and its own code alone."""
    alone = session.run_config(load_audit(write(tmp_path)), out=tmp_path / "run", probes="CONF001")
    assert alone.result("CONF001").measurements == made.result("CONF001").measurements
    assert alone.result("PERF001").state == "not_run"
    assert alone.verdict.outcome == "INCONCLUSIVE"


def test_no_id_is_in_any_file(made):
    """Neither case nor patient ids leave, in text or in bytes."""
    for path in made.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"CASE-0" not in data, path.name
            assert b"PAT-0" not in data, path.name
    assert "CASE-0" not in stored_text(made.folder)
    assert "PAT-0" not in stored_text(made.folder)


def test_what_cannot_be_used_is_counted(tmp_path):
    """An empty score, one above 1 and an empty target are set aside, each with its reason, and the sums hold."""
    rows = ["CASE-X1,PAT-X1,1,,female,A", "CASE-X2,PAT-X2,1,1.2,female,A", "CASE-X3,PAT-X3,,0.4,female,A"]
    made = session.run_config(load_audit(write(tmp_path, rows=rows)), out=tmp_path / "run")
    ledger = made.cohort["ledger"]
    assert (ledger["read"], ledger["used"]) == (603, 600)
    assert sorted(ledger["set_aside"].values()) == [1, 1, 1]
    share = next(m for m in made.result("DATA003").measurements if m.metric == "share_set_aside")
    assert share.value == pytest.approx(3 / 603)


def test_a_hostile_level_is_shown_as_text(tmp_path):
    """A level that is markup is no markup in the report."""
    made = session.run_config(
        load_audit(write(tmp_path, sexes=("<script>alert(1)</script>", "male"))), out=tmp_path / "run"
    )
    html = (made.folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_folder_that_is_not_empty_is_left_alone(made):
    """Without overwrite a second run into the same folder is refused before anything is touched."""
    before = (made.folder / SUMS).read_bytes()
    with pytest.raises(InputError, match="not empty"):
        session.run_config(load_audit(made.folder.parent / "audit.toml"), out=made.folder)
    assert (made.folder / SUMS).read_bytes() == before


def test_only_a_run_is_overwritten(tmp_path):
    """Overwrite does not delete a folder that is not a run."""
    config = load_audit(write(tmp_path / "in"))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not the folder of a run"):
        session.run_config(config, out=tmp_path / "precious", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_a_run_that_fails_at_its_input_leaves_no_folder(tmp_path):
    """Where no case is left the folder that was made for the run goes again."""
    config = load_audit(write(tmp_path, n=6, scores=[2.0] * 6))
    with pytest.raises(InputError, match="no case is left"):
        session.run_config(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_gate_agrees_and_writes_nothing(made):
    """Judged again from evidence alone: the same findings and verdict, not one byte changed."""
    before = {p: p.read_bytes() for p in made.folder.rglob("*") if p.is_file()}
    again = session.gate(made.folder)
    assert (again.findings, again.verdict) == (made.findings, made.verdict)
    assert {p: p.read_bytes() for p in made.folder.rglob("*") if p.is_file()} == before


def test_the_gate_judges_under_another_policy(made):
    """A policy without rules is INCONCLUSIVE, whatever the stored verdict says."""
    assert session.gate(made.folder, Policy(name="empty")).verdict.outcome == "INCONCLUSIVE"


def test_the_report_is_made_again_from_evidence(made):
    """The report of a finished run is the same byte for byte."""
    assert session.render_report(made.folder) == (made.folder / "report.html").read_text(encoding="utf-8")


def test_an_audit_from_python_without_a_policy_is_inconclusive(tmp_path):
    """Objects in memory: a callable and arrays; everything is measured, nothing is judged."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = rng.normal(labels[:, None, None, None] * 1.0, 1.0, (80, 1, 4, 4)).astype(np.float32)
    model = audit.load_model(
        lambda x: x.mean(axis=(1, 2, 3), keepdims=False)[:, None],
        task="binary", output="logits", classes=("no", "yes"), operating_point=0.5, input={"range": [-5, 5]},
    )  # fmt: skip
    cohort = audit.load_cohort(images, targets=labels, task="binary", classes=("no", "yes"))
    made = audit.run(model, cohort, profile="smoke", out=tmp_path / "run")
    assert made.verdict.outcome == "INCONCLUSIVE"
    assert made.result("PERF001").state == "completed"
    assert made.result("FAIR001").state == "not_applicable"
    assert "INCONCLUSIVE" in made._repr_html_()


def test_known_answers_count_from_python_too(tmp_path):
    """Outputs that the set-up does not reproduce are a fault in a run from Python; they are never forgotten."""
    images = np.random.default_rng(0).normal(0, 1, (40, 1, 4, 4)).astype(np.float32)

    def answer(x):
        return x.mean(axis=(1, 2, 3))[:, None]

    declared = {"task": "binary", "output": "logits", "classes": ("no", "yes"), "input": {"range": [-5, 5]}}
    with pytest.raises(InputError, match="golden: not of the model"):
        audit.load_model(answer, golden="golden.npz", **declared)
    cohort = audit.load_cohort(images, targets=np.arange(40) % 2, task="binary", classes=("no", "yes"))
    np.savez(tmp_path / "golden.npz", images=images[:0], outputs=np.zeros((0, 1)))
    with pytest.raises(InputError, match="holds no image"):
        audit.run(audit.load_model(answer, **declared), cohort, out=tmp_path / "run", golden=tmp_path / "golden.npz")
    np.savez(tmp_path / "golden.npz", images=images[:3], outputs=answer(images[:3]) + 0.1)
    made = audit.run(
        audit.load_model(answer, **declared), cohort, probes="DATA", profile="smoke", out=tmp_path / "run",
        golden=tmp_path / "golden.npz",
    )  # fmt: skip
    assert "SETUP004 found 1 fault of the set-up: the outputs differ from those recorded." in made.verdict.reasons


def test_ids_are_shown_on_request_only(tmp_path):
    """With show_ids the stored predictions have the manifest's ids, and the evidence says so in place of a key."""
    path = write(tmp_path, n=120)
    path.write_text(path.read_text() + "show_ids = true\n")
    made = session.run_config(load_audit(path), out=tmp_path / "run")
    assert "CASE-0001" in stored_text(made.folder)
    assert b"CASE-0001" not in (made.folder / "report.html").read_bytes()
    assert made.run["key_id"].startswith("none")


def test_a_group_that_was_set_aside_whole_bars_its_rule(tmp_path):
    """With every row of one sex without a target no gap between sexes can PASS on those that are left."""
    rows = [f"LOST-{i:04d},PLOST-{i:04d},,0.5,intersex,A" for i in range(5)]
    config = load_audit(write(tmp_path, rows=rows))
    done = session.run_config(config, out=tmp_path / "run")
    gap = next(f for f in done.findings if f.rule == "gap")
    assert (gap.status, gap.lacking) == ("INCONCLUSIVE", "all cases of this level were set aside")
    assert done.verdict.exit_code == 3


def test_evidence_that_was_edited_and_summed_again_is_refused(made, tmp_path):
    """A bound that was moved by hand does not fit the digest inside, though every sum outside was made anew."""
    copy = shutil.copytree(made.folder, tmp_path / "run")
    values = evidence_of(copy)
    next(r for r in values["results"] if r["measurements"])["measurements"][0]["n"] += 1
    (copy / "evidence.json").write_text(json.dumps(values), encoding="utf-8")
    seal(copy)
    check_seal(copy)
    with pytest.raises(EvidenceError, match="changed after it was written"):
        session.gate(copy)


def test_a_cohort_of_another_question_is_refused(tmp_path):
    """Targets of another task, or classes in another order, are an input error and never another question's numbers."""
    model = audit.load_model(
        lambda x: x.mean(axis=(1, 2, 3))[:, None], task="binary", output="logits", classes=["no", "yes"],
        input={"range": [0, 1], "normalise": {"mean": [0.5], "std": [0.5]}},
    )  # fmt: skip
    images = np.zeros((6, 1, 4, 4), dtype=np.float32)
    for given, part in (
        ({"targets": np.linspace(0, 1, 6), "task": "regression"}, "whole numbers from 0 to 1"),
        ({"targets": np.ones((6, 2)), "task": "multilabel"}, "one target a case"),
        ({"targets": np.arange(6) % 2, "task": "binary", "classes": ("yes", "no")}, "expected no, yes; got yes, no"),
    ):
        with pytest.raises(InputError) as caught:
            audit.run(model, audit.load_cohort(images, **given), out=tmp_path / "run")
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_is_declared_in_python_is_checked_as_in_a_file(tmp_path):
    """A misspelt role would leave a group unlooked at; a missing target is said in our own words."""
    path = write(tmp_path, n=20).parent / "scores.csv"
    with pytest.raises(InputError, match="unknown role"):
        audit.load_cohort(path, task="binary", target="label", attributes={"sex": "protectd"})
    with pytest.raises(InputError, match="targets"):
        audit.load_cohort(np.zeros((4, 1, 3, 3)), task="binary")
    model = audit.load_model(path, kind="predictions", task="binary", output="probabilities", score="score")
    assert model.card.kind == "predictions"


def test_a_wrong_object_is_named(tmp_path):
    """A cohort that is none, and an attribute without its role, are said before anything is measured."""
    with pytest.raises(InputError, match="role is missing"):
        audit.load_cohort(
            np.zeros((4, 1, 2, 2)), targets=np.arange(4) % 2, task="binary", attributes={"sex": list("fmfm")}
        )
    model = audit.load_model(lambda x: x.mean(axis=(1, 2, 3)), task="binary", output="logits", input={"range": [0, 1]})
    with pytest.raises(InputError, match="no cohort"):
        audit.run(model, "cases.csv", out=tmp_path / "run")
