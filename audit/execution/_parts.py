"""Shards of a probe's work that are kept: done here, left to others, or taken from an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from audit.core import Arrays, Work, digest, shards
from audit.execution._store import Kept, Store


class ShardDone(BaseException):
    """The one shard that was asked for is done; the rest of the probe is not run.

    No probe may take it for an error of its own, hence the base.
    """


class Waiting(BaseException):
    """Shards are absent that other workers are to do first.

    Args:
        call: Which call of `map`.
        absent: Which of its shards.
        count: How many it has.
    """

    def __init__(self, call: int, absent: tuple[int, ...], count: int) -> None:
        super().__init__(call, absent, count)
        self.call, self.absent, self.count = call, absent, count


class NotKept(BaseException):
    """A shard was done for others and could not be written.

    Args:
        cause: Why.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


def part_key(key: str, name: str, call: int, shard: int, count: int, size: int) -> str:
    """Return the key of one shard of one call of `map` of the probe that has a key."""
    return digest(["part", key, name, call, shard, count, size])


class KeptParts:
    """Parts that are kept in a store.

    Args:
        key: The probe's key.
        store: Where shards are kept.
        only: The call and the shard that alone is to be done; None: the probe is run to its end.
        spread: Whether absent shards are left to others, where there is more than one.
        progress: Told of shards that are ready.
        put: Keeps a shard; by default the store.
    """

    def __init__(
        self, key: str, store: Store, *, only: tuple[int, int] | None = None, spread: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
        put: Callable[[str, Kept], None] | None = None,
    ) -> None:  # fmt: skip
        self._key, self._store, self._only, self._spread, self._progress = key, store, only, spread, progress
        self._put = put or store.put
        self._calls = 0
        self.done = 0
        self.reused = 0

    def map(self, name: str, work: Work, count: int, *, size: int) -> list[Arrays]:
        """Return the arrays of every shard; see `audit.core.Parts.map`.

        Raises:
            ShardDone: The one shard that was asked for is done.
            Waiting: Others are to do shards first.
        """
        call, self._calls = self._calls, self._calls + 1
        cut = shards(count, size)
        keys = [part_key(self._key, name, call, i, count, size) for i in range(len(cut))]
        if self._only is not None and self._only[0] == call:
            at = self._only[1]
            if self._store.get(keys[at]) is None:
                kept = Kept(plain={"name": name}, arrays=work(cut[at]))
                try:
                    self._put(keys[at], kept)
                except OSError as error:
                    raise NotKept(error) from error
            raise ShardDone
        found = [self._store.get(k) for k in keys]
        absent = tuple(i for i, kept in enumerate(found) if kept is None)
        if absent and self._spread and len(cut) > 1:
            raise Waiting(call, absent, len(cut))
        out: list[Arrays] = []
        for i, ready in enumerate(found):
            if ready is None:
                arrays = work(cut[i])
                # A result that cannot be kept is a result all the same.
                with suppress(OSError):
                    self._put(keys[i], Kept(plain={"name": name}, arrays=arrays))
                self.done += 1
            else:
                arrays = ready.arrays
                self.reused += 1
            out.append(arrays)
            self._progress(i + 1, len(cut))
        return out
