"""What a forger changes beside a number, with digest and list made to fit, is found where the run can tell."""

from __future__ import annotations

import json

import pytest

import audit
from audit.cli import main
from audit.errors import EvidenceError
from audit.pack import ENVELOPE, read_pack
from audit.pack._read import make_sums
from audit.pack._zip import write_zip
from tests.verification._runs import copy, make, sealed_again
from tests.verification.test_content import number_of, rewrite


def faults(run, tmp_path, change):
    folder = copy(run, tmp_path / "run")
    rewrite(folder, change)
    return [str(f) for f in audit.verify(folder).faults]


def passes(values):
    values["verdict"] |= {"outcome": "PASS", "exit_code": 0, "blocking": [], "reasons": []}
    for f in values["findings"]:
        f["status"] = "PASS"


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """A run that FAILs."""
    return make(tmp_path_factory.mktemp("failed"), limit=0.99)


def test_another_version_is_no_way_to_a_pass(failed, tmp_path):
    """Whoever judged: a rule that PASSes must PASS by its numbers."""
    said = " ".join(faults(failed, tmp_path, lambda v: (passes(v), v["run"].update(version="0.0.9"))))
    assert "rule 'sensitivity' says PASS, its numbers say FAIL" in said


def test_leaving_cells_out_is_no_way_to_a_pass(failed, tmp_path):
    """Neither in a run's folder, which never leaves any out, nor by saying so."""
    marks = {"min_cell": 5, "suppressed_levels": {"sex": ["female"]}}
    said = " ".join(faults(failed, tmp_path, lambda v: (passes(v), v["run"].update(marks))))
    assert "rule 'sensitivity' says PASS, its numbers say FAIL" in said
    assert "leaves cells out, as only a pack does" in said


def test_an_older_probe_is_no_way_around_its_numbers(run, tmp_path):
    """The same version of the suite has one version of each probe."""

    def older(values):
        result = next(r for r in values["results"] if r["probe"] == "PERF001")
        result["version"] -= 1
        number_of(values, "PERF001", "sensitivity")["value"] += 0.01

    assert any("PERF001: sensitivity: value" in f for f in faults(run, tmp_path, older))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["cohort"].update(n_patients=9999), "n_patients of the cohort is 9999"),
        (lambda v: v["cohort"]["targets"][1].update(n=1), "n of class"),
        (lambda v: v["cohort"]["attributes"][0]["levels"][0].update(n_positive=7), "n_positive of"),
        (lambda v: v["cohort"]["ledger"].update(read=300), "do not fit together"),
        (lambda v: v["cohort"]["ledger"].update(read=241, set_aside={"no image": 1}), "and 1 set aside"),
        (lambda v: v.update(not_tested=[]), "not tested, and not listed as such"),
        (
            lambda v: v.update(results=[r for r in v["results"] if not r["probe"].startswith("SETUP")]),
            "part of every audit",
        ),
        (lambda v: v["cohort"].update(name="another cohort"), "report.html: does not say"),
    ],
)
def test_what_stands_beside_the_numbers_is_held_against_them(run, tmp_path, change, words):
    """Counts of the cohort, the rows, what was not tested, and the report."""
    assert any(words in f for f in faults(run, tmp_path, change))


def test_a_report_and_a_log_that_say_something_else_are_found(failed, tmp_path):
    """With SHA256SUMS made anew; figures may be drawn otherwise by another library, words may not."""
    folder = copy(failed, tmp_path / "run")
    report, log = folder / "report.html", folder / "log.jsonl"
    before = report.read_text()
    report.write_text(before.replace("FAIL", "PASS"))
    log.write_text(log.read_text().replace('"outcome": "FAIL"', '"outcome": "PASS"'))
    sealed_again(folder)
    found = {f.file: f.what for f in audit.verify(folder).faults}
    assert set(found) == {"report.html", "log.jsonl"}
    assert "outcome" in found["log.jsonl"]


def test_arrays_of_a_figure_that_were_exchanged_are_found(run, tmp_path):
    """Evidence names arrays by their digest."""
    folder = copy(run, tmp_path / "run")
    victim = next((folder / "artifacts").iterdir())
    victim.write_bytes(victim.read_bytes() + b" ")
    sealed_again(folder)
    assert f"artifacts/{victim.name}" in {f.file for f in audit.verify(folder).faults}


def outcome_in_manifest(files):
    values = json.loads(files["pack.json"])
    values["outcome"] = "PASS" if values["outcome"] != "PASS" else "FAIL"
    files["pack.json"] = json.dumps(values).encode()


