"""Progress of long work, on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from audit._cli.shell import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_QUIET_SECONDS = 15.0


class Progress(Protocol):
    """What a run tells of its progress."""

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """A step begins; `index` counts from 0."""

    def advance(self, done: int, total: int) -> None:
        """So many units of the step are done."""

    def finish(self, code: str, state: str, seconds: float | None = None) -> None:
        """The step has ended; `seconds` where others did it."""

    def note(self, text: str) -> None:
        """Something that the user should know now."""


class Shown(AbstractContextManager["Shown"]):
    """Base of both forms: it keeps the time."""

    def __init__(self) -> None:
        self.code, self.title, self.index, self.total = "", "", 0, 0
        self.began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """Begin a step."""
        self.code, self.title, self.index, self.total = code, title, index, total
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.began

    @property
    def label(self) -> str:
        """The step's place, code and title."""
        place = f"[{self.index + 1}/{self.total}] " if self.total else ""
        return printable(f"{place}{self.code} {self.title}".rstrip())


class PlainProgress(Shown):
    """A line a step, and one every 15 seconds of a long step."""

    def __init__(self) -> None:
        super().__init__()
        self.spoke = time.monotonic()

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """Begin a step in silence; it is named when it ends or takes long."""
        super().start(code, title, index, total)
        self.spoke = self.began

    def advance(self, done: int, total: int) -> None:
        """Say how far a long step is."""
        now = time.monotonic()
        if now - self.spoke < _QUIET_SECONDS:
            return
        self.spoke = now
        self._say(f"{self.label}: {done}/{total}, {left(self.seconds, done, total)}")

    def finish(self, code: str, state: str, seconds: float | None = None) -> None:
        """Say how a step ended."""
        del code
        took = self.seconds if seconds is None else seconds
        self._say(f"{self.label}: {state.replace('_', ' ')}, {duration(took)}")

    def note(self, text: str) -> None:
        """Say something at once."""
        self._say(printable(text))

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class LiveProgress(Shown):
    """A bar for the step at hand, with its time left, and a line for each that has ended."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self.bar: Bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task: Any = self.bar.add_task("", total=None, left="", visible=False)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """Begin a step."""
        super().start(code, title, index, total)
        self.bar.reset(self.task, total=None, description=self.label, left="", visible=True)

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        text = left(self.seconds, done, total)
        self.bar.update(self.task, completed=done, total=total, left=text)

    def finish(self, code: str, state: str, seconds: float | None = None) -> None:
        """Leave a line on how the step ended."""
        del code
        took = self.seconds if seconds is None else seconds
        self._say(f"{self.label}: {state.replace('_', ' ')}, {duration(took)}")

    def note(self, text: str) -> None:
        """Say something above the bar."""
        self._say(printable(text))

    def _say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False)


def shown_progress() -> PlainProgress | LiveProgress:
    """Return the form that fits where stderr goes."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def left(seconds: float, done: int, total: int) -> str:
    """Return the time left in a step, in words, from the pace so far."""
    if done <= 0 or seconds < 2 or done > total:
        return "time left not known yet"
    return f"about {duration(seconds * (total - done) / done)} left"


def duration(seconds: float) -> str:
    """Return a duration in words, no finer than it is worth."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
