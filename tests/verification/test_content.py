"""Who writes SHA256SUMS anew does not get away with it: digest, verdict and numbers are held against each other."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.cli import main
from audit.evidence import evidence_digest, read_predictions, read_run
from tests.verification._runs import copy, make, sealed_again


def rewrite(folder, change, *, digest=True):
    """Change evidence.json as somebody would who knows how it is made."""
    path = folder / "evidence.json"
    values = json.loads(path.read_text())
    change(values)
    if digest:
        values["run"]["evidence_digest"] = evidence_digest(values)
    path.write_text(json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    sealed_again(folder)


def number_of(values, code, metric):
    result = next(r for r in values["results"] if r["probe"] == code)
    return next(m for m in result["measurements"] if m["metric"] == metric)


def test_a_run_is_intact_whatever_its_verdict(run, tmp_path):
    """Every number of the probes of saved predictions comes out again."""
    checked = audit.verify(run)
    assert checked.intact
    assert checked.exit_code == 0
    assert {"PERF001", "PERF002", "CAL001", "FAIR001", "CONF001", "SHIFT001", "DATA003"} <= set(checked.again.probes)
    completed = {r.probe for r in read_run(run).results if r.state == "completed"}
    assert completed == (set(checked.again.probes) | set(checked.again.left_out)) - {"ADV001"}
    # A rule rests on it, and that it does not apply was not checked: that is said, too.
    assert "model" in checked.again.left_out["ADV001"]
    assert checked.again.numbers > 50


def test_a_number_that_was_raised_is_found(run, tmp_path):
    """A better sensitivity, with its digest and the list made to fit, is not what the stored predictions give."""
    folder = copy(run, tmp_path / "run")

    def better(values):
        m = number_of(values, "PERF001", "sensitivity")
        m["value"] = (m["value"] + m["high"]) / 2

    rewrite(folder, better)
    checked = audit.verify(folder)
    assert checked.exit_code == 1
    assert any("PERF001: sensitivity: value" in f.what for f in checked.faults)


def test_a_narrowed_curve_is_found(run, tmp_path):
    """Bounds that a judge asks for are checked, not only those that are printed."""
    folder = copy(run, tmp_path / "run")

    def narrow(values):
        m = number_of(values, "FAIR001", "sensitivity_gap")
        m["curve"] = [[level, low + 1e-3, high] for level, low, high in m["curve"]]

    rewrite(folder, narrow)
    assert any("FAIR001" in f.what and "curve" in f.what for f in audit.verify(folder).faults)


def test_a_verdict_that_does_not_follow_is_found(tmp_path):
    """A FAIL that was written over with PASS."""
    folder = make(tmp_path / "failed", limit=0.99)
    assert read_run(folder).verdict.outcome == "FAIL"

    def passes(values):
        values["verdict"] |= {"outcome": "PASS", "label": "PASS", "exit_code": 0, "blocking": [], "reasons": []}
        for f in values["findings"]:
            f["status"] = "PASS"

    rewrite(folder, passes)
    text = " ".join(str(f) for f in audit.verify(folder).faults)
    assert "rule 'sensitivity' says PASS, its numbers say FAIL" in text
    assert "states PASS, its findings give FAIL" in text
    assert "summary.md: does not say what evidence.json says" in text


def test_a_limit_that_was_lowered_is_found(run, tmp_path):
    """The digest of a policy is that of its content."""
    folder = copy(run, tmp_path / "run")
    rewrite(folder, lambda v: v["policy"]["rules"][0]["limit"].update(min=0.01))
    assert any("policy" in f.what for f in audit.verify(folder).faults)


def test_a_probe_that_was_made_to_disappear_is_found(run, tmp_path):
    """A result that says "not applicable" where the stored predictions give numbers."""
    folder = copy(run, tmp_path / "run")

    def gone(values):
        r = next(r for r in values["results"] if r["probe"] == "FAIR001")
        r |= {"state": "not_applicable", "reason": "the cohort has no attribute", "measurements": [], "artifacts": []}

    rewrite(folder, gone)
    assert any("FAIR001: evidence.json states not_applicable" in f.what for f in audit.verify(folder).faults)


def test_the_digest_inside_must_fit(run, tmp_path):
    """A list that was made again does not hide that evidence.json states another digest."""
    folder = copy(run, tmp_path / "run")
    rewrite(folder, lambda v: v["not_tested"].pop(), digest=False)
    assert any("states the digest" in f.what for f in audit.verify(folder).faults)


@pytest.mark.parametrize("column", ["output_0", "target", "attribute.sex"])
def test_predictions_that_were_changed_are_found(run, tmp_path, column):
    """An output, a target or a level of the stored predictions that is another than the evidence rests on."""
    folder = copy(run, tmp_path / "run")
    path = folder / "predictions.parquet"
    table = pq.read_table(path)
    values = table.column(column).to_pylist()
    swapped = {"output_0": lambda v: 1 - v, "target": lambda v: 1 - v, "attribute.sex": lambda v: "male"}[column]
    values[:40] = [swapped(v) for v in values[:40]]
    i = table.column_names.index(column)
    table = table.set_column(i, table.schema.field(column), pa.array(values, type=table.schema.field(column).type))
    pq.write_table(table, path)
    sealed_again(folder)
    faults = audit.verify(folder).faults
    assert faults
    assert all(f.file == "evidence.json" for f in faults)


def test_a_case_that_was_taken_out_is_found(run, tmp_path):
    """One row less."""
    folder = copy(run, tmp_path / "run")
    path = folder / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    sealed_again(folder)
    assert any("cases" in f.what for f in audit.verify(folder).faults)


def test_unreadable_predictions_are_a_fault_and_no_crash(run, tmp_path):
    """Bytes that are no Parquet, sealed as if they were."""
    folder = copy(run, tmp_path / "run")
    (folder / "predictions.parquet").write_bytes(b"PAR1" + b"\0" * 50 + b"PAR1")
    sealed_again(folder)
    (fault,) = audit.verify(folder).faults
    assert (fault.file, "cannot be read" in fault.what) == ("predictions.parquet", True)


def test_a_copy_without_some_columns_is_no_change(run):
    """What was left out is named as such, and the rest comes out the same."""
    from audit.probes import PROBES
    from audit.verification._again import make_again

    table = pq.read_table(run / "predictions.parquet").drop_columns(["attribute.sex"])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    stored = read_predictions(sink.getvalue().to_pybytes())
    assert stored.absent == ("attribute.sex",)
    again = make_again(read_run(run), stored, PROBES, same_version=True)
    assert not again.differing
    assert "PERF001" in again.probes
    assert again.left_out["FAIR001"] == "this copy leaves out sex"


def test_a_run_of_another_version_is_checked_as_far_as_that_goes(run, tmp_path):
    """Bytes, digest and numbers; the judge of another version may have judged otherwise, and that is said."""
    folder = copy(run, tmp_path / "run")
    rewrite(folder, lambda v: v["run"].update(version="0.0.9"))
    checked = audit.verify(folder)
    assert checked.intact
    assert "0.0.9" in checked.notes[0]
    assert checked.again.numbers > 50


def test_stored_predictions_come_back_as_they_were(run):
    """Targets, outputs and codes survive the file; nothing is NaN that was a number."""
    stored = read_predictions(run / "predictions.parquet")
    assert len(stored.clean) == 240
    assert stored.clean.targets.dtype == np.int64
    assert np.isfinite(stored.clean.raw).all()
    # Patients are numbered as they appear, so the codes say nothing of the ids.
    _, first = np.unique(stored.clean.codes, return_index=True)
    assert (np.diff(first) > 0).all()


def test_the_command_answers_0_1_and_2(run, tmp_path, capsys):
    """Intact, changed with the file named, unreadable."""
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.startswith("INTACT")
    folder = copy(run, tmp_path / "run")
    with (folder / "report.html").open("ab") as f:
        f.write(b" ")
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("CHANGED")
    assert "report.html" in said
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    (tmp_path / "text.zip").write_text("no zip")
    assert main(["verify", str(tmp_path / "text.zip")]) == 2
    assert main(["verify", str(run), "--key", str(tmp_path / "text.zip")]) == 2


@pytest.mark.slow
def test_verify_needs_no_torch(run):
    """Nor any other library that runs models."""
    code = (
        "import sys; from audit.cli import main; "
        f"assert main(['verify', {str(run)!r}]) == 0; "
        "heavy = {'torch', 'onnxruntime', 'captum', 'pydicom', 'nibabel', 'mlflow', 'ray'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_repeat_that_is_not_recorded_stays_missing(tmp_path):
    """No pseudonym stands for it, or all cases without one would be repeats of each other; the run is intact."""

    def days(folder):
        table, config = folder / "scores.csv", folder / "audit.toml"
        rows = table.read_text().splitlines()
        cells = [f"{row},{'' if i % 3 else f'day{i}'}" for i, row in enumerate(rows[1:])]
        table.write_text("\n".join([f"{rows[0]},day", *cells]) + "\n")
        config.write_text(config.read_text().replace("[audit]", 'day = { role = "repeat" }\n[audit]'))

    folder = make(tmp_path / "repeats", probes="PERF001,DATA004", change=days)
    levels = read_predictions(folder / "predictions.parquet").clean.levels["day"].tolist()
    assert levels.count("(missing)") == 160
    assert not [v for v in levels if v.startswith("day")]
    assert [str(f) for f in audit.verify(folder).faults] == []
