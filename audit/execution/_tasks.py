"""What a worker is asked to do, and what it says when it has done it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from audit.execution._store import Kept

TaskKind = Literal["clean", "unverified", "probe", "part", "state"]
DoneKind = Literal["kept", "waiting", "failed", "lost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One piece of work; it can be sent to another process or machine.

    Args:
        kind: "clean" and "unverified" ask the model about a shard of cases; "probe" runs a probe; "part" does one shard
            of a probe's work; "state" takes the digest of the worker's model.
        code: Code of the probe.
        start: First case of a shard.
        stop: One past its last case.
        call: Which call of `Parts.map` of the probe.
        shard: Which shard of that call.
        spread: Whether shards of the probe's work are left to other workers.
    """

    kind: TaskKind
    code: str = ""
    start: int = 0
    stop: int = 0
    call: int = 0
    shard: int = 0
    spread: bool = False

    @property
    def label(self) -> str:
        """The task in a few words, for messages and the plan."""
        if self.kind in ("clean", "unverified"):
            return f"{self.kind} cases {self.start} to {self.stop - 1}"
        return f"{self.code}, part {self.call}.{self.shard}" if self.kind == "part" else self.code or self.kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of a task.

    Args:
        task: The task.
        state: "kept": the result lies in the store under `key`; "waiting": the probe needs shards of one of its calls
            first; "failed": it raised; "lost": its worker ended, or wrote nothing.
        key: Where the result lies.
        call: Of a probe that waits, the call of `Parts.map`.
        shards: Of that call, the shards that are not there yet.
        count: Of that call, all shards.
        seconds: Duration.
        reason: Why it failed or was lost; for "state" the digest of the model.
        reused: Whether the result was there already.
        error: Of a task that failed, what it raised, where that can be sent.
        spent: Where its time went, as `Clock.to_plain` gives it; empty where nobody looked.
        made: The result itself, where it need not be sent.
        changed: Digest of the worker's model, where that is no longer the one before the run.
    """

    task: Task
    state: DoneKind
    key: str = ""
    call: int = 0
    shards: tuple[int, ...] = ()
    count: int = 0
    seconds: float = 0.0
    reason: str = ""
    reused: bool = False
    error: Exception | None = None
    spent: Mapping[str, Any] = field(default_factory=dict)
    made: Kept | None = None
    changed: str = ""
