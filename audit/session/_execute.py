"""The part of an audit that asks the model: by whom, what is there already, and what is kept."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.core import Cohort, ImagingModel, Probe
from audit.evidence import write_artifact
from audit.execution import (
    Ask,
    Basis,
    Clean,
    Executor,
    FolderFiles,
    Guard,
    InProcess,
    ProbeRuns,
    Processes,
    Progress,
    Ran,
    RunLog,
    Setting,
    StorageFiles,
    Store,
    Tally,
    Workshop,
    asked_of,
    probes_basis,
    states_seen,
)
from audit.storage import Location, Remote


@dataclass(kw_only=True)
class Execution:
    """What asks the model in one run, and what came of it.

    Args:
        executor: Who works.
        store: Where results are kept.
        model: The model.
        cohort: The cases as the manifest gives them.
        basis: What the model's answers rest on.
        before: Digest of the model before anything ran; empty where it says nothing of the answers.
        batch: Images a batch.
        folder: The run's folder.
        progress: Somebody who watches.
        log: The run's log.
        timed: Whether the workers say where their time goes.

    Attributes:
        tally: Units done, units that were there already, and where the time went.
        ran: What became of each probe, by code.
    """

    executor: Executor
    store: Store
    model: ImagingModel
    cohort: Cohort
    basis: Basis
    before: str
    batch: int
    folder: Path
    progress: Progress
    log: RunLog
    timed: bool = False
    tally: Tally = field(default_factory=Tally)
    ran: dict[str, Ran] = field(default_factory=dict)
    _states: list[tuple[str, ...]] = field(default_factory=list)
    _workers: int = 1

    def _workshop(self) -> Workshop:
        return Workshop(
            model=self.model, cohort=self.cohort, batch=self.batch, store=self.store, basis=self.basis,
            sends=self.executor.sends, progress=self.progress, timed=self.timed,
            guard=Guard(before=self.before),
        )  # fmt: skip

    def clean(self, ask_clean: Callable[[Ask], Clean]) -> Clean:
        """Ask the model about every case."""
        with self.executor.crew(self._workshop()) as crew:
            self._workers = crew.workers
            found = ask_clean(asked_of(crew, self.store, self.batch, self.progress, self.tally))
            self._states.append(crew.states())
        return found

    def probes(self, probes: Sequence[type[Probe]], setting: Setting, total: int) -> None:
        """Run all probes: those that look at what the others left behind come when these have ended.

        Args:
            probes: The probes.
            setting: What they share.
            total: Steps of the whole run, for the progress.
        """
        if self.store.files is not None:
            self.basis = probes_basis(self.basis, setting)
        else:
            self.basis = replace(self.basis, rest=self.basis.answers, seed=setting.seed)
        for group in ([p for p in probes if not p.info.last], [p for p in probes if p.info.last]):
            states = states_seen([*self._states, tuple(self.tally.changed)])
            self._group(group, replace(setting, states=states), total)

    def _group(self, probes: Sequence[type[Probe]], setting: Setting, total: int) -> None:
        if not probes:
            return
        workshop = replace(self._workshop(), setting=setting, probes={p.info.code: p for p in probes}, basis=self.basis)
        with self.executor.crew(workshop) as crew:
            self._workers = max(self._workers, crew.workers)
            runs = ProbeRuns(
                crew=crew, store=self.store, basis=self.basis, setting=setting, progress=self.progress,
                tally=self.tally, write=lambda file, data: write_artifact(self.folder, file, data),
            )  # fmt: skip
            alone = crew.workers == 1

            def started(probe: type[Probe]) -> None:
                if alone:
                    self.progress.start(probe.info.code, probe.info.title, len(self.ran) + 1, total)

            for one in runs.all(probes, started):
                info, result = one.result.info, one.result
                if not alone:
                    self.progress.start(info.code, info.title, len(self.ran) + 1, total)
                self.ran[info.code] = one
                self.log.event("probe", probe=info.code, state=result.state, reason=result.reason)
                self.progress.finish(info.code, result.state, *([] if alone else [result.seconds]))
            self._states.append(crew.states())

    def remarks(self, clean_batch: int) -> list[str]:
        """Return what a reader should know of how the model was asked; see `described`."""
        if not self._smaller(clean_batch):
            return []
        return [
            f"The model ran out of memory at {self.batch} images a batch; fewer were asked about at a time, see "
            "smaller_batches in the evidence."
        ]

    def _smaller(self, clean_batch: int) -> dict[str, int]:
        smaller = {code: r.batch for code, r in self.ran.items() if 0 < r.batch < self.batch}
        return {"clean predictions": clean_batch, **smaller} if clean_batch < self.batch else smaller

    def described(self, clean_batch: int) -> dict[str, object]:
        """Return what the evidence says of who worked, what was there already, and where memory ran out.

        Args:
            clean_batch: Images that were asked about at a time for the clean predictions.
        """
        smaller = self._smaller(clean_batch)
        return {
            "workers": self._workers, "executor": self.executor.name,
            **({"reused": self.tally.reused} if self.tally.reused else {}),
            **({"smaller_batches": smaller} if smaller else {}),
        }  # fmt: skip


@contextmanager
def opened_store(cache: Location | None, *, resume: bool, sends: bool) -> Iterator[Store]:
    """Give the store of a run.

    Args:
        cache: Folder of the cache, here or on shared storage; None: nothing is kept beyond the run.
        resume: Whether results of earlier runs are used.
        sends: Whether workers hand results over through the store alone.
    """
    run = secrets.token_hex(8)
    if isinstance(cache, Remote):
        yield Store(files=StorageFiles(folder=cache), run=run, earlier=resume)
    elif cache is not None:
        files = FolderFiles(folder=cache)
        yield Store(files=files, run=run, earlier=resume)
        files.prune()
    elif sends:
        with tempfile.TemporaryDirectory(prefix="audit-", ignore_cleanup_errors=True) as folder:
            yield Store(files=FolderFiles(folder=Path(folder)), run=run)
    else:
        yield Store(files=None, run=run)


def executor_of(given: Executor | None, workers: int, shut: Sequence[int]) -> Executor:
    """Return who works: whom the caller gives, worker processes, or this process alone."""
    if given is not None:
        return given
    return Processes(workers, shut=shut) if workers > 1 else InProcess()