def limit_in_policy(files):
    values = json.loads(files["policy.json"])
    values["rules"][0]["limit"]["min"] = 0.01
    files["policy.json"] = json.dumps(values).encode()


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (outcome_in_manifest, "pack.json"),
        (limit_in_policy, "policy.json"),
        (lambda f: f.update({"documents/more.html": b"<p>x"}), "documents/more.html"),
        (lambda f: f.pop("documents/privacy.html"), "documents/privacy.html"),
        (lambda f: f.update({"run/junit.xml": b"<testsuites/>"}), "run/junit.xml"),
        (lambda f: f.pop("run/summary.md"), "run/summary.md"),
        (lambda f: f.update({"pack.json": b'{"derived": 1}'}), "pack.json"),
    ],
)
def test_a_pack_made_again_must_fit_itself(run, tmp_path, change, file):
    """Without a signature the files of a pack are held against each other, and it is said that this is not all."""
    path = tmp_path / "pack.zip"
    assert main(["pack", str(run), "--out", str(path)]) == 0
    files = dict(read_pack(path).files)
    assert ENVELOPE not in files
    change(files)
    files["SHA256SUMS"] = make_sums(files)
    path.write_bytes(write_zip(files))
    checked = audit.verify(path)
    assert file in {f.file for f in checked.faults}
    assert "not signed" in checked.notes[0]


def test_a_report_in_a_pack_is_held_against_its_evidence(failed, tmp_path):
    """Even where the run's own list was written anew as well."""
    path = tmp_path / "pack.zip"
    assert main(["pack", str(failed), "--out", str(path)]) == 0
    files = dict(read_pack(path).files)
    files["run/report.html"] = files["run/report.html"].replace(b"FAIL", b"PASS")
    inside = {k.removeprefix("run/"): v for k, v in files.items() if k.startswith("run/")}
    sums = dict(reversed(line.split("  ")) for line in files["run/SHA256SUMS"].decode().splitlines())
    new = make_sums(inside).decode().splitlines()
    sums |= {n: s for s, n in (line.split("  ") for line in new) if n == "report.html"}
    files["run/SHA256SUMS"] = "".join(f"{sums[n]}  {n}\n" for n in sorted(sums)).encode()
    files["SHA256SUMS"] = make_sums(files)
    path.write_bytes(write_zip(files))
    assert {f.file for f in audit.verify(path).faults} == {"run/report.html"}


def test_a_number_in_sight_that_fails_is_no_pass_beside_one_that_is_left_out(failed, tmp_path):
    """Leaving out a cell that the rule is not about, or another one that it is about, hides no FAIL."""

    def hide(values):
        passes(values)
        values["run"].update(min_cell=5, suppressed_levels={"sex": ["other"]})
        result = next(r for r in values["results"] if r["probe"] == "PERF001")
        own = next(m for m in result["measurements"] if m["metric"] == "sensitivity")
        gone = {"value": None, "low": None, "high": None, "curve": [], "k": None, "n": 0, "n_patients": 0,
                "method": "suppressed", "missing": "fewer than 5 patients", "subgroup": {"sex": "other"}}  # fmt: skip
        result["measurements"].append({**own, **gone})

    assert "rule 'sensitivity' says PASS, its numbers say FAIL" in " ".join(faults(failed, tmp_path, hide))


def test_a_name_that_stands_twice_is_refused(run, tmp_path):
    """A reader who takes the first of two verdicts would see another one than we do."""
    folder = copy(run, tmp_path / "run")
    path = folder / "evidence.json"
    path.write_text(path.read_text().replace('{\n "', '{\n "verdict": {"outcome": "PASS"},\n "', 1))
    sealed_again(folder)
    with pytest.raises(EvidenceError, match="stands twice"):
        audit.verify(folder)


def listed_anew(path, change):
    """Change the files of a pack and write both of its lists anew, as a forger would."""
    files = dict(read_pack(path).files)
    change(files)
    sums = dict(reversed(line.split("  ")) for line in files["run/SHA256SUMS"].decode().splitlines())
    inside = {k.removeprefix("run/"): v for k, v in files.items() if k.startswith("run/") and k != "run/SHA256SUMS"}
    new = dict(reversed(line.split("  ")) for line in make_sums(inside).decode().splitlines())
    sums |= {n: digest for n, digest in new.items() if n not in sums}
    files["run/SHA256SUMS"] = "".join(f"{sums[n]}  {n}\n" for n in sorted(sums)).encode()
    files["SHA256SUMS"] = make_sums(files)
    path.write_bytes(write_zip(files))


