"""Where tasks are done: a model, the cases, and, once they are known, what the model says of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from audit.core import Cohort, ImagingModel, Probe, digest
from audit.core.clock import Clock
from audit.errors import StorageError
from audit.execution._guard import Guard
from audit.execution._kept import Gathered, keep
from audit.execution._keys import Basis
from audit.execution._parts import KeptParts, NotKept, ShardDone, Waiting
from audit.execution._progress import Progress, Silent
from audit.execution._reading import Reading
from audit.execution._runner import Setting, run_probe
from audit.execution._shards import Answers, ask_shard
from audit.execution._store import Kept, Store
from audit.execution._tasks import Done, Task
from audit.execution._watched import watching

PREDICTIONS = "predictions"
"""What the clean predictions are called where it is told where the time went."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Workshop:
    """Does tasks, wherever it stands.

    Args:
        model: The model.
        cohort: The cases as the manifest gives them.
        batch: Images a batch.
        store: Where results are kept.
        basis: What the model's answers rest on.
        probes: The probes of the run, by code.
        setting: What all probes share; None before the clean predictions are known.
        reading: How the images of shards are read.
        sends: Whether results reach whoever asked for them through the store alone.
        progress: Told of the task at hand.
        timed: Whether it is told where the time of a task went.
        guard: Looks whether the model is still the same when results are kept.
        blind: Tells whether the files of the cohort are no longer seen where it stands.
    """

    model: ImagingModel
    cohort: Cohort
    batch: int
    store: Store
    basis: Basis
    probes: Mapping[str, type[Probe]] = field(default_factory=dict)
    setting: Setting | None = None
    reading: Reading = field(default_factory=Reading)
    sends: bool = False
    progress: Progress = field(default_factory=Silent)
    timed: bool = False
    guard: Guard = field(default_factory=Guard)
    blind: Callable[[], bool] = bool

    def do(self, task: Task) -> Done:
        """Do one task.

        Raises:
            AuditError: The model fails on the cases of a shard.
            OSError: A result that others wait for cannot be written.
        """
        began = time.perf_counter()
        if self.timed and task.kind != "state":
            clock = Clock()
            with watching(clock, self._models(), self._cohorts()), clock.part(task.code or PREDICTIONS):
                done = self._done(task)
            done = replace(done, spent=clock.to_plain())
        else:
            done = self._done(task)
        return replace(done, seconds=time.perf_counter() - began, changed=self.guard.changed)

    def _done(self, task: Task) -> Done:
        if task.kind == "state":
            self.settle()
            return Done(task=task, state="kept", reason=self.model.state_digest())
        return self._shard(task) if task.kind in ("clean", "unverified") else self._probe(task)

    def _models(self) -> list[ImagingModel]:
        """Return the model, and those that stand in for it."""
        return [self.model, *(s.model for s in (self.setting.surrogates if self.setting else ()))]

    def _cohorts(self) -> list[Cohort]:
        training = self.setting.training if self.setting else None
        return [self.cohort, *(() if training is None else (training.cohort,))]

    def _shard(self, task: Task) -> Done:
        unverified = self.cohort.unverified
        cohort = self.cohort if task.kind == "clean" or unverified is None else unverified.cohort
        key = digest([self.basis.answers, task.kind, task.start, task.stop, self.batch])
        kept = self.store.get(key)
        known = None if kept is None else Answers.of(kept.arrays)
        answers = ask_shard(
            self.model, cohort, np.arange(task.start, task.stop), self.batch, reading=self.reading, known=known,
            progress=lambda done: self.progress.advance(task.start + done, len(cohort)),
        )  # fmt: skip
        reused = known is not None and np.array_equal(known.digests, answers.digests)
        return self._put(task, key, Kept(arrays=answers.arrays()), reused=reused)

    def keep(self, key: str, kept: Kept) -> None:
        """Keep a result; see `Guard.put`.

        Raises:
            StorageError: The files of the cohort have gone as a whole, so that it rests on the lack of them.
        """
        if self.blind():
            raise StorageError(
                "the cohort's files are not seen any more on a machine of the cluster",
                expected="a disk that stays where it is mounted", got="none of its files",
                fix="mount it again, then run it again with --resume",
            )  # fmt: skip
        self.guard.put(self.model, self.store, key, kept)

    def settle(self) -> None:
        """Let what was kept count for later runs, where the model is still the same."""
        with suppress(OSError):
            self.guard.settle(self.model, self.store)

    def _put(self, task: Task, key: str, kept: Kept, *, reused: bool = False) -> Done:
        try:
            self.keep(key, kept)
        except OSError:
            # What is handed over by hand need not be kept; a later run then does it again.
            if self.sends:
                raise
        return Done(task=task, state="kept", key=key, reused=reused, made=None if self.sends else kept)

    def _probe(self, task: Task) -> Done:
        if self.setting is None:
            raise ValueError("a probe was asked for before the clean predictions were known")
        probe = self.probes[task.code]
        key = self.basis.probe(probe)
        only = (task.call, task.shard) if task.kind == "part" else None
        gathered = Gathered()

        def parts() -> KeptParts:
            return KeptParts(
                key, self.store, only=only, spread=task.spread, progress=self.progress.advance, put=self.keep
            )  # fmt: skip

        try:
            ran = run_probe(probe, replace(self.setting, store=gathered), self.progress, parts)
        except ShardDone:
            return Done(task=task, state="kept", key=key)
        except Waiting as absent:
            return Done(task=task, state="waiting", key=key, call=absent.call, shards=absent.absent, count=absent.count)
        except NotKept as lost:
            raise lost.cause from lost
        if only is not None:
            # It never came to the shard: the probe ends otherwise here than where it was asked for.
            return Done(task=task, state="failed", key=key, reason=ran.result.reason or "the shard was not reached")
        return self._put(task, key, keep(ran, gathered.files))
