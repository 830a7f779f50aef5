"""A run's tasks, from the plan to results: which are there already, which wait for others, which are done in vain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from audit.core import Cohort, Probe, ProbeResult, shards
from audit.core.clock import Clock
from audit.errors import InternalError
from audit.execution._crew import Crew, flow
from audit.execution._kept import restore
from audit.execution._keys import Basis
from audit.execution._progress import Progress
from audit.execution._runner import Ran, Setting, order, probe_seed
from audit.execution._shards import Answers, shard_size
from audit.execution._store import Kept, Store
from audit.execution._tasks import Done, Task, TaskKind

_MOST_ROUNDS = 200


@dataclass(kw_only=True)
class Tally:
    """What was done and what was there already.

    Args:
        done: Units that were worked out.
        reused: Units that an earlier run had worked out.
        clock: Where the time of the workers went.
        changed: Digests of a model that was no longer the same when a worker kept a result.
    """

    done: int = 0
    reused: int = 0
    clock: Clock = field(default_factory=Clock)
    changed: set[str] = field(default_factory=set)

    def hear(self, done: Done) -> None:
        """Take note of where the time of a task went, and of what became of the model."""
        self.clock.merge(done.spent)
        if done.changed:
            self.changed.add(done.changed)

    def count(self, *, reused: bool) -> None:
        """Count one unit."""
        self.reused += reused
        self.done += not reused


def asked_of(crew: Crew, store: Store, batch: int, progress: Progress, tally: Tally) -> Callable[..., Answers]:
    """Return a function that asks a crew about all cases of a cohort; see `clean_predictions`."""

    def ask(cohort: Cohort, kind: TaskKind) -> Answers:
        cut = shards(len(cohort), shard_size(len(cohort), batch))
        tasks = [Task(kind=kind, start=int(s[0]), stop=int(s[-1]) + 1) for s in cut]
        found: dict[int, Answers] = {}
        ready = 0
        for done in flow(crew, tasks, deque()):
            tally.hear(done)
            kept = _result(done, store)
            found[done.task.start] = Answers.of(kept.arrays)
            tally.count(reused=done.reused)
            ready += done.task.stop - done.task.start
            progress.advance(ready, len(cohort))
        return Answers.joined([found[start] for start in sorted(found)])

    return ask


def _result(done: Done, store: Store) -> Kept:
    # Another run that works out the same may have written it again meanwhile.
    kept = done.made or store.get(done.key, made=True)
    if kept is None:
        raise InternalError(
            "a result was not where its worker said", expected=done.task.label, got="nothing", fix="run with --resume"
        )
    return kept


@dataclass(kw_only=True, eq=False)
class ProbeRuns:
    """Probes that a crew runs, and what became of each.

    Args:
        crew: The workers.
        store: Where results lie.
        basis: What they rest on.
        setting: What all probes share.
        write: Takes path and bytes of each artifact's file.
        progress: Somebody who watches.
        tally: Counts.
    """

    crew: Crew
    store: Store
    basis: Basis
    setting: Setting
    write: Callable[[str, bytes], None]
    progress: Progress
    tally: Tally
    _more: deque[Task] = field(default_factory=deque)
    _absent: dict[str, set[int]] = field(default_factory=dict)
    _rounds: dict[str, int] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _alone: set[str] = field(default_factory=set)

    def all(self, probes: Sequence[type[Probe]], started: Callable[[type[Probe]], None]) -> Iterator[Ran]:
        """Run probes and give each result as it is there.

        Args:
            probes: In the order in which they are begun.
            started: Told of each probe when it is handed out.
        """
        by_code = {p.info.code: p for p in probes}
        left: list[type[Probe]] = []
        for probe in order(probes):
            known = self._known(probe)
            if known is None:
                left.append(probe)
                continue
            started(probe)
            self.tally.count(reused=True)
            yield known
        for done in flow(self.crew, self._tasks(left, started), self._more):
            code = done.task.code
            self.tally.hear(done)
            self._seconds[code] = self._seconds.get(code, 0.0) + done.seconds
            ran = self._heard(by_code[code], done)
            if ran is not None:
                self.tally.count(reused=False)
                yield replace(ran, result=replace(ran.result, seconds=self._seconds[code]))

    def _tasks(self, probes: Iterable[type[Probe]], started: Callable[[type[Probe]], None]) -> Iterator[Task]:
        for probe in probes:
            started(probe)
            yield self._task(probe.info.code)

    def _task(self, code: str) -> Task:
        return Task(kind="probe", code=code, spread=self.crew.spreads and code not in self._alone)

    def _known(self, probe: type[Probe]) -> Ran | None:
        """Return a result of an earlier run that still holds.

        A check of the set-up is always made anew, and so is what ended in an error: its cause may have passed.
        """
        kept = None if probe.info.self_check else self.store.get(self.basis.probe(probe))
        if kept is None or kept.plain.get("result", {}).get("state", "error") == "error":
            return None
        return restore(kept, self.write)

    def _heard(self, probe: type[Probe], done: Done) -> Ran | None:
        """Take note of a task that has ended; return the probe's result where that was the last of them."""
        code = probe.info.code
        if done.task.kind == "part":
            self._part(code, done)
            return None
        if done.state == "waiting":
            self._wait(code, done)
            return None
        if done.state == "lost":
            return self._lost(probe, done.reason)
        return restore(_result(done, self.store), self.write)

    def _wait(self, code: str, done: Done) -> None:
        """Have the shards done that a probe waits for."""
        self._rounds[code] = self._rounds.get(code, 0) + 1
        if self._rounds[code] > _MOST_ROUNDS:
            # Its shards are not found again, whatever the reason: one worker does them all.
            self._alone.add(code)
            self._more.append(self._task(code))
            return
        self._absent[code] = set(done.shards)
        self._more.extend(
            Task(kind="part", code=code, call=done.call, shard=i, spread=True) for i in done.shards
        )  # fmt: skip

    def _part(self, code: str, done: Done) -> None:
        """Note a shard that has ended, and run the probe on when it was the last one."""
        if done.state != "kept":
            # What stopped the shard is to be seen where the whole probe runs, and becomes its state.
            self._alone.add(code)
        waiting = self._absent[code]
        waiting.discard(done.task.shard)
        if not waiting:
            self._more.append(self._task(code))

    def _lost(self, probe: type[Probe], reason: str) -> Ran:
        seed = probe_seed(self.setting.seed, probe.info.code)
        return Ran(result=ProbeResult(info=probe.info, state="error", reason=reason, seed=seed))


def states_seen(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the different digests of the model that workers held when they had done their part."""
    return tuple(str(s) for s in np.unique([state for crew in found for state in crew]))
