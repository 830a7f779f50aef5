"""An attack on decisions alone: the shortest way along rays of signs until the answer is wrong."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from audit.attacks._case import Case
from audit.attacks._converse import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Block = tuple[slice, ...]
    Going = Generator[NDArray[np.float32], Answer, None]

_CLOSE = 0.005
_CLOSEST = 0.95
_NEARER = (0.999, 0.99, 0.95, 0.8)


def ray_search(case: Case, queries: int, far: float) -> Going:
    """Look for the ray along which the answer turns wrong soonest; no score is used.

    A ray is a sign for every value of the region. Blocks of it are flipped, the whole first, then halves along the
    longest side, and so on to single values, and from the whole again while that helps; a flip that breaks the case at
    a smaller size than before is kept. Under L2 a block is also tried without any change, since signs everywhere would
    waste the size where the model does not look; what is left out may come back.

    Args:
        case: The case; what is found is noted there.
        queries: Images at most.
        far: The largest size tried, for example the width of the valid range.

    References:
        Chen and Gu 2020, RayS: A ray searching method for hard-label adversarial attack, KDD.
    """
    room = case.room
    region = np.broadcast_to(room.region, room.x0.shape)
    end, least = case.asked + queries, float(case.epsilons[0])
    ray = region.astype(np.float64)
    radius, before = (yield from _shorter(case, ray, float("inf"), far, end)), float("nan")
    whole: Block = (slice(0, len(room.x0)), *room.bounding)
    while radius != before and least < radius and case.asked < end:
        before, blocks = radius, [whole]
        while blocks and least < radius and case.asked < end:
            for block in blocks:
                ray, radius = yield from _turned(case, ray, radius, block, region[block], far, end)
            blocks = [part for block in blocks for part in _halves(block) if region[part].any()]
    if np.isfinite(radius):
        yield from _at_sizes(case, ray, radius)


def _turned(
    case: Case, ray: NDArray[np.float64], radius: float, block: Block, held: NDArray[np.bool_], far: float, end: int
) -> Generator[NDArray[np.float32], Answer, tuple[NDArray[np.float64], float]]:
    """Return the ray with a block flipped, left out or taken in where that breaks the case sooner, else as it was."""
    signs = bool(ray[block].any())
    others = [-ray[block]] if signs else [1.0 * held, -1.0 * held]
    others += [0.0 * held] if case.room.norm == "l2" and signs else []
    for values in others:
        tried = ray.copy()
        tried[block] = values
        if case.asked < end and radius > case.epsilons[0] and tried.any():
            found = yield from _shorter(case, tried, radius, far, end)
            if found < radius:
                return tried, found
    return ray, radius


def _along(case: Case, ray: NDArray[np.float64], size: float) -> NDArray[np.float32]:
    moved = size * ray if case.room.norm == "linf" else case.room.scaled(ray, size)
    return case.room.within(moved, size)


def _shorter(
    case: Case, ray: NDArray[np.float64], radius: float, far: float, end: int
) -> Generator[NDArray[np.float32], Answer, float]:
    """Return a size below `radius` at which a ray breaks the case, or `radius` where none was found.

    Most gains are small, so the sizes tried first are close to the present one; bisection follows a large gain.
    """
    low, least = 0.0, float(case.epsilons[0])
    for size in [radius * nearer for nearer in _NEARER] if np.isfinite(radius) else [far]:
        if case.asked >= end:
            return radius
        answer = yield from case.ask(_along(case, ray, size))
        if answer.right:
            low = size
            break
        radius = size
    # A radius that is known too roughly would let flips pass that do harm.
    while np.isfinite(radius) and radius - low > _CLOSE * radius and radius > least and case.asked < end:
        middle = (low + radius) / 2
        answer = yield from case.ask(_along(case, ray, middle))
        low, radius = (middle, radius) if answer.right else (low, middle)
    return radius


def _at_sizes(case: Case, ray: NDArray[np.float64], radius: float) -> Going:
    """Ask along the best ray at each size near or beyond its radius, in whole stored steps, too."""
    for epsilon in case.epsilons[case.epsilons >= _CLOSEST * radius]:
        if case.stands(float(epsilon)):
            x = _along(case, ray, float(epsilon))
            yield from case.ask(x)
            yield from case.ask_stored(x, float(epsilon))


def _halves(block: Block) -> list[Block]:
    """Return the two halves along the longest side, the channels last; none of a single value."""
    sides = [side.stop - side.start for side in block]
    longest = 1 + int(np.argmax(sides[1:]))
    axis = longest if sides[longest] > 1 else 0
    if sides[axis] <= 1:
        return []
    middle = (block[axis].start + block[axis].stop) // 2
    parts = (slice(block[axis].start, middle), slice(middle, block[axis].stop))
    return [(*block[:axis], part, *block[axis + 1 :]) for part in parts]
