"""Targets of every task."""

import numpy as np
import pytest

from audit.cohorts._targets import read_targets
from audit.core import Task
from audit.errors import ManifestError


def cells(*values: str) -> list[tuple[str, np.ndarray]]:
    """One target column."""
    return [("t", np.array(values, dtype=np.str_))]


def test_positive_values_count_as_one() -> None:
    """Every other value is negative, an empty cell is no target."""
    read = read_targets(cells("mel", "nv", "", "bcc"), task="binary", classes=(), positive=("mel", "bcc"))
    assert read.values.tolist() == [1, 0, 0, 1]
    assert read.reasons.tolist() == [None, None, "no target", None]
    assert read.classes == ("negative", "positive")


def test_positive_that_never_occurs_is_a_typing_error() -> None:
    """A cohort in which no positive value occurs is refused: all cases would be negatives."""
    with pytest.raises(ManifestError, match="did you mean 'melanoma'"):
        read_targets(cells("melanoma", "nv"), task="binary", classes=(), positive=("melanom",))


@pytest.mark.parametrize("values", [("0", "1", "0"), ("false", "true", "False"), ("other", "melanoma", "other")])
def test_binary_without_positive(values: tuple[str, ...]) -> None:
    """Flags and the names of the two classes need no declaration."""
    read = read_targets(cells(*values), task="binary", classes=("other", "melanoma"), positive=())
    assert read.values.tolist() == [0, 1, 0]


def test_an_undeclared_value_is_no_negative() -> None:
    """A value that nobody declared is a fault; counted as negative it would move every rate."""
    with pytest.raises(ManifestError, match="'2', 'unknown'"):
        read_targets(cells("0", "1", "2", "unknown"), task="binary", classes=(), positive=())


@pytest.mark.parametrize("task", ["multiclass", "ordinal"])
def test_classes_by_name_or_by_index(task: Task) -> None:
    """Names and indices both work, but a column is read in one way only."""
    names = read_targets(cells("b", "a", "c"), task=task, classes=("a", "b", "c"), positive=())
    indices = read_targets(cells("1", "0", "2"), task=task, classes=("a", "b", "c"), positive=())
    assert names.values.tolist() == indices.values.tolist() == [1, 0, 2]
    grades = read_targets(cells("1", "2", "3"), task=task, classes=("1", "2", "3"), positive=())
    assert grades.values.tolist() == [0, 1, 2]
    with pytest.raises(ManifestError, match="no class"):
        read_targets(cells("a", "1", "c"), task=task, classes=("a", "b", "c"), positive=())
    with pytest.raises(ManifestError, match="classes are not declared"):
        read_targets(cells("a"), task=task, classes=(), positive=())


def test_multilabel_columns() -> None:
    """One column a finding; a case with any finding unknown has no target."""
    columns = [("edema", np.array(["0", "1", ""])), ("mass", np.array(["1", "1", "0"]))]
    read = read_targets(columns, task="multilabel", classes=(), positive=())
    assert read.values.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert read.classes == ("edema", "mass")
    assert read.reasons.tolist() == [None, None, "no target"]
    with pytest.raises(ManifestError, match="do not fit the classes"):
        read_targets(columns, task="multilabel", classes=("a", "b", "c"), positive=())


def test_regression_takes_finite_numbers_only() -> None:
    """A word, NaN and infinity are no target; 1e3 is one."""
    read = read_targets(cells("1e3", "nan", "inf", "high", "", "1_0"), task="regression", classes=(), positive=())
    assert read.values[0] == 1000
    assert read.reasons.tolist() == [None, *["target is not a finite number"] * 3, "no target",
                                     "target is not a finite number"]  # fmt: skip
    assert np.isfinite(read.values).all()


@pytest.mark.parametrize("task", ["detection", "survival"])
def test_tasks_that_have_no_reader_say_so(task: Task) -> None:
    """A task whose reference standard is not one column is refused, not guessed."""
    with pytest.raises(ManifestError, match="cannot be read from a manifest yet"):
        read_targets(cells("1"), task=task, classes=(), positive=())


def test_two_columns_need_a_multilabel_task() -> None:
    """Two target columns under a binary task are a fault."""
    with pytest.raises(ManifestError, match="too many columns"):
        read_targets([*cells("1"), *cells("0")], task="binary", classes=(), positive=())
