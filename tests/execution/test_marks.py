"""What a result rests on, named by its content."""

from __future__ import annotations

import importlib
import os
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, ModelSpec
from audit.execution import answers_basis
from audit.execution._keys import _looks
from audit.execution._marks import NoMark, code_mark, installed, mark, model_mark
from audit.models import from_callable, from_module
from audit.models._callable import CallableModel
from audit.probes import catalogue
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


def test_files_that_code_may_read_count_and_what_runs_leave_does_not(tmp_path: Path) -> None:
    """Numbers beside the code change the mark; reports, runs and what is hidden do not."""
    import torch

    model = from_module(torch.nn.Flatten().eval(), declared(0.5))
    (tmp_path / "nets.py").write_text("x = 1\n")
    before = model_mark(model, tmp_path)
    for name in ("notes.md", ".audit-cache/ab/entry", "__pycache__/nets.pyc", "run/log.jsonl", "run/evidence.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    assert model_mark(model, tmp_path) == before
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "monitor.npz").write_text("one")
    one = model_mark(model, tmp_path)
    (tmp_path / "weights" / "monitor.npz").write_text("two")
    assert len({before, one, model_mark(model, tmp_path)}) == 3


def test_a_large_file_goes_by_size_and_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read, and one whose time was set back is still another."""
    import torch

    monkeypatch.setattr("audit.execution._marks._MOST_READ", 2)
    model, path = from_module(torch.nn.Flatten().eval(), declared(0.5)), tmp_path / "large.npz"
    path.write_text("one")
    about, before = path.stat(), model_mark(model, tmp_path)
    assert model_mark(model, tmp_path) == before
    time.sleep(0.02)
    path.write_text("two")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert model_mark(model, tmp_path) != before


def test_a_number_that_a_network_holds_beside_its_tensors_counts() -> None:
    """A factor that was read from a file changes the answers, and no tensor."""
    import torch

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1)).eval()
    before = model_mark(from_module(net, declared(0.5)))
    net.temperature = 2.0
    assert model_mark(from_module(net, declared(0.5))) != before


def test_a_function_and_an_address_are_never_the_same_again(tmp_path: Path) -> None:
    """What they answer can change without a trace; a function that was made from a file goes by that file."""
    spec = ModelSpec(kind="callable", task="binary", output="probabilities", operating_point=0.5)
    model = from_callable(top, spec)
    with pytest.raises(NoMark):
        model_mark(model)
    with pytest.raises(NoMark):
        mark((model,))
    assert answers_basis(model, "c", None).answers != answers_basis(model, "c", None).answers
    (tmp_path / "weights").write_text("1")
    made = CallableModel(top, spec, weights=tmp_path / "weights")
    assert answers_basis(made, "c", None) == answers_basis(made, "c", None)


def test_every_distribution_counts() -> None:
    """A model may stand on any of them, and masks are read by some."""
    assert any(line.startswith("numpy:") for line in installed())
    assert len(installed()) > 20


def test_a_plugins_probe_may_look_at_everything() -> None:
    """What only some of the suite's own probes are given is part of the key of every other one."""
    own = catalogue().probes["FAIR001"]
    other = type("Other", (own,), {"__module__": "somewhere.else"})
    assert [_looks(own, name) for name in ("training", "monitor", "surrogates", "explain")] == [False] * 4
    assert all(_looks(other, name) for name in ("training", "monitor", "surrogates", "explain"))


def test_a_module_that_is_not_installed_counts_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is being worked on has one version and many contents."""
    import torch

    model = from_module(torch.nn.Flatten().eval(), declared(0.5))
    before = model_mark(model)
    path = tmp_path / "worked_on.py"
    path.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("worked_on")
    one = model_mark(model)
    path.write_text("x = 2\n")
    two = model_mark(model)
    monkeypatch.delitem(sys.modules, "worked_on")
    assert len({before, one, two}) == 3
    assert model_mark(model) == before
