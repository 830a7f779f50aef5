"""Worker processes on this machine: forked after the model is loaded, so that all share its weights."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from audit.errors import AuditError, InternalError, ModelError
from audit.execution._crew import Alone, Crew
from audit.execution._progress import Silent
from audit.execution._tasks import Done, Task
from audit.execution._workshop import Workshop

TRIES = 3
"""How often a task is given to a worker that may be killed at it."""
_ABOUT = 0.5


@dataclass(kw_only=True, eq=False)
class _Worker:
    """One process, and the task that it is at."""

    process: BaseProcess
    pipe: Connection
    task: Task | None = None


def can_fork(workshop: Workshop) -> bool:
    """Return whether worker processes can share this model.

    A forked process has no threads of its parent and no use of its graphics processor.
    """
    device = _device(workshop.model)
    return sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods() and device in ("", "cpu")


def _device(model: Any) -> str:
    module = getattr(model, "module", None)
    if module is None or not hasattr(module, "parameters"):
        return ""
    return next((str(p.device.type) for p in module.parameters()), "")


class Processes:
    """An executor of worker processes.

    Args:
        workers: How many.
        shut: File descriptors that a worker closes at once, such as that of a lock.
    """

    name = "local"
    sends = True

    def __init__(self, workers: int, *, shut: Sequence[int] = ()) -> None:
        self.workers, self._shut = workers, tuple(shut)

    def crew(self, workshop: Workshop) -> Crew:
        """Return worker processes, or this one where processes cannot share the model."""
        if not can_fork(workshop):
            workshop.progress.note("worker processes cannot share this model here: one process does all")
            return Alone(workshop)
        return Pool(workshop, self.workers, shut=self._shut)


class Pool:
    """Worker processes; one that is killed is replaced, and its task is done again.

    Args:
        workshop: Does the tasks; every worker has it as it is now.
        workers: How many.
        shut: File descriptors that a worker closes at once.
    """

    spreads = True

    def __init__(self, workshop: Workshop, workers: int, *, shut: Sequence[int] = ()) -> None:
        self.workers, self._workshop, self._shut = workers, workshop, tuple(shut)
        self._context = multiprocessing.get_context("fork")
        self._crew: list[_Worker] = []
        self._waiting, self._ready = deque[Task](), deque[Done]()
        self._tries: dict[Task, int] = {}
        for _ in range(workers):
            self._crew.append(self._hire())

    def _hire(self) -> _Worker:
        mine, theirs = self._context.Pipe()
        # What a worker inherits and must not hold: else nobody would see that this process has gone.
        shut = [*self._shut, mine.fileno(), *(w.pipe.fileno() for w in self._crew)]
        process = self._context.Process(
            target=_work, args=(self._workshop, theirs, shut, os.getpid()), name="audit-worker"
        )
        process.start()
        theirs.close()
        return _Worker(process=process, pipe=mine)

    def submit(self, task: Task) -> None:
        """Hand over a task."""
        self._waiting.append(task)
        self._give()

    def _give(self) -> None:
        for worker in self._crew:
            if not self._waiting:
                return
            if worker.task is None:
                self._send(worker, self._waiting.popleft())

    def _send(self, worker: _Worker, task: Task) -> None:
        worker.task = task
        try:
            worker.pipe.send(task)
        except OSError:
            self._replace(worker)

    def next(self) -> Done:
        """Wait until a task has ended; see `Crew.next`."""
        while not self._ready:
            pipes = {w.pipe: w for w in self._crew if w.task is not None}
            if not pipes:
                raise InternalError("no worker has a task", fix="report this")
            for pipe in wait(list(pipes)):
                self._hear(pipes[pipe])  # type: ignore[index]
            self._give()
        done = self._ready.popleft()
        if done.error is not None:
            raise done.error
        return done

    def _hear(self, worker: _Worker) -> None:
        try:
            done: Done = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        worker.task = None
        self._ready.append(done)

    def _replace(self, worker: _Worker) -> None:
        """Put a new worker in the place of one that has gone, and its task back in front, a few times."""
        worker.process.join(timeout=5)
        code, task = worker.process.exitcode, worker.task
        worker.pipe.close()
        self._crew.remove(worker)
        self._crew.append(self._hire())
        if task is None:
            return
        self._tries[task] = self._tries.get(task, 0) + 1
        if self._tries[task] < TRIES:
            self._waiting.appendleft(task)
            return
        self._ready.append(lost(task, _ended(code)))

    def states(self) -> tuple[str, ...]:
        """Return the digests of the model as every worker holds it; all are idle."""
        found = []
        for worker in list(self._crew):
            try:
                worker.pipe.send(Task(kind="state"))
                found.append(str(worker.pipe.recv().reason))
            except (EOFError, OSError):
                # What a worker that has gone held is not known, and it answers nothing any more.
                self._replace(worker)
        return tuple(found)

    def close(self) -> None:
        """Kill the workers; what they had not handed over is done again another time."""
        for worker in self._crew:
            worker.pipe.close()
            worker.process.kill()
        for worker in self._crew:
            worker.process.join(timeout=5)
        self._crew.clear()
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()


def lost(task: Task, how: str) -> Done:
    """Return what is said of a task at which worker after worker ended.

    The answers to a shard of cases cannot be done without; a probe becomes an error of its own.
    """
    if task.kind in ("clean", "unverified", "state"):
        error = ModelError(
            f"a worker {how} while it asked the model about {task.label}, {TRIES} times",
            expected="an answer, or an error that the model raises", got="no process left",
            fix="fewer workers, or a smaller batch, where memory ran out; else run the model on these cases alone",
        )  # fmt: skip
        return Done(task=task, state="lost", reason=how, error=error)
    return Done(task=task, state="lost", reason=f"its worker {how}, {TRIES} times")


def _ended(code: int | None) -> str:
    if code is None:
        return "did not answer"
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _work(workshop: Workshop, pipe: Connection, shut: Sequence[int], parent: int) -> None:
    """Do tasks until nobody asks for more; the whole life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for descriptor in shut:
        _close(descriptor)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    one_thread()
    # The one who watches is told by the parent; from here he would hear every worker at once.
    workshop = replace(workshop, progress=Silent())
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        pipe.send(done_by(workshop, task))


def done_by(workshop: Workshop, task: Task) -> Done:
    """Do a task, and return what it raised as part of the answer, which can be sent."""
    try:
        return replace(workshop.do(task), made=None)
    except (AuditError, OSError) as error:
        return Done(task=task, state="failed", reason=str(error), error=_plain(error))
    except Exception as error:  # noqa: BLE001 - sent to the process that asked, whatever it is
        text = f"{type(error).__name__}: {error}"[:300]
        return Done(task=task, state="failed", reason=text, error=InternalError(text, fix="report this"))


def _plain(error: AuditError | OSError) -> Exception:
    """Return an error that can be sent, without what caused it."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, error.filename)
    error.__cause__ = error.__context__ = None
    return error


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


def _leave_with(parent: int) -> None:
    """End this process when the one that made it has gone: nobody would ever ask it for anything."""
    while os.getppid() == parent:
        time.sleep(_ABOUT)
    os._exit(1)


def one_thread() -> None:
    """Let a worker compute in one thread: the threads of the parent's pools did not come along."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
