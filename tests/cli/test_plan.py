"""`audit run --plan` says what would be done and does nothing."""

from __future__ import annotations

import json

from audit import cli
from tests.session._make import write


def plan(folder, *more):
    return cli.main(["run", str(write(folder)), "--plan", *more])


def test_a_plan_is_printed_and_nothing_is_written(tmp_path, capsys, monkeypatch):
    """Exit 0; no run, no cache, no folder; units, what they rest on, and an estimate that is called one."""
    monkeypatch.chdir(tmp_path)
    assert plan(tmp_path) == 0
    text = capsys.readouterr().out
    assert "on 600 cases of 300 patients" in text
    assert "on saved answers: clean predictions" in text
    assert "an estimate: " in text
    assert "nothing has been run or written" in text
    assert "not applicable: " in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.toml", "policy.toml", "scores.csv"]


def test_a_plan_of_some_probes_holds_those_and_the_checks_of_the_set_up(tmp_path, capsys):
    """`--probes` chooses as it does in a run."""
    assert plan(tmp_path, "--probes", "PERF001", "--workers", "2") == 0
    text = capsys.readouterr().out
    assert "PERF001" in text
    assert "PERF002" not in text
    assert "with 2 workers" in text


def test_a_configuration_that_cannot_be_run_has_no_plan(tmp_path, capsys):
    """What stops a run stops its plan, with the same exit code."""
    assert plan(tmp_path, "--probes", "NONE001") == 2
    assert "plan:" not in capsys.readouterr().out


def test_a_timed_run_prints_where_the_time_went(tmp_path, capsys):
    """`--profile-time` reaches the run and its table the terminal, above the verdict."""
    out = tmp_path / "run"
    code = cli.main(["run", str(write(tmp_path, n=120)), "--probes", "PERF001", "--profile-time", "--out", str(out)])
    text = capsys.readouterr().out
    assert code in (0, 1, 3)
    assert "where the time went: " in text
    assert "no image passed through the model" in text
    # Which parts are too small for a row of their own is a matter of the clock.
    assert "PERF001" in json.loads((out / "evidence.json").read_text())["run"]["profile_time"]["parts"]
