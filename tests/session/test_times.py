"""Where the time of a run went: in the evidence where it was asked for, and never in what is found out."""

from __future__ import annotations

import numpy as np
import pytest

from audit import session
from audit._cli.spent import columns, print_times
from audit.config import load_audit
from audit.evidence import read_run, time_table
from audit.testing import planted, tiny_cohort
from tests.session._make import evidence_of, write


def run(folder, *, timed, workers=1):
    cases = tiny_cohort(np.random.default_rng(0), n=40)
    return session.run(
        planted(), cases, probes="SETUP002,PERF001", profile="smoke", out=folder, workers=workers, profile_time=timed
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the same audit untimed, timed, and timed with two processes."""
    folder = tmp_path_factory.mktemp("times")
    return {
        name: run(folder / name, timed=name != "plain", workers=2 if name == "two" else 1)
        for name in ("plain", "timed", "two")
    }


def test_the_evidence_of_a_timed_run_says_where_the_time_went(runs):
    """Images counted: 40 for the clean predictions, and those asked again; parts that add up to the whole."""
    times = evidence_of(runs["timed"].folder)["run"]["profile_time"]
    assert {"set-up", "predictions", "SETUP002", "PERF001", "report"} < set(times["parts"])
    assert times["parts"]["predictions"]["forwards"] == 40
    assert times["parts"]["SETUP002"]["forwards"] > 0
    assert times["parts"]["PERF001"]["forwards"] == 0
    assert 0 < sum(sum(p["seconds"].values()) for p in times["parts"].values()) <= times["seconds"] + 0.1


def test_nothing_that_is_found_out_depends_on_it(runs):
    """Equal digests, and no trace of it where nobody asked."""
    assert len({r.run["evidence_digest"] for r in runs.values()}) == 1
    assert "profile_time" not in evidence_of(runs["plain"].folder)["run"]


def test_workers_say_where_their_time_went(runs):
    """Two processes passed as many images as one, and the table says that their seconds are added up."""
    one, two = (evidence_of(runs[name].folder)["run"]["profile_time"] for name in ("timed", "two"))
    for part in ("predictions", "SETUP002"):
        assert one["parts"][part]["forwards"] == two["parts"][part]["forwards"]
    assert two["processes"] == 2
    assert "added up over 2 processes" in time_table({"profile_time": two}).summary


def test_the_report_is_that_of_the_stored_evidence(runs):
    """The page has the table, and is made again from the folder alone."""
    folder = runs["timed"].folder
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Where the time went" in page
    assert session.render_report(folder) == page


def test_the_terminal_shows_the_same_table(runs, capsys):
    """A line a part, numbers to the right; nothing of a run that was not timed."""
    print_times(runs["plain"])
    assert capsys.readouterr().out == ""
    print_times(read_run(runs["timed"].folder))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  where the time went: ")
    assert lines[2].split()[:3] == ["part", "seconds", "share"]
    assert len({len(line) for line in lines[2:]}) == 1
    assert columns([("a", "1"), ("bb", "10")]) == ["a    1", "bb  10"]


def test_saved_predictions_are_timed_too(tmp_path):
    """No image is passed, and the summary says so."""
    made = session.run_config(load_audit(write(tmp_path, n=120)), out=tmp_path / "run", profile_time=True)
    assert "no image passed through the model" in time_table(made.run).summary
