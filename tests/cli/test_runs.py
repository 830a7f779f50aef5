"""`audit run`, `gate` and `report` on saved predictions, and what a hostile input gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.reference import ReferenceModel
from tests.cli.conftest import Said, rows, write_scores

Audit = Callable[..., Said]


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a folder."""
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_run_gate_and_report(audit: Audit, folder: Path) -> None:
    """One verdict: run and gate agree with evidence.json; gate and report leave the run as it is."""
    code, out, _ = audit("run", "audit.toml", "--out", "run1")
    stored = json.loads((folder / "run1/evidence.json").read_text())["verdict"]
    assert code == stored["exit_code"]
    assert f"\n{stored['outcome']}  " in out
    assert "report    run1/report.html" in out
    before = digests(folder / "run1")
    assert audit("gate", "run1")[0] == code
    code, out, _ = audit("report", "run1")
    assert (code, out) == (0, "run1-report.html\n")
    assert "<html" in (folder / "run1-report.html").read_text()
    assert audit("report", "run1", "--out", "run1/again.html")[0] == 2
    assert digests(folder / "run1") == before


def test_gate_under_another_policy(audit: Audit, folder: Path) -> None:
    """A limit that the run misses for certain turns the gate's exit code to 1."""
    audit("run", "audit.toml", "--out", "run1")
    (folder / "strict.toml").write_text((folder / "policy.toml").read_text().replace("0.5", "0.999"))
    code, out, _ = audit("gate", "run1", "--policy", "strict.toml")
    assert code == 1
    assert "blocked by sensitivity" in out
    assert "report" not in out


def test_second_run_needs_overwrite(audit: Audit, folder: Path) -> None:
    """A folder with a run is refused, and replaced with --overwrite; a fault of the config leaves it as it was."""
    first = audit("run", "audit.toml", "--out", "run1")[0]
    before = digests(folder / "run1")
    code, _, err = audit("run", "audit.toml", "--out", "run1")
    assert code == 2
    assert "--overwrite" in err
    (folder / "bad.toml").write_text("[model]\n")
    assert audit("run", "bad.toml", "--out", "run1", "--overwrite")[0] == 2
    assert digests(folder / "run1") == before
    assert audit("run", "audit.toml", "--out", "run1", "--overwrite")[0] == first


def test_the_command_that_makes_it_again(audit: Audit, folder: Path) -> None:
    """The evidence holds the command line of the run, with file names and without folders."""
    audit("run", folder / "audit.toml", "--out", "run1", "--probes", "PERF001", "--seed", "5")
    command = json.loads((folder / "run1/evidence.json").read_text())["run"]["command"]
    assert command == "audit run audit.toml --profile smoke --probes PERF001 --seed 5"


def no_column(folder: Path) -> None:
    """The target's column is misspelt."""
    (folder / "audit.toml").write_text((folder / "audit.toml").read_text().replace('"label"', '"lable"'))


def unknown_key(folder: Path) -> None:
    """A key is misspelt."""
    (folder / "audit.toml").write_text((folder / "audit.toml").read_text().replace("operating_point", "operating_pont"))


def cut_short(folder: Path) -> None:
    """The CSV ends in the middle of a row."""
    text = (folder / "scores.csv").read_text()
    (folder / "scores.csv").write_text(text[: len(text) // 2].rsplit(",", 2)[0])


def same_case_twice(folder: Path) -> None:
    """Two rows have one case id."""
    write_scores(folder / "scores.csv", [*rows(40), rows(1)[0]])


def no_file(folder: Path) -> None:
    """The manifest is not there."""
    (folder / "scores.csv").rename(folder / "score.csv")


def binary(folder: Path) -> None:
    """The manifest is no text."""
    (folder / "scores.csv").write_bytes(bytes(range(256)) * 4)


def header_only(folder: Path) -> None:
    """The manifest has no rows."""
    write_scores(folder / "scores.csv", [])


def unknown_metric(folder: Path) -> None:
    """A rule is on a metric that its probe does not have."""
    (folder / "policy.toml").write_text(
        (folder / "policy.toml").read_text().replace('"sensitivity"\nlimit', '"sens"\nlimit')
    )


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (no_column, "did you mean 'label'?"),
        (unknown_key, "did you mean 'operating_point'?"),
        (cut_short, "scores.csv"),
        (same_case_twice, "repeat a case id"),
        (no_file, "did you mean 'score.csv'?"),
        (binary, "scores.csv"),
        (header_only, "no rows"),
        (unknown_metric, "did you mean"),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_hostile_input(audit: Audit, folder: Path, spoil: Callable[[Path], None], part: str) -> None:
    """What the user did wrong is exit 2 with three lines at most a fault, no traceback, no patient, and no run."""
    spoil(folder)
    code, out, err = audit("run", "audit.toml", "--out", "run1")
    assert code == 2
    assert part in err
    assert "Traceback" not in err
    assert "pat1" not in out + err
    faults = max(err.count("\n- "), 1)
    assert len(err.splitlines()) <= 1 + 3 * faults, err
    assert not (folder / "run1").exists()


def test_numbers_that_are_none_are_set_aside(audit: Audit, folder: Path) -> None:
    """A score that is NaN or beyond 1 is set aside by reason, and the ledger stands in the output."""
    cells = rows()
    cells[0][2], cells[1][2], cells[2][2], cells[3][3] = "nan", "1.7", "", ""
    write_scores(folder / "scores.csv", cells)
    code, out, _ = audit("run", "audit.toml", "--out", "run1")
    assert code in (0, 1, 3)
    assert "240 read, 236 used, 4 set aside:" in out


def test_no_positive_case_is_no_pass(audit: Audit, folder: Path) -> None:
    """A cohort without a positive case cannot PASS a rule on sensitivity."""
    write_scores(folder / "scores.csv", [r for r in rows() if r[3] == "0"])
    assert audit("run", "audit.toml", "--out", "run1")[0] in (2, 3)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_gate_on_what_is_no_run(audit: Audit, folder: Path, name: str) -> None:
    """A folder that is no run is exit 2."""
    code, _, err = audit("gate", name)
    assert code == 2
    assert len(err.splitlines()) <= 3


def test_gate_on_a_run_that_was_changed(audit: Audit, folder: Path) -> None:
    """A run whose evidence was edited is refused."""
    audit("run", "audit.toml", "--out", "run1")
    evidence = folder / "run1/evidence.json"
    evidence.write_text(evidence.read_text().replace('"FAIL"', '"PASS"') + " ")
    assert audit("gate", "run1")[0] == 2


def test_no_identifier_in_any_output(audit: Audit, folder: Path) -> None:
    """Neither the terminal nor the report holds the id of a case or a patient."""
    code, out, err = audit("run", "audit.toml", "--out", "run1")
    report = (folder / "run1/report.html").read_text()
    for row in rows():
        for name in row[:2]:
            assert f"{name}<" not in report
            assert f'"{name}"' not in report
    assert "case1" not in out + err
    assert code in (0, 1, 3)


def test_unknown_twin(audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that does not exist is exit 2 with the nearest name."""
    known = (ReferenceModel(name="biased", title="t", task="binary", size_bytes=1),)
    monkeypatch.setattr("audit.reference.list_models", lambda: known, raising=False)
    code, _, err = audit("demo", "--twin", "biasd", "--out", "d")
    assert code == 2
    assert "did you mean 'biased'?" in err
    assert audit("reference", "list")[1].split()[0] == "biased"
