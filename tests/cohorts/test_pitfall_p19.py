"""P19: a case whose reference standard is not known is no negative."""

from __future__ import annotations

import numpy as np
import pytest

from audit.cohorts._targets import Targets, read_targets


def targets(*cells: str, positive: tuple[str, ...] = ("mel",), classes: tuple[str, ...] = ()) -> Targets:
    """Return the targets of a binary task."""
    return read_targets([("dx", np.array(cells, dtype=np.str_))], task="binary", classes=classes, positive=positive)


@pytest.mark.parametrize("gap", ["", "NA", "N/A", "nan", "NaN", "<NA>", "NULL", "unknown", "Missing"])
def test_a_gap_of_another_program_is_set_aside(gap: str) -> None:
    """Where values are declared positive all others are negative, but not the ones that say "no value"."""
    found = targets("mel", "nv", gap)
    assert found.reasons.tolist() == [None, None, "no target"]
    assert found.values[:2].tolist() == [1, 0]


def test_a_gap_that_is_declared_is_a_value() -> None:
    """A class called "unknown", and one called "NA", count as what they were declared to be."""
    assert targets("mel", "NA", positive=("NA",)).reasons.tolist() == [None, None]
    assert targets("mel", "unknown", classes=("unknown", "mel")).reasons.tolist() == [None, None]


def test_what_counts_as_negative_is_said() -> None:
    """Several values that nobody named stand in a sentence on the first screen; a single one needs none."""
    assert targets("mel", "nv", "bkl", "mel").remarks == ("dx: counted as negative are 'bkl', 'nv'.",)
    assert targets("mel", "nv", "nv").remarks == ()


def test_free_text_is_counted_and_not_said() -> None:
    """A target of many values may hold a sentence about a patient; only their number is said."""
    assert targets("mel", *(f"seen by Dr. {i}" for i in range(13))).remarks == (
        "dx: 13 different values count as negative.",
    )
