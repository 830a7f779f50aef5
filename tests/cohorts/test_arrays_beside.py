"""What stands beside the cases, from arrays in memory."""

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import NOT_VERIFIED
from audit.errors import InputError
from audit.testing import other_split

TARGETS = np.array([0, 1, 1, 0])


def test_readers_and_comparators_of_arrays():
    """Readers are attributes of the role rater; comparators are values with what they are."""
    cohort = from_arrays(
        None, TARGETS, task="binary", attributes={"a": ([0, 1, None, 1], "rater")},
        comparators={
            "nurse": ([1, 0, 1, None], "decision"),
            "rule": (np.array([0.1, np.nan, 1, 0]), "probabilities", 0.3),
        },
    )  # fmt: skip
    np.testing.assert_array_equal(cohort.raters["a"], [0, 1, np.nan, 1])
    np.testing.assert_array_equal(cohort.comparators["nurse"].values, [1, 0, 1, np.nan])
    np.testing.assert_array_equal(cohort.comparators["rule"].values, [0.1, np.nan, 1, 0])
    assert cohort.comparators["rule"].spec.operating_point == 0.3


def test_readers_of_a_segmentation_give_volumes():
    """A reader's mark on a segmentation is its volume, a number; an empty cell is no reading."""
    cohort = from_arrays(
        np.zeros((3, 1, 8, 8), dtype=np.float32), np.zeros(3), task="segmentation", masks=np.zeros((3, 1, 8, 8)),
        attributes={"reader": ([12.5, None, 0], "rater")},
    )  # fmt: skip
    np.testing.assert_array_equal(cohort.raters["reader"], [12.5, np.nan, 0])


def test_survival_of_arrays():
    """Times and events take the place of targets."""
    cohort = from_arrays(None, task="survival", time=[3, 1.5], event=[True, False])
    assert cohort.targets.tolist() == [[3, 1], [1.5, 0]]
    assert cohort.event is not None
    assert cohort.event.tolist() == [True, False]


def test_unverified_cases_of_arrays():
    """The target of a case that nobody verified may be anything, even NaN."""
    cohort = from_arrays(
        None, np.array([0, np.nan, 1, 9]), ["a", "a", "b", "c"], task="binary", verified=[True, False, True, False],
        ungradable=[False, True, False, False], others=[other_split([1], name="train")],
    )  # fmt: skip
    assert cohort.targets.tolist() == [0, 1]
    assert cohort.ledger.set_aside == {NOT_VERIFIED: 2}
    assert cohort.unverified is not None
    assert cohort.patient_ids[cohort.unverified.cohort.patients].tolist() == ["a", "c"]
    assert cohort.unverified.cohort.patients[0] == cohort.patients[0]
    assert cohort.ungradable is not None
    assert cohort.ungradable.tolist() == [False, False]
    assert [o.name for o in cohort.others] == ["train"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"targets": None}, "no targets"),
        ({"targets": TARGETS, "verified": [False] * 4}, "no case is left"),
        ({"targets": TARGETS, "verified": [True]}, "another length"),
        ({"targets": TARGETS, "ungradable": [True]}, "another length"),
        ({"targets": TARGETS, "comparators": {"a": [1, 2, 3, 4]}}, "what it gives is missing"),
        ({"targets": TARGETS, "comparators": {"a": ([0.5], "value")}}, "another length"),
        ({"targets": TARGETS, "comparators": {"a": ([2, 0, 0, 0], "probabilities")}}, r"outside \[0, 1\]"),
        ({"targets": TARGETS, "comparators": {"a": ([0, 0, 0, 0], "odds")}}, "does not go with the task"),
        ({"targets": TARGETS, "comparators": {"a": ([0, 0, 0, 0], "decision", 0.5)}}, "a threshold on decisions"),
        ({"targets": TARGETS, "attributes": {"a": ([0, 1, 2, 0], "rater")}}, "a value that the target does not have"),
        ({"task": "survival", "time": [1, 2]}, "no follow-up"),
        ({"task": "survival", "time": [1, -2], "event": [0, 1]}, "a follow-up that cannot be used"),
        ({"task": "survival", "time": [1, 2], "event": [0, 2]}, "a follow-up that cannot be used"),
    ],
)
def test_arrays_that_cannot_be_used(given, said):
    """Wrong lengths, unknown kinds and impossible values are wrong input."""
    with pytest.raises(InputError, match=said) as caught:
        from_arrays(None, **{"task": "binary", **given})
    assert caught.value.exit_code == 2
