"""What a result rests on, named by its content."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, ModelSpec
from audit.execution._marks import NoMark, code_mark, mark, model_mark
from audit.models import from_module
from audit.testing import tiny_cohort


@dataclass(frozen=True)
class Pair:
    first: Any
    second: Any = None


def declared(point: float) -> ModelSpec:
    return ModelSpec(kind="torch", task="binary", output="logits", operating_point=point)


def top(x: float) -> float:
    return x


VALUES = [
    None, True, 1, 1.0, "1", b"1", (1,), [1], {1: 1}, "", (), (None,), ("", ""), ("a", "b"), ("ab",), ("a", ("b",)),
    np.array([1]), np.array([1.0]), np.array([[1]]), np.array(["1"]), np.float64(2), Pair(1), Pair(1, 2), Pair((1, 2)),
    top, partial(top, 1), partial(top, 2), {"a": 1, "b": 2}, {"b": 2, "a": 1}, float("nan"), np.array([np.nan]),
    BUDGETS["smoke"], BUDGETS["full"],
]  # fmt: skip


def test_different_values_have_different_marks_and_equal_ones_the_same() -> None:
    """Types, shapes, nesting, order of keys and emptiness all count."""
    marks = [mark(v) for v in VALUES]
    assert len(set(marks)) == len(VALUES)
    assert marks == [mark(v) for v in VALUES]


def test_a_change_of_one_field_of_the_budget_changes_the_mark() -> None:
    """What a probe may spend is part of what its result rests on."""
    assert mark(BUDGETS["smoke"]) != mark(replace(BUDGETS["smoke"], attack_steps=9))


@pytest.mark.parametrize("value", [lambda x: x, object(), np.array([{}], dtype=object), (1, lambda: 0)])
def test_what_cannot_be_named_is_refused(value: Any) -> None:
    """A function made on the spot, an unknown object and an array of objects have no content to go by."""
    with pytest.raises(NoMark):
        mark(value)


def test_a_function_that_closes_over_a_value_is_refused() -> None:
    """Two such functions look alike from outside."""

    def made(limit: float) -> Any:
        def inside(x: float) -> bool:
            return x > limit

        return inside

    with pytest.raises(NoMark):
        mark(made(1.0))


def test_a_changed_file_changes_the_mark(tmp_path: Path) -> None:
    """Size or time of change; a file that is not there has a mark of its own."""
    path = tmp_path / "x"
    absent = mark(path)
    path.write_text("one")
    there = mark(path)
    path.write_text("two!")
    longer = mark(path)
    os.utime(path, ns=(1, 1))
    assert len({absent, there, longer, mark(path)}) == 4


def test_one_pixel_one_attribute_or_one_patient_changes_the_mark_of_a_cohort() -> None:
    """Everything that a probe may look at counts."""
    cohort = tiny_cohort(np.random.default_rng(1), n=20)
    marks = {mark(cohort), mark(replace(cohort, patients=cohort.patients[::-1].copy()))}
    marks.add(mark(replace(cohort, design="consecutive")))
    marks.add(mark(cohort.subset(np.arange(len(cohort) - 1))))
    assert len(marks) == 4
    assert mark(cohort) == mark(tiny_cohort(np.random.default_rng(1), n=20))


def test_weights_and_threshold_change_the_mark_of_a_model() -> None:
    """The card counts as well as the state."""
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1)).eval()

    def made(point: float) -> Any:
        return from_module(net, declared(point))

    first = model_mark(made(0.5))
    assert first == model_mark(made(0.5))
    assert first != model_mark(made(0.4))
    with torch.no_grad():
        net[1].bias += 1
    assert first != model_mark(made(0.5))


def test_code_beside_the_configuration_counts(tmp_path: Path) -> None:
    """A network's file that was edited answers otherwise with the same weights."""
    import torch

    model = from_module(torch.nn.Flatten().eval(), declared(0.5))
    before = model_mark(model, tmp_path)
    (tmp_path / "nets.py").write_text("x = 1\n")
    assert model_mark(model, tmp_path) != before


def test_the_mark_of_the_code_is_the_same_within_a_process() -> None:
    """It is taken once."""
    assert code_mark() == code_mark()
    assert len(code_mark()) == 64
