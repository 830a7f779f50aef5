"""What a run says while it runs."""

from __future__ import annotations

from typing import Protocol

from audit.core import State


class Progress(Protocol):
    """Somebody who watches a run."""

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """A step begins; `index` counts from 0 to `total` - 1."""
        ...

    def advance(self, done: int, total: int) -> None:
        """The present step has done some of its units."""
        ...

    def finish(self, code: str, state: State, seconds: float | None = None) -> None:
        """A step has ended; `seconds` where others did it, and its start was not told of."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know before the end."""
        ...


class Silent:
    """Nobody watches."""

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """Say nothing."""

    def advance(self, done: int, total: int) -> None:
        """Say nothing."""

    def finish(self, code: str, state: State, seconds: float | None = None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
