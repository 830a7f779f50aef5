"""Who does the tasks of a run: this process here, other processes and machines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol, Self

from audit.execution._reading import Reading
from audit.execution._tasks import Done, Task
from audit.execution._workshop import Workshop


class Crew(Protocol):
    """Workers that share a plan."""

    @property
    def workers(self) -> int:
        """How many tasks are done at a time."""
        ...

    @property
    def spreads(self) -> bool:
        """Whether shards of one probe may be done by several workers."""
        ...

    def submit(self, task: Task) -> None:
        """Hand over a task; tasks are begun in this order."""
        ...

    def next(self) -> Done:
        """Wait until a task has ended, whichever it is.

        Raises:
            AuditError: A task raised one, as where the model fails on readable images.
            OSError: A result cannot be written.
        """
        ...

    def states(self) -> tuple[str, ...]:
        """Return the digests of the model as the workers hold it now; none where it is the caller's own."""
        ...

    def close(self) -> None:
        """Let the workers go, at once."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *trouble: object) -> None:
        """Close."""
        ...


class Executor(Protocol):
    """Makes crews."""

    @property
    def name(self) -> str:
        """What the evidence calls it."""
        ...

    @property
    def workers(self) -> int:
        """How many workers a crew has."""
        ...

    @property
    def sends(self) -> bool:
        """Whether results reach this process through the store alone."""
        ...

    def crew(self, workshop: Workshop) -> Crew:
        """Return workers that do tasks as a workshop does them."""
        ...


class Alone:
    """A crew of one, in this process."""

    workers = 1
    spreads = False

    def __init__(self, workshop: Workshop) -> None:
        # Nobody takes a shard out of turn here.
        self._workshop, self._waiting = replace(workshop, reading=Reading(onward=True)), deque[Task]()

    def submit(self, task: Task) -> None:
        """Hand over a task."""
        self._waiting.append(task)

    def next(self) -> Done:
        """Do the next task; see `Crew.next`."""
        return self._workshop.do(self._waiting.popleft())

    def states(self) -> tuple[str, ...]:
        """Return nothing: the model is the caller's own."""
        self._workshop.settle()
        return ()

    def close(self) -> None:
        """Forget what is left."""
        self._waiting.clear()
        self._workshop.reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()


class InProcess:
    """Everything in this process, one task after the other."""

    name = "local"
    workers = 1
    sends = False

    def crew(self, workshop: Workshop) -> Crew:
        """Return a crew of one."""
        return Alone(workshop)


def flow(crew: Crew, tasks: Iterable[Task], more: deque[Task]) -> Iterator[Done]:
    """Have tasks done, few ahead of the workers, and give each as it ends.

    Args:
        crew: The workers.
        tasks: What is to be done, made as workers become free.
        more: Tasks that whoever reads the results puts in; they come before the others.
    """
    # Where nobody shares the work, a task that is handed over begins; whoever watches is told of that one.
    rest, out, most = iter(tasks), 0, 2 * crew.workers if crew.spreads else 1
    while True:
        while out < most:
            task = more.popleft() if more else next(rest, None)
            if task is None:
                break
            crew.submit(task)
            out += 1
        if not out:
            return
        done = crew.next()
        out -= 1
        yield done
