"""What a model that changed has said is of no use to another run."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.execution import FolderFiles, Guard, Kept, Processes, Store
from audit.execution._crew import flow
from tests.execution._make import card
from tests.execution.test_pool import Drifting, tasks, workshop


class Model:
    """Is what it is told to be, and counts how often somebody looks."""

    def __init__(self) -> None:
        self.card, self.state, self.looks = card(), "as before", 0

    def state_digest(self) -> str:
        self.looks += 1
        return self.state


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(files=FolderFiles(folder=tmp_path / "cache"), run="one")


def kept(number: int) -> Kept:
    return Kept(arrays={"x": np.array(number)})


def known_later(store: Store, count: int) -> list[bool]:
    """Return of each entry whether another run would use it."""
    later = replace(store, run="two", earlier=True)
    return [later.get(f"{i:064d}") is not None for i in range(count)]


def test_what_an_unchanged_model_said_counts_for_later_runs(store: Store) -> None:
    """The model is looked at when the first result is kept."""
    guard, model = Guard(before="as before"), Model()
    guard.put(model, store, f"{0:064d}", kept(0))
    assert known_later(store, 1) == [True]
    assert guard.changed == ""


def test_between_two_looks_results_count_for_the_own_run_until_the_next_look(store: Store) -> None:
    """A costly look is taken seldom; the next one vouches for all before it."""
    guard, model = Guard(before="as before", _due=float("inf")), Model()
    for i in range(3):
        guard.put(model, store, f"{i:064d}", kept(i))
    assert model.looks == 0
    assert all(store.get(f"{i:064d}") is not None for i in range(3))
    assert known_later(store, 3) == [False] * 3
    guard.settle(model, store)
    assert model.looks == 1
    assert known_later(store, 3) == [True] * 3


def test_nothing_since_the_last_look_at_the_same_model_counts(store: Store) -> None:
    """Nobody can say when it changed; what it says afterwards does not count either."""
    guard, model = Guard(before="as before"), Model()
    guard.put(model, store, f"{0:064d}", kept(0))
    guard._due = float("inf")
    guard.put(model, store, f"{1:064d}", kept(1))
    model.state = "another"
    guard._due = 0.0
    guard.put(model, store, f"{2:064d}", kept(2))
    guard.put(model, store, f"{3:064d}", kept(3))
    assert guard.changed == "another"
    assert known_later(store, 4) == [True, False, False, False]
    assert store.get(f"{2:064d}") is not None


def test_a_worker_that_is_killed_has_said_that_its_model_changed(tmp_path: Path) -> None:
    """Its answers tell, not only the question at the end."""
    shop = replace(workshop(tmp_path, model=Drifting()), guard=Guard(before="asked 0 times"))
    with Processes(2).crew(shop) as crew:
        done = list(flow(crew, tasks(), deque()))
    assert all(d.changed.startswith("asked ") for d in done)
    later = replace(shop.store, run="two", earlier=True)
    assert [later.get(d.key) for d in done] == [None] * 4


def test_a_model_that_stays_the_same_is_vouched_for_when_its_workers_are_asked(tmp_path: Path) -> None:
    """At the end of their part nothing is held back."""
    shop = workshop(tmp_path)
    shop = replace(shop, guard=Guard(before=shop.model.state_digest(), _due=float("inf")))
    with Processes(2).crew(shop) as crew:
        done = list(flow(crew, tasks(), deque()))
        crew.states()
    later = replace(shop.store, run="two", earlier=True)
    assert all(later.get(d.key) is not None for d in done)