def test_a_file_that_no_run_writes_is_named(run, tmp_path):
    """An approval among the files of a run, in the list as well, is none of the run's."""
    path = tmp_path / "pack.zip"
    assert main(["pack", str(run), "--out", str(path)]) == 0
    listed_anew(path, lambda files: files.update({"run/approval.html": b"<h1>PASS"}))
    assert "run/approval.html" in {f.file for f in audit.verify(path).faults}


def test_a_log_of_a_pack_without_small_cells_is_held_against_its_evidence(run, tmp_path):
    """What was derived from the run's log must name the same outcome."""
    path = tmp_path / "pack.zip"
    assert main(["pack", str(run), "--min-cell", "5", "--out", str(path)]) == 0
    assert audit.verify(path).faults == ()
    log = read_pack(path).files["run/log.jsonl"]
    outcome = json.loads(read_pack(path).files["pack.json"])["outcome"]
    other = "FAIL" if outcome != "FAIL" else "PASS"
    assert f'"outcome": "{outcome}"'.encode() in log
    forged = log.replace(f'"outcome": "{outcome}"'.encode(), f'"outcome": "{other}"'.encode())

    def change(files):
        files["run/log.jsonl"] = forged

    listed_anew(path, change)
    assert "run/log.jsonl" in {f.file for f in audit.verify(path).faults}


def test_a_run_that_ends_in_time_to_come_is_told(run, tmp_path):
    """Nobody has seen its end; nor was it judged on that day, on which a waiver may have run out or not yet begun."""
    said = " ".join(faults(run, tmp_path, lambda v: v["run"].update(finished="2099-01-01T00:00:00+00:00")))
    assert "the end that the evidence states (2099-01-01T00:00:00+00:00) has not come" in said
    assert "is later than the verdict in the log" in said


def test_another_version_is_no_way_around_the_times(run, tmp_path):
    """Evidence and log of every version state when it began; and a run without a log states it once only."""
    later = {"version": "0.0.9", "started": "2098-01-01T00:00:00+00:00"}
    said = " ".join(faults(run, tmp_path, lambda v: v["run"].update(later)))
    assert "log.jsonl: the start that the evidence states (2098-01-01T00:00:00+00:00) is later than" in said
    folder = copy(run, tmp_path / "without")
    (folder / "log.jsonl").unlink()
    sealed_again(folder)
    assert "log.jsonl: absent" in [str(f) for f in audit.verify(folder).faults]


@pytest.mark.parametrize("least", ["0", "5"])
def test_a_report_of_a_pack_is_made_again_from_the_pack_alone(failed, tmp_path, least):
    """With small cells or without; neither its words nor its style may be another."""
    path = tmp_path / "pack.zip"
    assert main(["pack", str(failed), "--min-cell", least, "--out", str(path)]) == 0
    assert audit.verify(path).faults == ()
    for old, new in ((b"FAIL", b"PASS"), (b"</style>", b".FAIL{display:none}</style>")):
        files = dict(read_pack(path).files)
        changed = files["run/report.html"].replace(old, new)
        other = tmp_path / "other.zip"
        other.write_bytes(path.read_bytes())

        def change(files, changed=changed):
            files["run/report.html"] = changed
            lines = files["run/SHA256SUMS"].decode().splitlines()
            derived = {f["path"] for f in json.loads(files["pack.json"])["derived"]}
            if "report.html" not in derived:
                kept = "".join(f"{line}\n" for line in lines if not line.endswith("  report.html"))
                files["run/SHA256SUMS"] = kept.encode()

        listed_anew(other, change)
        assert {f.file for f in audit.verify(other).faults} == {"run/report.html"}


def test_a_run_with_its_own_min_cell_makes_a_pack_that_is_intact(tmp_path):
    """Its report names another digest than the evidence of the pack, so that it is written again."""

    def asked(folder):
        config = folder / "audit.toml"
        config.write_text(config.read_text().replace("[audit]", "[audit]\nmin_cell = 5", 1))

    run, path = make(tmp_path / "a", change=asked), tmp_path / "pack.zip"
    assert main(["pack", str(run), "--out", str(path)]) == 0
    checked = audit.verify(path)
    assert [str(f) for f in checked.faults] == []
    assert checked.exit_code == 0


def test_a_run_has_the_files_that_a_run_writes_and_no_other(run, tmp_path):
    """An approval that is listed, and a report that is neither there nor listed, are named."""
    folder = copy(run, tmp_path / "run")
    (folder / "approval.html").write_text("<h1>PASS")
    (folder / "report.html").unlink()
    sealed_again(folder)
    assert {"approval.html: no file that a run writes", "report.html: absent"} == {
        str(f) for f in audit.verify(folder).faults
    }
