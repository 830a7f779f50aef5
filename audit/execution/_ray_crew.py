"""Actors of a Ray cluster that share a plan: whom they are asked by, what becomes of those that end."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from audit.core import ImagingModel
from audit.errors import InputError, InternalError, MissingExtraError
from audit.execution._loaded import loaded_modules
from audit.execution._pool import TRIES, lost
from audit.execution._ray_bench import Bench, Sent, code_of
from audit.execution._ray_signals import held_back
from audit.execution._tasks import Done, Task
from audit.models import sendable_scripts

_LOOK, _SLICE = 2.0, 0.25
_ENDED = "ended, or its machine did"
_TAKE, _EQUIP = Task(kind="state", code="take"), Task(kind="state", code="equip")


@dataclass(kw_only=True, eq=False)
class _Worker:
    """One actor: what it was asked last, and the answer that is awaited."""

    actor: Any
    task: Task | None = None
    awaited: Any = None
    ready: bool = False


class Team:
    """Actors that hold one model, whatever crew they are in."""

    def __init__(self, model: ImagingModel, reload: Callable[[], ImagingModel] | None, gpus: float) -> None:
        ray = ray_module()
        self.model = model
        self.idle: list[Any] = []
        self.lost = 0
        self._gpus = gpus
        try:
            data: bytes | None = pickled(model, "the model")
        except InputError:
            if reload is None:
                raise
            data = None
        sent = Sent(
            state=model.state_digest(), code=code_of(), modules=loaded_modules(), pickled=data,
            load=None if data else reload,
        )  # fmt: skip
        with held_back():
            self.sent = ray.put(sent)

    def hire(self) -> Any:
        """Return an actor, which may have to wait for a place."""
        with held_back():
            kind = ray_module().remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0)(Bench)
            return kind.remote()

    def end(self) -> None:
        """Kill the actors that nobody has."""
        for actor in self.idle:
            kill(actor)
        self.idle.clear()


class RayCrew:
    """Actors that share a plan; where one ends, others do its task again.

    Args:
        team: Gives actors with the model, and takes them back.
        data: What tasks need beside the model.
        workers: How many actors.
        patience: Seconds for which it waits without a single one.
        note: Told what the user should know.
    """

    spreads = True

    def __init__(self, team: Team, data: bytes, workers: int, *, patience: float, note: Callable[[str], None]) -> None:
        ray = ray_module()
        self.workers, self._team, self._patience, self._note = workers, team, patience, note
        with held_back():
            self._data = ray.put(data)
        self._waiting, self._ready = deque[Task](), deque[Done]()
        self._tries: dict[Task, int] = {}
        self._crew: list[_Worker] = []
        self._told = False
        self._stillborn = 0
        while team.idle and len(self._crew) < workers:
            self._crew.append(self._equipped(team.idle.pop()))
        while len(self._crew) < workers:
            self._crew.append(self._hired())

    def _hired(self) -> _Worker:
        with held_back():
            actor = self._team.hire()
            return _Worker(actor=actor, awaited=actor.take.remote(self._team.sent), task=_TAKE)

    def _equipped(self, actor: Any) -> _Worker:
        with held_back():
            return _Worker(actor=actor, awaited=actor.equip.remote(self._data), task=_EQUIP)

    def submit(self, task: Task) -> None:
        """Hand over a task."""
        self._waiting.append(task)
        self._give()

    def _give(self) -> None:
        for worker in self._crew:
            if not self._waiting:
                return
            if worker.ready and worker.task is None:
                worker.task = self._waiting.popleft()
                with held_back():
                    worker.awaited = worker.actor.do.remote(worker.task)

    def next(self) -> Done:
        """Wait until a task has ended; see `Crew.next`."""
        alone_since: float | None = None
        while not self._ready:
            heard = self._hear(_LOOK)
            alone_since = None if heard or any(w.ready for w in self._crew) else self._starved(alone_since)
            self._give()
        done = self._ready.popleft()
        if done.error is not None:
            raise done.error
        return done

    def _starved(self, since: float | None) -> float:
        """Note that no worker is there, and give up when that has been so for long."""
        now = time.monotonic()
        if since is not None and now - since > self._patience / 2 and not self._told:
            self._told = True
            self._note("the cluster has no free processor: waiting for one")
        if since is not None and now - since > self._patience:
            raise InputError(
                f"the cluster gave no worker for {self._patience:.0f} s", expected="at least one free processor",
                got="none", fix="free some or add machines, then run it again with --resume",
            )  # fmt: skip
        return now if since is None else since

    def _hear(self, seconds: float) -> bool:
        """Take the answers that are there, waiting for the first; return whether there was one."""
        awaited = {w.awaited: w for w in self._crew if w.awaited is not None}
        if not awaited:
            if not self._waiting:
                raise InternalError("no worker has a task", fix="report this")
            time.sleep(0.01)
            return False
        ended = _ended_of(list(awaited), seconds)
        for ref in ended:
            self._take(awaited[ref], ref)
        return bool(ended)

    def _take(self, worker: _Worker, ref: Any) -> None:
        ray = ray_module()
        task, worker.task, worker.awaited = worker.task, None, None
        try:
            with held_back():
                answer = ray.get(ref)
        except _gone(ray.exceptions):
            self._replace(worker, task)
            return
        except ray.exceptions.RayError as error:
            raise InternalError(
                "an actor failed beside its task", got=f"{type(error).__name__}"[:100], fix="report this"
            ) from error
        if task is _TAKE:
            self._check(answer)
            with held_back():
                worker.task, worker.awaited = _EQUIP, worker.actor.equip.remote(self._data)
        elif task is _EQUIP:
            self._check(answer)
            worker.ready = True
        else:
            self._ready.append(answer)

    def _check(self, wrong: str) -> None:
        if wrong:
            raise InputError(
                "a machine of the cluster cannot do its part", expected="the same code, model and files as here",
                got=wrong, fix="docs/how-to/cluster.md says how machines are made alike",
            )  # fmt: skip

    def _replace(self, worker: _Worker, task: Task | None) -> None:
        """Hire another actor for one that has ended, and put its task in front, a few times."""
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if self._stillborn >= TRIES * self.workers:
            raise InputError(
                "the workers of the cluster end before they are ready", expected="processes that stay",
                got=f"{self._stillborn} that ended", fix="see the logs of Ray: memory may be short there",
            )  # fmt: skip
        self._crew.remove(worker)
        kill(worker.actor)
        self._team.lost += 1
        self._crew.append(self._hired())
        if task is None or task in (_TAKE, _EQUIP):
            return
        self._tries[task] = self._tries.get(task, 0) + 1
        if self._tries[task] < TRIES:
            self._note(f"a worker of the cluster {_ENDED}: {task.label} is done again")
            self._waiting.appendleft(task)
        else:
            self._ready.append(lost(task, _ENDED))

    def states(self) -> tuple[str, ...]:
        """Return the digests of the model as every worker holds it; all are idle.

        What a worker that has ended held is not known, and it answers nothing any more.
        """
        ray = ray_module()
        with held_back():
            asked = [(w, w.actor.do.remote(Task(kind="state"))) for w in self._crew if w.ready and w.task is None]
        found = []
        for worker, ref in asked:
            while not _ended_of([ref], _LOOK):
                continue
            try:
                with held_back():
                    found.append(str(ray.get(ref).reason))
            except ray.exceptions.RayError:
                self._replace(worker, None)
        return tuple(found)

    def close(self) -> None:
        """Keep actors that are idle for the next crew; the others end, and with them what they are at."""
        for worker in self._crew:
            if worker.ready and worker.task is None:
                self._team.idle.append(worker.actor)
            else:
                kill(worker.actor)
        self._crew.clear()
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()


def _ended_of(awaited: list[Any], seconds: float) -> list[Any]:
    """Return the answers that are there, waiting for the first, and answering signals meanwhile."""
    ray, until = ray_module(), time.monotonic() + seconds
    while True:
        with held_back():
            ended, _ = ray.wait(awaited, num_returns=1, timeout=_SLICE)
            if ended:
                # Whatever else has come meanwhile costs no further wait.
                ended, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
        if ended or time.monotonic() > until:
            return list(ended)


def _gone(kinds: Any) -> tuple[type[Exception], ...]:
    """Return the errors of Ray that say that a worker has ended, or that its answer went with its machine."""
    return (
        kinds.RayActorError, kinds.WorkerCrashedError, kinds.NodeDiedError, kinds.OutOfMemoryError,
        kinds.ObjectLostError, kinds.OwnerDiedError,
    )  # fmt: skip


def ray_module() -> Any:
    """Return Ray.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "cluster") from None
    return ray


def pickled(value: object, what: str) -> bytes:
    """Return a value as bytes, code that no other machine can import among it.

    Raises:
        InputError: It holds what cannot be sent.
    """
    sendable_scripts()
    try:
        data: bytes = ray_module().cloudpickle.dumps(value)
    except Exception as error:  # a value of the user's own may raise anything here
        raise InputError(
            f"{what} cannot be sent to other machines", expected="an object that can be pickled",
            got=f"{type(error).__name__}: {error}"[:200], fix="describe the audit in audit.toml, or run it locally",
        ) from error  # fmt: skip
    return data


def kill(actor: Any) -> None:
    """End an actor."""
    ray = ray_module()
    # An actor that has ended already, or a cluster that has, is what is wanted.
    with held_back(), contextlib.suppress(ray.exceptions.RayError, ValueError, RuntimeError):
        ray.kill(actor, no_restart=True)
