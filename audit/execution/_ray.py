"""Workers of a Ray cluster: actors that hold the model, on this machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from audit.core import ImagingModel
from audit.errors import InternalError, StorageError
from audit.execution._pool import TRIES
from audit.execution._progress import Silent
from audit.execution._ray_bench import Keeper, stripped
from audit.execution._ray_crew import RayCrew, Team, kill, pickled, ray_module
from audit.execution._ray_link import linked
from audit.execution._ray_share import share_of
from audit.execution._ray_sight import sight_of
from audit.execution._ray_signals import held_back
from audit.execution._store import Files, FolderFiles
from audit.execution._workshop import Workshop

PATIENCE = 300.0
"""Seconds for which an audit waits for a cluster without a single worker."""


@dataclass(frozen=True, kw_only=True)
class _KeeperFiles:
    """Entries that lie where the audit was started, seen from elsewhere in the cluster.

    Args:
        keeper: Handle of the actor that reads and writes them.
    """

    keeper: Any

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name; see `Files.read`."""
        import ray

        with _kept():
            data: bytes | None = ray.get(self.keeper.read.remote(name))
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write bytes; see `Files.write`."""
        import ray

        with _kept():
            failed = str(ray.get(self.keeper.write.remote(name, data)))
        if failed:
            number, _, text = failed.partition(":")
            raise OSError(int(number), text)


def _hired_keeper(ray: Any, folder: str) -> Any:
    """Return an actor on this machine that keeps results in a folder of it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    with held_back():
        here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
        # Both of what it does may be done twice.
        keeper = ray.remote(
            num_cpus=0, scheduling_strategy=here, max_restarts=TRIES, max_task_retries=TRIES
        )(Keeper)  # fmt: skip
        return keeper.remote(folder)


@contextmanager
def _kept() -> Iterator[None]:
    """Let the loss of the keeper end the run: for a probe it would be an error of its own, as if it had failed."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        raise StorageError(
            "results cannot be kept where the audit was started", expected="a process there that keeps them",
            got=type(error).__name__, fix="see the logs of Ray there, then run it again with --resume",
        ) from None  # fmt: skip


class RayExecutor:
    """An executor of actors in a Ray cluster; use it in a `with` block, or close it.

    Args:
        address: Of a running cluster, for example "host:6379"; None: the one that RAY_ADDRESS names, else one that is
            started here and ends with the audit.
        workers: How many actors; None: one for each processor of the cluster.
        reload: Loads the model from its files, for one that cannot be sent.
        patience: Seconds for which it waits for a cluster without a single worker.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: There is no such cluster.
    """

    name = "ray"
    sends = True

    def __init__(
        self, address: str | None = None, *, workers: int | None = None,
        reload: Callable[[], ImagingModel] | None = None, patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        ray = ray_module()
        self._link = linked(ray, address)
        with held_back():
            share = share_of(ray.nodes(), workers)
        self.workers, self.gpus, self._note = share.workers, share.gpus, share.note
        self._reload, self._patience = reload, patience
        self._team: Team | None = None
        self._run = ""
        self._keepers: dict[str, Any] = {}

    @property
    def lost(self) -> int:
        """How many actors ended before they were let go."""
        return 0 if self._team is None else self._team.lost

    def crew(self, workshop: Workshop) -> RayCrew:
        """Return actors that do tasks as a workshop does them; those of an earlier crew of the run keep their model.

        Raises:
            InputError: What the tasks need can be neither sent nor loaded elsewhere.
        """
        if self._note:
            workshop.progress.note(self._note)
            self._note = ""
        # The same object may be another model in the next run: it was trained on, or holds something else.
        if self._team is None or self._team.model is not workshop.model or self._run != workshop.store.run:
            if self._team is not None:
                self._team.end()
            self._team, self._run = Team(workshop.model, self._reload, self.gpus), workshop.store.run
        bare = replace(
            stripped(workshop), progress=Silent(), store=replace(workshop.store, files=self._files(workshop))
        )
        data = pickled((bare, sight_of(workshop.cohort)), "what the probes look at")
        return RayCrew(self._team, data, self.workers, patience=self._patience, note=workshop.progress.note)

    def _files(self, workshop: Workshop) -> Files:
        """Return the store's files as actors see them."""
        files = workshop.store.files
        if files is None:
            raise InternalError("a cluster needs a store", fix="report this")
        if not isinstance(files, FolderFiles):
            return files
        ray, folder = ray_module(), str(Path(files.folder).absolute())
        if folder not in self._keepers:
            self._keepers[folder] = _hired_keeper(ray, folder)
        return _KeeperFiles(keeper=self._keepers[folder])

    def close(self) -> None:
        """Let all actors go, and leave the cluster; one that was started here ends."""
        if self._team is not None:
            self._team.end()
            self._team = None
        for keeper in self._keepers.values():
            kill(keeper)
        self._keepers.clear()
        if self._link is not None:
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()
