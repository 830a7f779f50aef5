"""Where the time went, in words and numbers that add up."""

from __future__ import annotations

import pytest

from audit.evidence import overhead, time_table


def spent(forwards=0, backwards=0, **seconds):
    return {"seconds": seconds, "forwards": forwards, "backwards": backwards}


PARTS = {
    "predictions": spent(forwards=800, reading=6.0, forward=2.0, rest=1.0),
    "ADV001": spent(forwards=5000, backwards=2000, forward=40.0, backward=20.0, rest=30.0),
    "PERF001": spent(rest=0.2),
    "PERF002": spent(rest=0.3),
    "report": spent(rest=0.5),
}


def test_a_run_that_nobody_timed_has_no_table():
    """Neither an old file nor one without a second of time has one."""
    assert time_table({}) is None
    assert time_table({"profile_time": {"parts": {}}}) is None
    assert time_table({"profile_time": "yes"}) is None


def test_the_longest_part_is_first_and_the_sum_last():
    """Of 100 s the attack took 90; two probes below half a per cent share a row."""
    table = time_table({"profile_time": {"parts": PARTS}})
    assert table.names == (
        "part", "seconds", "share", "reading", "forward", "backward", "statistics", "images", "gradients",
    )  # fmt: skip
    assert table.rows[0] == ("ADV001", "90.0", "90\u00a0%", "0.0", "40.0", "20.0", "30.0", "5,000", "2,000")
    assert [row[0] for row in table.rows] == ["ADV001", "predictions", "report", "2 others", "all"]
    assert table.rows[-1] == ("all", "100.0", "100\u00a0%", "6.0", "42.0", "20.0", "32.0", "5,800", "2,000")
    assert table.rows[-2][1] == "0.5"


def test_the_overhead_is_that_of_the_parts_that_pass_images():
    """99 s for 62 s of passes: 60 % more. Probes of saved numbers have no passes to be compared with."""
    assert overhead(PARTS) == pytest.approx(99 / 62 - 1, abs=1e-12)
    assert overhead({"PERF001": spent(rest=1.0)}) is None
    assert "took 60 % longer than their passes" in time_table({"profile_time": {"parts": PARTS}}).summary


def test_learning_counts_on_neither_side_of_the_overhead():
    """10 s in which another network learnt change nothing of 20 s beside 10 s of passes."""
    learnt = {"ADV004": spent(forward=6.0, backward=4.0, rest=20.0, training=10.0)}
    assert overhead(learnt) == pytest.approx(2.0, abs=1e-12)


def test_a_run_without_images_says_so():
    """Saved predictions pass nothing through a model."""
    table = time_table({"profile_time": {"parts": {"PERF001": spent(rest=1.0)}, "processes": 3}})
    assert table.summary == "1.0 s, added up over 3 processes; no image passed through the model."


def test_training_has_a_column_where_something_was_trained():
    """It is neither a pass of the audited model nor statistics."""
    table = time_table({"profile_time": {"parts": {"SHIFT004": spent(training=3.0, rest=1.0)}}})
    assert table.names[6] == "training"
    assert table.rows[0][6] == "3.0"
