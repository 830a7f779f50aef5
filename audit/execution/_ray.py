"""Workers of a Ray cluster: actors that hold the model, on this machine or on many."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from audit.core import ImagingModel
from audit.errors import InputError, InternalError
from audit.execution._progress import Silent
from audit.execution._ray_bench import Keeper, stripped
from audit.execution._ray_crew import RayCrew, Team, kill, pickled, ray_module
from audit.execution._ray_sight import sight_of
from audit.execution._store import Files, FolderFiles
from audit.execution._workshop import Workshop

PATIENCE = 300.0
"""Seconds for which an audit waits for a cluster without a single worker."""
_REACH = 10.0


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

        data: bytes | None = ray.get(self.keeper.read.remote(name))
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write bytes; see `Files.write`."""
        import ray

        failed = str(ray.get(self.keeper.write.remote(name, data)))
        if failed:
            number, _, text = failed.partition(":")
            raise OSError(int(number), text)


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
        self._own = not ray.is_initialized()
        if self._own:
            _connect(ray, address)
        resources = ray.cluster_resources()
        self.workers = workers or max(1, int(resources.get("CPU", 1)))
        # Ray counts in ten thousandths.
        self.gpus = int(min(1.0, float(resources.get("GPU", 0)) / self.workers) * 10_000) / 10_000
        self._reload, self._patience = reload, patience
        self._team: Team | None = None
        self._keepers: dict[str, Any] = {}

    @property
    def lost(self) -> int:
        """How many actors ended before they were let go."""
        return 0 if self._team is None else self._team.lost

    def crew(self, workshop: Workshop) -> RayCrew:
        """Return actors that do tasks as a workshop does them; those of an earlier crew keep their model.

        Raises:
            InputError: What the tasks need can be neither sent nor loaded elsewhere.
        """
        if self._team is None or self._team.model is not workshop.model:
            if self._team is not None:
                self._team.end()
            self._team = Team(workshop.model, self._reload, self.gpus)
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
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
            keeper = ray.remote(num_cpus=0, scheduling_strategy=here)(Keeper)
            self._keepers[folder] = keeper.remote(folder)
        return _KeeperFiles(keeper=self._keepers[folder])

    def close(self) -> None:
        """Let all actors go, and leave the cluster; one that was started here ends."""
        ray = ray_module()
        if self._team is not None:
            self._team.end()
            self._team = None
        for keeper in self._keepers.values():
            kill(keeper)
        self._keepers.clear()
        if self._own and ray.is_initialized():
            with _handlers():
                ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()


def _connect(ray: Any, address: str | None) -> None:
    if address is not None and address.startswith("ray://"):
        raise InputError(
            "a Ray client cannot start an audit", expected="a process on a machine of the cluster", got="ray://",
            fix="ray job submit --address http://HEAD:8265 -- audit run audit.toml --executor ray",
        )  # fmt: skip
    # A program that reads images of patients reports to nobody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray itself would look for a cluster that ran here last, and wait a quarter of an hour for one that has gone.
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    more: dict[str, Any] = {"include_dashboard": False} if target == "local" else {}
    try:
        _reach(target)
        with _handlers():
            ray.init(address=target, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False, **more)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise InputError(
            "the Ray cluster cannot be reached", expected="the address of a running cluster",
            got=f"{type(error).__name__} at {target}",
            fix="start one with `ray start --head`, or leave --address out",
        ) from error  # fmt: skip


def _reach(target: str) -> None:
    """Check that somebody listens at a host and port.

    Raises:
        OSError: Nobody does.
    """
    host, _, port = target.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH).close()


@contextlib.contextmanager
def _handlers() -> Iterator[None]:
    """Keep this process's own answers to signals: a library must not decide how an audit is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
