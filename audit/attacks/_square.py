"""Moves of the Square attack, in two or three dimensions and any number of channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._room import Room

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.8
"""Share of the region that the first window covers, as in AutoAttack."""
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_PLANNED = 10000
_TILES = 5
_TRIES = 10
_HELD = 2**14
"""Pixels of the largest window whose bump is held for the next query: 16 MiB for all that are."""


def window_share(done: int, queries: int) -> float:
    """Return the share of the region that a window covers after some of the queries.

    The schedule of the paper for 10,000 queries, stretched to the budget at hand.

    Args:
        done: Queries so far.
        queries: Queries in all.
    """
    scaled = int(done / queries * _PLANNED)
    return float(SHARE / 2 ** sum(scaled > after for after in _HALVED_AFTER))


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves(ABC):
    """Where a search may start and how it may go on, for one image at one size.

    Windows lie within the smallest box around the region, so that no query is spent on padding alone.

    Args:
        room: What is allowed.
        epsilon: Size.
        rng: Draws windows and signs.
    """

    room: Room
    epsilon: float
    rng: np.random.Generator

    @classmethod
    def of(cls, room: Room, epsilon: float, rng: np.random.Generator) -> Moves:
        """Return the moves of the room's norm."""
        kind: type[Moves] = LinfMoves if room.norm == "linf" else L2Moves
        return kind(room=room, epsilon=epsilon, rng=rng)

    @abstractmethod
    def start(self) -> NDArray[np.float32]:
        """Return a random image of the full size."""

    @abstractmethod
    def propose(self, x: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        """Return an image that differs from another in a window of a share of the region."""

    def _window(self, share: float, *, least: int = 1) -> tuple[slice, ...]:
        """Return a random window whose sides stand to those of the box as the share asks."""
        box = self.room.bounding
        ratio = share ** (1 / len(box))
        window = []
        for side in box:
            size = side.stop - side.start
            wide = min(size, max(least, round(ratio * size)))
            start = side.start + int(self.rng.integers(size - wide + 1))
            window.append(slice(start, start + wide))
        return tuple(window)

    def _signs(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        # What `rng.choice` draws from -1 and 1, without its checks.
        return np.where(self.rng.integers(0, 2, size=shape) > 0, 1.0, -1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class LinfMoves(Moves):
    """Stripes of plus and minus epsilon, then windows of one sign a channel."""

    def start(self) -> NDArray[np.float32]:
        """Return stripes one pixel wide along the last axis; see `Moves.start`."""
        shape = self.room.x0.shape
        stripes = self._signs((shape[0], *(1,) * (len(shape) - 2), shape[-1]))
        return self.room.within(np.broadcast_to(self.epsilon * stripes, shape), self.epsilon)

    def propose(self, x: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        """Return the image with one window set to plus or minus epsilon; see `Moves.propose`."""
        again = self._again(x)
        proposed = x
        for _ in range(_TRIES):
            window = (slice(None), *self._window(share))
            part = self.room.cut(window)
            signs = self._signs((len(x), *(1,) * (x.ndim - 1)))
            changed = np.empty_like(part.x0)
            changed[...] = self.epsilon * signs
            proposed = again.copy()
            proposed[window] = part.within(changed, self.epsilon)
            if (proposed != x).any():
                break
        return proposed

    def _again(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image with its change added anew, which may round otherwise; few moves are kept, so it is held."""
        held: tuple[Any, Any] = self.__dict__.get("_held", (None, None))
        if held[0] is not x:
            held = self.__dict__["_held"] = x, self.room.within(x - self.room.x0, self.epsilon)
        made: NDArray[np.float32] = held[1]
        return made


@dataclass(frozen=True, kw_only=True, eq=False)
class L2Moves(Moves):
    """Bumps on a grid, then the mass of one window moved into a bump of another."""

    def start(self) -> NDArray[np.float32]:
        """Return bumps on a grid of five a side, each of random sign; see `Moves.start`."""
        delta: NDArray[np.float64] = np.zeros(self.room.x0.shape)
        box = self.room.bounding
        sides = [max(1, (side.stop - side.start) // _TILES) for side in box]
        counts = [min(_TILES, (side.stop - side.start) // wide) for side, wide in zip(box, sides, strict=True)]
        for place in np.ndindex(*counts):
            corner = [side.start + p * wide for side, p, wide in zip(box, place, sides, strict=True)]
            window = tuple(slice(c, c + wide) for c, wide in zip(corner, sides, strict=True))
            signs = self._signs((len(delta), *(1,) * len(box)))
            delta[(slice(None), *window)] = signs * bump(tuple(sides), self.rng)
        return self.room.within(self.room.scaled(delta, self.epsilon), self.epsilon)

    def propose(self, x: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        """Return the image with the mass of one window moved into another; see `Moves.propose`."""
        room = self.room
        delta = (x - room.x0).astype(np.float64)
        axes = tuple(range(1, delta.ndim))
        to, away = ((slice(None), *self._window(share, least=3)) for _ in range(2))
        union = np.zeros(delta.shape[1:], dtype=bool)
        union[to[1:]] = union[away[1:]] = True
        held = np.square(delta * union).sum(axis=axes, keepdims=True)
        unused = max(self.epsilon**2 * room.values - float(np.square(delta).sum()), 0.0) / len(delta)
        old = delta[to] / (1e-12 + np.sqrt(np.square(delta[to]).sum(axis=axes, keepdims=True)))
        made = self._signs((len(delta), *(1,) * len(axes))) * bump(delta[to].shape[1:], self.rng) + old
        made = made * room.region[to]
        made = made / (1e-12 + np.sqrt(np.square(made).sum(axis=axes, keepdims=True)))
        delta[away] = 0.0
        delta[to] = made * np.sqrt(unused + held)
        return room.within(room.scaled(delta, self.epsilon), self.epsilon)


def bump(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return two nested boxes side by side along a random axis, of opposite sign, with Euclidean length 1.

    Args:
        shape: Sides of the window.
        rng: Draws the axis.
    """
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    if not axes:
        return np.ones(shape)
    axis = int(rng.choice(axes))
    # Thousands of queries draw from a handful of windows; those of volumes are too large to be held.
    return (_held_bump if np.prod(shape) <= _HELD else _bump)(shape, axis)


def _bump(shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
    """Return the two nested boxes side by side along an axis; whoever holds it must not write into it."""
    half = shape[axis] // 2
    sides = [tuple(size if a == axis else s for a, s in enumerate(shape)) for size in (half, shape[axis] - half)]
    made = _unit(np.concatenate([_nested(sides[0]), -_nested(sides[1])], axis=axis))
    made.setflags(write=False)
    return made


_held_bump = lru_cache(maxsize=128)(_bump)


def _nested(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return boxes around the centre, the k-th of height 1 / (k + 1)^2, added up and of length 1."""
    steps = [np.abs(np.arange(size) - size // 2) for size in shape]
    away = np.max(np.meshgrid(*steps, indexing="ij"), axis=0)
    heights = 1 / np.square(np.arange(1, max(size // 2 + 1 for size in shape) + 1, dtype=np.float64))
    return _unit(np.cumsum(heights[::-1])[::-1][away])


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values at Euclidean length 1."""
    out: NDArray[np.float64] = values / np.sqrt(np.square(values).sum())
    return out
