"""The times that a run states are held against each other, for no digest covers them."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from audit.core import Evidence, Policy, Verdict
from audit.evidence import moment, run_moments


def at(second):
    return f"2026-01-01T10:00:{second:06.3f}+00:00"


def run(started=1, finished=5):
    times = {k: at(v)[:19] + "+00:00" for k, v in (("started", started), ("finished", finished)) if v is not None}
    return Evidence(run=times, policy=Policy(name="x"), verdict=Verdict(outcome="PASS"))


def log(*events):
    lines = [{"time": at(t), "event": name, **more} for name, t, more in events]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


OWN = (("start", 1.2, {"resume": False}), ("probe", 3, {}), ("verdict", 5.9, {}))


def test_times_that_fit_have_no_fault_and_the_earliest_counts():
    """The evidence has whole seconds, the log thousandths: a run of less than a second fits as well."""
    found = run_moments(run(), log(*OWN))
    assert found.faults == ()
    assert found.began == dt.datetime(2026, 1, 1, 10, 0, 1, tzinfo=dt.UTC)
    short = (("start", 1.4, {}), ("verdict", 1.9, {}))
    assert run_moments(run(1, 1), log(*short)).faults == ()


def test_a_run_that_was_taken_up_again_began_with_its_first_start():
    """Its log goes on with that of the run that was stopped; without saying so it is no log of a run."""
    before = (("start", 0.1, {"resume": False}), ("probe", 0.5, {}))
    again = (("start", 1.2, {"resume": True}), *OWN[1:])
    found = run_moments(run(), log(*before, *again))
    assert found.faults == ()
    assert found.began == moment(at(0.1))
    assert run_moments(run(), log(*before, *OWN)).faults == ("has a log that does not begin with its start",)
    assert run_moments(run(), log(before[1], *again)).faults == ("has a log that does not begin with its start",)


@pytest.mark.parametrize(
    ("evidence", "events", "words"),
    [
        (run(started=2), OWN, "start that the evidence states (2026-01-01T10:00:02+00:00) is later than the start in"),
        (run(finished=0), OWN, "is later than the end that the evidence states"),
        (run(finished=7), OWN, "is later than the verdict in the log"),
        (run(started=None), OWN, "states no time at which it began"),
        (run(finished=None), OWN, "states no time at which it ended"),
        (run(), (), "does not begin with its start"),
        (run(), OWN[1:], "does not begin with its start"),
    ],
)
def test_times_that_do_not_fit_are_told(evidence, events, words):
    """Another start, another end, none, and a log that lacks its begin."""
    assert words in " ".join(run_moments(evidence, log(*events)).faults)


@pytest.mark.parametrize("data", [b"\xff", b"[]", b"1", b"{}", b'{"event": "start", "time": "2026-01-01T10:00:00"}'])
def test_a_log_whose_lines_have_no_time_says_nothing_of_when(data):
    """A time without zone is none."""
    found = run_moments(run(), data)
    assert found.began is None
    assert "has no log whose lines each have a time" in found.faults


def test_the_ledger_has_the_run_within_its_times():
    """Begin between start and end, end at or after the end; a line without time is a fault."""

    def told(began, ended):
        lines = [{"event": "began", "time": began}, {"event": "ended", "time": ended}]
        return run_moments(run(), log(*OWN), lines)

    assert told(at(1), at(6)).faults == ()
    assert told(at(0), at(6)).began == moment(at(0))
    assert "start in the ledger" in told(at(0), at(6)).faults[0]
    assert "start in the ledger" in told(at(6), at(6)).faults[0]
    assert "end in the ledger" in told(at(1), at(4)).faults[0]
    assert told(at(1), "").faults == ("has no time at which it ended in the ledger",)


@pytest.mark.parametrize("text", ["", None, "soon", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_with_a_zone_is_none(text):
    """Nothing is guessed, and nothing beyond all calendars is an error."""
    assert moment(text) is None
