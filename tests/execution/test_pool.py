"""Worker processes: they share the plan, may be killed, and go when nobody asks them any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.core import Estimate, Measurement
from audit.errors import ModelError
from audit.execution import (
    Basis,
    FolderFiles,
    InProcess,
    ProbeRuns,
    Processes,
    Silent,
    Store,
    Tally,
    Task,
    Workshop,
    asked_of,
)
from audit.execution._crew import flow
from tests.execution._make import MeanModel, card, cohort, draw, probe, setting

CASES = [0.1, 0.9, 0.4, 0.7, 0.3, 0.2, 0.6, 0.5]


def workshop(folder: Path, probes=(), *, model=None, sends=True) -> Workshop:
    return Workshop(
        model=model or MeanModel(card()), cohort=cohort(CASES), batch=2, basis=Basis(answers="a", rest="r", seed=1),
        store=Store(files=FolderFiles(folder=folder), run="one"), setting=setting(seed=1), sends=sends,
        probes={p.info.code: p for p in probes},
    )  # fmt: skip


def run(folder: Path, probes, executor) -> dict[str, object]:
    """Run probes and return their results by code."""
    shop = workshop(folder, probes, sends=executor.sends)
    with executor.crew(shop) as crew:
        runs = ProbeRuns(
            crew=crew, store=shop.store, basis=shop.basis, setting=shop.setting, write=lambda file, data: None,
            progress=Silent(), tally=Tally(),
        )  # fmt: skip
        return {r.result.probe: r.result for r in runs.all(probes, lambda p: None)}


def tasks() -> list[Task]:
    return [Task(kind="clean", start=i, stop=i + 2) for i in range(0, 8, 2)]


@pytest.mark.parametrize("executor", [InProcess(), Processes(1), Processes(3)])
def test_every_crew_gives_the_same(tmp_path, executor) -> None:
    """One process or three workers: the same numbers to the bit."""
    shop = workshop(tmp_path, sends=executor.sends)
    with executor.crew(shop) as crew:
        done = list(flow(crew, tasks(), deque()))
    found = {d.task.start: (d.made or shop.store.get(d.key)).arrays["raw"] for d in done}
    assert np.concatenate([found[i] for i in sorted(found)])[:, 0] == pytest.approx(CASES, abs=1e-7)


def test_probes_are_seeded_by_their_code_whoever_runs_them(tmp_path) -> None:
    """The same draws in one process and in two workers."""
    probes = [probe(code, draw) for code in ("PERF001", "PERF002", "CAL001")]
    alone = run(tmp_path / "a", probes, InProcess())
    shared = run(tmp_path / "b", probes, Processes(2))
    assert {c: r.measurements for c, r in alone.items()} == {c: r.measurements for c, r in shared.items()}


def sharded(ctx):
    """Add up squares in shards; every one notes who did it."""
    seed = int(ctx.rng.integers(2**31))

    def work(at):
        time.sleep(0.05)
        drawn = np.array([np.random.default_rng([seed, p]).random() for p in at])
        return {"x": drawn, "who": np.full(len(at), os.getpid())}

    parts = ctx.parts.map("draws", work, 12, size=2)
    assert len({int(w) for p in parts for w in p["who"]}) > (1 if os.environ.get("MANY") else 0)
    ctx.rng.random()
    again = ctx.parts.map("more", lambda at: {"x": at + seed}, 5, size=2)
    value = float(np.concatenate([p["x"] for p in parts]).sum() + np.concatenate([p["x"] for p in again]).sum())
    return [Measurement.of(Estimate.counted(value, n=1, n_patients=1), metric="faults", level=0.95)]


def test_one_process_is_told_of_a_probe_when_it_begins(tmp_path) -> None:
    """What is shown as at work is what is at work: no probe is said to have begun before the one before it ended."""
    seen: list[str] = []

    def note(what, code):
        seen.append(f"{what} {code}")

    def watched(code):
        return probe(code, lambda ctx: (note("runs", code), draw(ctx))[1])

    probes = [watched("PERF001"), watched("PERF002")]
    shop = workshop(tmp_path, probes, sends=False)
    with InProcess().crew(shop) as crew:
        runs = ProbeRuns(
            crew=crew, store=shop.store, basis=shop.basis, setting=shop.setting, write=lambda file, data: None,
            progress=Silent(), tally=Tally(),
        )  # fmt: skip
        for ran in runs.all(probes, lambda p: note("begins", p.info.code)):
            note("ended", ran.result.probe)
    assert seen == [f"{what} {code}" for code in ("PERF001", "PERF002") for what in ("begins", "runs", "ended")]


def test_shards_of_one_probe_are_spread(tmp_path, monkeypatch) -> None:
    """Several workers do them, and the number is the one of a single process."""
    one = run(tmp_path / "a", [probe("PERF001", sharded)], InProcess())
    monkeypatch.setenv("MANY", "1")
    two = run(tmp_path / "b", [probe("PERF001", sharded)], Processes(2))
    assert (one["PERF001"].state, two["PERF001"].state) == ("completed", "completed")
    assert one["PERF001"].measurements == two["PERF001"].measurements


def test_a_shard_that_crashes_makes_the_probe_an_error(tmp_path) -> None:
    """The reason is that of the shard, and the other probes go on."""

    def crash(ctx):
        ctx.parts.map("x", lambda at: {"x": at} if 3 not in at else 1 / 0, 6, size=2)
        return draw(ctx)

    found = run(tmp_path, [probe("PERF001", crash), probe("PERF002", draw)], Processes(2))
    assert (found["PERF001"].state, found["PERF001"].reason[:17]) == ("error", "ZeroDivisionError")
    assert found["PERF002"].state == "completed"


def test_an_error_of_an_earlier_run_is_not_taken_over(tmp_path) -> None:
    """Its cause may have passed; a result is."""
    there = tmp_path / "there"

    def once(ctx):
        if not there.exists():
            there.touch()
            raise OSError("the share did not answer")
        return draw(ctx)

    shop = workshop(tmp_path / "cache", [probe("PERF001", once)], sends=False)
    found = []
    for run_id in ("one", "two", "three"):
        shop = replace(shop, store=replace(shop.store, run=run_id, earlier=True))
        tally = Tally()
        with InProcess().crew(shop) as crew:
            runs = ProbeRuns(
                crew=crew, store=shop.store, basis=shop.basis, setting=shop.setting, write=lambda file, data: None,
                progress=Silent(), tally=tally,
            )  # fmt: skip
            found += [(r.result.state, tally.reused) for r in runs.all(list(shop.probes.values()), lambda p: None)]
    assert found == [("error", 0), ("completed", 0), ("completed", 1)]


def test_another_run_that_writes_the_same_entry_does_no_harm(tmp_path) -> None:
    """Two runs of one configuration at the same time work out the same, and one cache holds it once."""
    shop = workshop(tmp_path)
    c = shop.cohort

    class Meddling:
        workers, spreads = 1, False

        def __init__(self, crew) -> None:
            self.crew, self.submit = crew, crew.submit

        def next(self):
            done = replace(self.crew.next(), made=None)
            kept = shop.store.get(done.key)
            replace(shop.store, run="two").put(done.key, kept)
            return done

    with InProcess().crew(shop) as crew:
        asked = asked_of(Meddling(crew), shop.store, 2, Silent(), Tally())(c, "clean")
    assert asked.raw[:, 0] == pytest.approx(CASES, abs=1e-7)


def test_a_probe_that_kills_its_worker_is_an_error_and_no_more(tmp_path) -> None:
    """It is tried a few times, then named with the signal; every other probe completes."""

    def suicide(ctx):
        os.kill(os.getpid(), signal.SIGKILL)

    found = run(tmp_path, [probe("PERF001", suicide), probe("PERF002", draw), probe("CAL001", draw)], Processes(2))
    assert (found["PERF001"].state, found["PERF001"].reason) == ("error", "its worker was killed by signal 9, 3 times")
    assert {found[c].state for c in ("PERF002", "CAL001")} == {"completed"}


def test_a_worker_that_is_killed_once_is_replaced(tmp_path) -> None:
    """Its task is done again, and nothing is missing."""
    mark = tmp_path / "mark"

    def once(ctx):
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return draw(ctx)

    found = run(tmp_path / "c", [probe("PERF001", once)], Processes(2))
    undisturbed = run(tmp_path / "d", [probe("PERF001", draw)], InProcess())
    assert found["PERF001"].state == "completed"
    assert found["PERF001"].measurements == undisturbed["PERF001"].measurements


def test_a_model_that_kills_every_worker_ends_the_run_with_a_reason(tmp_path) -> None:
    """Without clean predictions there is no audit."""

    class Deadly(MeanModel):
        def predict(self, images):
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        pytest.raises(
            ModelError, match="killed by signal 9 while it asked the model about clean cases 0 to 1, 3 times"
        ),
        Processes(1).crew(workshop(tmp_path, model=Deadly(card()))) as crew,
    ):
        list(flow(crew, tasks()[:1], deque()))


def test_an_error_of_the_model_comes_back_as_it_is(tmp_path) -> None:
    """What a worker raises is raised here, with expected, got and fix."""

    class Broken(MeanModel):
        def predict(self, images):
            raise RuntimeError("no such layer")

    with (
        pytest.raises(ModelError, match="failed on a batch of readable images") as caught,
        Processes(2).crew(workshop(tmp_path, model=Broken(card()))) as crew,
    ):
        list(flow(crew, tasks(), deque()))
    assert "no such layer" in str(caught.value)
    assert "check [model.input]" in str(caught.value)


class Drifting:
    """Changes its own state when it is asked."""

    def __init__(self) -> None:
        self.card, self.asked = card(), 0

    def predict(self, images):
        self.asked += 1
        return images.reshape(len(images), -1).mean(axis=1, keepdims=True)

    def state_digest(self) -> str:
        return f"asked {self.asked} times"


def test_workers_say_what_became_of_their_model(tmp_path) -> None:
    """A model that changed in a worker is seen, though the one here never was asked."""
    model = Drifting()
    with Processes(2).crew(workshop(tmp_path, model=model)) as crew:
        assert set(crew.states()) == {"asked 0 times"}
        list(flow(crew, tasks(), deque()))
        assert set(crew.states()) != {"asked 0 times"}
    assert model.asked == 0


ORPHAN = """
import sys, time
from pathlib import Path
from tests.execution.test_pool import Processes, workshop
crew = Processes(2).crew(workshop(Path(sys.argv[1])))
print(*[w.process.pid for w in crew._crew], flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_workers_go_when_their_parent_was_killed(tmp_path) -> None:
    """No orphan holds memory or a lock after kill -9."""
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    workers = [int(p) for p in parent.stdout.readline().split()]
    assert all(alive(p) for p in workers)
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while any(alive(p) for p in workers) and time.monotonic() < until:
        time.sleep(0.1)
    parent.stdout.close()
    assert not any(alive(p) for p in workers)
