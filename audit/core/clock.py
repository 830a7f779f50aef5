"""Where the time of a run goes: a stopwatch that is passed from hand to hand, and counts of images through the model.

`timed(kind)` costs one look-up where no clock runs. Time is exclusive: what is charged to a pass through the model is
not charged to the probe that asked for it, so that the parts add up to the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["reading", "forward", "backward", "training", "rest"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_PASSES: tuple[Kind, ...] = ("forward", "backward")


@dataclass(kw_only=True)
class Spent:
    """What one part of a run took.

    Args:
        seconds: By kind, exclusive: their sum is the wall time of the part, on the process that did it.
        forwards: Images that went forward through the model, or through a copy of it.
        backwards: Images of which a gradient was taken.
    """

    seconds: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    forwards: int = 0
    backwards: int = 0

    @property
    def total(self) -> float:
        """Seconds of all kinds."""
        return sum(self.seconds.values())

    @property
    def passes(self) -> float:
        """Seconds in passes through the model."""
        return sum(self.seconds[kind] for kind in _PASSES)


class Clock:
    """A stopwatch that one thing at a time holds.

    A part is a probe's code or a name as "report". What happens outside of any part is charged to none.

    Args:
        now: Gives seconds that only grow: wall time by default.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.parts: dict[str, Spent] = {}
        self._stack: list[tuple[Spent, Kind]] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge what follows to a part; a second visit adds to the first."""
        depth = self._push(self.parts.setdefault(name, Spent()), "rest")
        try:
            with started(self):
                yield
        finally:
            self._pop(depth)

    @contextmanager
    def during(self, kind: Kind) -> Iterator[None]:
        """Charge what follows to a kind of the part at hand."""
        depth = self.enter(kind)
        try:
            yield
        finally:
            self.leave(depth)

    def enter(self, kind: Kind) -> int:
        """Begin a kind, and return what `leave` wants; -1 where there is nobody to charge, or a pass is inside another.

        Passes of a training belong to it: the network that learns is not the one under audit.
        """
        if not self._stack:
            return -1
        spent, now = self._stack[-1]
        if now == "training" or (kind in _PASSES and now in _PASSES):
            return -1
        return self._push(spent, kind)

    def leave(self, depth: int, *, forwards: int = 0, backwards: int = 0) -> None:
        """End what `enter` began, and count the images of the pass.

        Args:
            depth: What `enter` returned.
            forwards: Images that went forward.
            backwards: Images of which a gradient was taken.
        """
        if depth < 0 or depth >= len(self._stack):
            return
        spent = self._stack[depth][0]
        spent.forwards += forwards
        spent.backwards += backwards
        self._pop(depth)

    def claim(self, seconds: float, *, forwards: int) -> None:
        """Move time that has just passed to a forward pass that nobody saw from inside.

        Args:
            seconds: How long it took.
            forwards: Images that went forward.
        """
        if not self._stack or self._stack[-1][1] in (*_PASSES, "training"):
            return
        spent, now = self._stack[-1]
        spent.seconds[now] -= seconds
        spent.seconds["forward"] += seconds
        spent.forwards += forwards

    @property
    def forwards(self) -> int:
        """Images that went forward in the part at hand."""
        return self._stack[-1][0].forwards if self._stack else 0

    def merge(self, values: Mapping[str, Any]) -> None:
        """Add what another clock counted, as `to_plain` gives it; a worker's seconds are its own, so sums exceed the
        wall time of a run that several did."""
        for name, other in values.items():
            mine = self.parts.setdefault(name, Spent())
            for kind in KINDS:
                mine.seconds[kind] += float(other["seconds"].get(kind, 0.0))
            mine.forwards += int(other["forwards"])
            mine.backwards += int(other["backwards"])

    def to_plain(self) -> dict[str, Any]:
        """Return plain values: by part the seconds of every kind and the counts of images."""
        return {
            name: {
                "seconds": {k: round(max(0.0, v), 4) for k, v in spent.seconds.items()},
                "forwards": spent.forwards,
                "backwards": spent.backwards,
            }
            for name, spent in self.parts.items()
        }

    def _push(self, spent: Spent, kind: Kind) -> int:
        self._charge()
        self._stack.append((spent, kind))
        return len(self._stack) - 1

    def _pop(self, depth: int) -> None:
        self._charge()
        # What a crash left open ends with what it was opened in.
        del self._stack[depth:]

    def _charge(self) -> None:
        now = self.now()
        if self._stack:
            spent, kind = self._stack[-1]
            spent.seconds[kind] += now - self._since
        self._since = now


_RUNNING: ContextVar[Clock | None] = ContextVar("audit_clock", default=None)
"""Of the thread that a part began in: threads that read ahead work beside the one whose time is told."""


def running() -> Clock | None:
    """Return the clock that runs in this thread, None where none does."""
    return _RUNNING.get()


@contextmanager
def started(clock: Clock) -> Iterator[Clock]:
    """Let a clock run in this thread."""
    token = _RUNNING.set(clock)
    try:
        yield clock
    finally:
        _RUNNING.reset(token)


def timed(kind: Kind) -> AbstractContextManager[None]:
    """Charge what follows to a kind where a clock runs."""
    clock = _RUNNING.get()
    return nullcontext() if clock is None else clock.during(kind)


@contextmanager
def passed(images: int) -> Iterator[None]:
    """Charge what follows to a forward pass where a clock runs, for a network that nobody watches.

    Args:
        images: How many go through it.
    """
    clock = _RUNNING.get()
    if clock is None:
        yield
        return
    depth = clock.enter("forward")
    try:
        yield
    finally:
        clock.leave(depth, forwards=images)


def part(name: str, clock: Clock | None) -> AbstractContextManager[None]:
    """Charge what follows to a part of a clock, where there is one."""
    return nullcontext() if clock is None else clock.part(name)
