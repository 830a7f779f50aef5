"""Where a learning curve crosses a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Curve, Estimate, ProbeContext
from audit.probes._retraining import Performance

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEYOND = 1e9
"""Stands for a number of cases beyond all that was tried, on rungs so strict that the curve says nothing there."""
METHOD = "where the interval of the learning curve crosses the target, straight between sizes in the log of cases"


def cases_needed(
    ctx: ProbeContext, found: Mapping[int, Estimate], target: float | None, counted: Performance
) -> Estimate:
    """Return the number of training cases at which the curve reaches a target.

    The lower bound is where the better bound of the curve reaches it, the upper one where its worse bound does. A curve
    that never falls crosses but once, so a number of cases is inside exactly where the target is inside the interval
    of the curve there.

    Args:
        ctx: The probe's context.
        found: Performance by number of cases.
        target: Declared performance, None where there is none.
        counted: How the performance is counted.
    """
    n, n_patients = len(ctx.cohort), ctx.cohort.n_patients

    def absent(reason: str) -> Estimate:
        return Estimate.absent(reason, method=METHOD, n=n, n_patients=n_patients)

    if target is None:
        return absent("no target is declared under [training]")
    for size, one in found.items():
        if one.value is None:
            return absent(f"no performance with {size} cases: {one.missing}")
    sizes, sign = sorted(found), counted.sign
    values = np.array([sign * (found[s].value or 0.0) for s in sizes])
    value = crossing(sizes, values, sign * target)
    whole = found[sizes[-1]]
    curve: list[tuple[float, float, float]] = []
    for level in ctx.levels.rungs:
        low, high = _at(found, sizes, level, sign)
        least, most = crossing(sizes, high, sign * target), crossing(sizes, low, sign * target)
        # A bound that is reached with the fewest cases that were tried may be reached with any fewer.
        least = 1.0 if least is None or least <= sizes[0] else least
        if level == ctx.levels.pointwise and (value is None or most is None):
            said = whole.bounds(level) or (float("nan"), float("nan"))
            return absent(
                f"{target:g} is not shown to be reached: with all {sizes[-1]} cases the {counted.name} is "
                f"{whole.value:.3f} ({said[0]:.3f} to {said[1]:.3f})"
            )
        if value is not None:
            curve.append((level, min(least, value), max(BEYOND if most is None else most, value)))
    if value is None:  # pragma: no cover - the pointwise level is among the rungs
        return absent(f"{target:g} is not reached")
    return Estimate(value=value, curve=_widening(curve), method=METHOD, n=n, n_patients=n_patients)


def crossing(sizes: Sequence[int], values: NDArray[np.float64], target: float) -> float | None:
    """Return the number of cases at which a curve that is made rising reaches a target, None where it does not.

    Args:
        sizes: Rising numbers of cases.
        values: (k,) higher is better.
        target: What is to be reached.
    """
    rising = _isotonic(values)
    if rising[-1] < target:
        return None
    if rising[0] >= target:
        return float(sizes[0])
    at = int(np.argmax(rising >= target))
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    share = (target - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(np.exp(logs[at - 1] + share * (logs[at] - logs[at - 1])))


def _isotonic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest values that never fall (pool adjacent violators, equal weights)."""
    blocks: list[list[float]] = []
    for value in values.tolist():
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            last, before = blocks.pop(), blocks.pop()
            count = last[1] + before[1]
            blocks.append([(last[0] * last[1] + before[0] * before[1]) / count, count])
    return np.concatenate([np.full(int(count), value) for value, count in blocks])


def _at(
    found: Mapping[int, Estimate], sizes: Sequence[int], level: float, sign: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (k,) worse and better bounds of the curve at a level, higher being better."""
    bounds = [found[s].bounds(level) or (-np.inf, np.inf) for s in sizes]
    low, high = np.array([b[0] for b in bounds]), np.array([b[1] for b in bounds])
    return (low, high) if sign > 0 else (-high, -low)


def _widening(curve: Sequence[tuple[float, float, float]]) -> Curve:
    out: list[tuple[float, float, float]] = []
    for level, low, high in curve:
        before = out[-1] if out else (level, low, high)
        out.append((level, min(low, before[1]), max(high, before[2])))
    return tuple(out)
