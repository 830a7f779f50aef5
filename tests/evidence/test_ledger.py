"""The ledger shows every run, and every line that was taken away or changed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from audit import session
from audit.config import load_audit
from audit.evidence import append_entry, ledger_path, read_ledger
from tests.session._make import write


@pytest.fixture
def path(tmp_path):
    """A ledger of five lines."""
    file = tmp_path / "deep" / "ledger.jsonl"
    for i in range(5):
        append_entry(file, {"cohort_digest": "a" if i % 2 else "b", "event": "began", "text": "é\n"})
    return file


def test_lines_follow_from_each_other(path):
    """A ledger that nobody touched has no fault, and its lines are numbered."""
    ledger = read_ledger(path)
    assert ledger.fault == ""
    assert [e["number"] for e in ledger.entries] == [1, 2, 3, 4, 5]
    assert len(ledger.on("a")) == 2


@pytest.mark.parametrize("at", range(4))
def test_a_line_taken_away_is_told(path, at):
    """Any line but the last leaves a gap that the next one shows."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
    assert read_ledger(path).fault == f"line {at + 1} does not follow from the line before it"


def test_a_changed_line_is_told(path):
    """A failed run that was made a passed one breaks the chain."""
    path.write_bytes(path.read_bytes().replace(b"began", b"ended", 1))
    assert "line 2 does not follow" in read_ledger(path).fault


def test_half_a_line_is_told_and_the_rest_is_read(path):
    """What a power cut left behind does not hide the other lines."""
    path.write_bytes(path.read_bytes() + b'{"numb')
    ledger = read_ledger(path)
    assert ledger.fault == "line 6 cannot be read"
    assert len(ledger.entries) == 5


def test_writers_at_once_keep_one_chain(tmp_path):
    """Forty lines from eight threads are forty lines of one chain."""
    file = tmp_path / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: append_entry(file, {"i": i, "cohort_digest": "c"}), range(40)))
    ledger = read_ledger(file)
    assert ledger.fault == ""
    assert sorted(e["i"] for e in ledger.entries) == list(range(40))


def test_no_ledger_is_told_from_an_empty_one(tmp_path):
    """A file that is not there gives None."""
    assert read_ledger(tmp_path / "none") is None
    (tmp_path / "empty").write_bytes(b"")
    assert read_ledger(tmp_path / "empty").entries == ()


def test_a_run_writes_its_beginning_and_its_end(tmp_path, monkeypatch):
    """Digests, seed and outcome of a run stand in the ledger, and no path and no id do."""
    monkeypatch.setenv("AUDIT_LEDGER_FILE", str(tmp_path / "ledger.jsonl"))
    evidence = session.run_config(load_audit(write(tmp_path / "a")), out=tmp_path / "run")
    ledger = read_ledger(ledger_path())
    began, ended = ledger.entries
    assert (began["event"], ended["event"], began["run"]) == ("began", "ended", ended["run"])
    assert ended["outcome"] == evidence.verdict.outcome
    assert ended["evidence_digest"] == evidence.run["evidence_digest"]
    assert ledger.on(evidence.cohort["digest"]) == ledger.entries
    assert "CASE-" not in json.dumps(ledger.entries)
    assert str(tmp_path) not in json.dumps(ledger.entries)


def test_a_run_that_failed_shows_that_it_began(tmp_path, monkeypatch):
    """A run that was stopped in the middle leaves its first line."""
    from audit.session import _run

    monkeypatch.setenv("AUDIT_LEDGER_FILE", str(tmp_path / "ledger.jsonl"))

    def stopped(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "clean_predictions", stopped)
    with pytest.raises(KeyboardInterrupt):
        session.run_config(load_audit(write(tmp_path / "a")), out=tmp_path / "run")
    assert [e["event"] for e in read_ledger(ledger_path()).entries] == ["began"]


def test_a_ledger_that_cannot_be_written_stops_no_audit(tmp_path, monkeypatch):
    """The run goes on and its log says that there is no line."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("AUDIT_LEDGER_FILE", str(tmp_path / "file" / "ledger.jsonl"))
    session.run_config(load_audit(write(tmp_path / "a")), out=tmp_path / "run")
    assert '"event": "ledger", "written": false' in (tmp_path / "run" / "log.jsonl").read_text()
