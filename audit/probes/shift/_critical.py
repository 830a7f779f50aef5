"""The severity at which too much is lost, and the worst of several acquisitions, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from audit.core import Estimate, Levels

CROSSED = "first severity at which more than the tolerated is lost; bounds are severities that were tried"
NOT_CROSSED = "not lost up to the largest severity that was tried, which is the value; bounds as tried"


def critical(
    path: Sequence[tuple[float, Estimate]], tolerated: float, *, furthest: float, higher: bool, levels: Levels
) -> Estimate:
    """Return the severity at which more than the tolerated is lost.

    The value is interpolated between the severities that were tried; where none loses so much it is the largest tried.
    The lower bound is the largest severity up to which every loss is below the tolerated one with confidence; the upper
    bound the smallest from which on every loss is above it with confidence, else the furthest that there is. Where the
    true loss grows with the severity, either bound is wrong with no more than the level, since it rests on one
    severity: the first, or the last, beyond which the truth lies on the other side.

    Args:
        path: Severities in one direction, as distances from 0, rising, with the paired change at each.
        tolerated: The loss that is tolerated, above 0.
        furthest: Largest severity that the simulator can express.
        higher: Whether a higher number is better.
        levels: Levels of the bounds.

    Returns:
        A distance from severity 0. Absent where a change on the way is.
    """
    first = path[0][1]
    n, who = min(e.n for _, e in path), min(e.n_patients for _, e in path)
    for severity, change in path:
        if change.value is None:
            reason = f"at severity {severity:g}: {change.missing}"
            return Estimate.absent(reason, method=CROSSED, n=first.n, n_patients=first.n_patients)
    value = _crossing(path, tolerated, higher)
    curve = []
    for rung in levels.rungs:
        least, most = _both_bounds(path, rung, tolerated, higher, furthest)
        curve.append((rung, least, most))
    method = NOT_CROSSED if value is None else CROSSED
    shown = path[-1][0] if value is None else value
    return Estimate(value=shown, curve=tuple(curve), method=method, n=n, n_patients=who)


def _loss(change: float, higher: bool) -> float:
    return -change if higher else change


def _crossing(path: Sequence[tuple[float, Estimate]], tolerated: float, higher: bool) -> float | None:
    before, lost = 0.0, 0.0
    for severity, change in path:
        now = _loss(change.value or 0.0, higher)
        if now > tolerated:
            return before + (severity - before) * (tolerated - lost) / (now - lost)
        before, lost = severity, now
    return None


def _both_bounds(
    path: Sequence[tuple[float, Estimate]], rung: float, tolerated: float, higher: bool, furthest: float
) -> tuple[float, float]:
    least, most, still = 0.0, furthest, True
    for severity, change in path:
        low, high = change.bounds(rung) or (0.0, 0.0)
        smallest, largest = (-high, -low) if higher else (low, high)
        still = still and largest <= tolerated
        least = severity if still else least
        # What is lost with confidence must be lost from there on.
        most = min(most, severity) if smallest > tolerated else furthest
    return least, most


def worst(
    tried: Sequence[Estimate], *, higher: bool, least: float, most: float, levels: Levels, among: int = 0
) -> tuple[int, Estimate]:  # fmt: skip
    """Return which of several acquisitions is worst, and its number with bounds that allow for the choice.

    A rule that the worst must hold asks that each holds, so the bound on the bad side is the worst bound of all at the
    level itself (intersection-union). On the good side the worst was picked from t, or from all
    those that t were chosen from by what was seen, and each bound is taken at the level over that number (Bonferroni);
    where no level that strict is stored, the bound is the end of what is possible.

    Args:
        tried: t numbers of the same cases.
        higher: Whether higher is better.
        least: Smallest possible number.
        most: Largest possible number.
        levels: Levels of the bounds.
        among: How many acquisitions the t could have been, where they were chosen by what was seen; at least t.

    Returns:
        Index, and the estimate; absent where one of them is.
    """
    count, sign = len(tried), 1.0 if higher else -1.0
    picked = max(count, among)
    method = f"worst of {count} acquisitions; the good side by Bonferroni over {picked}"
    for i, one in enumerate(tried):
        if one.value is None:
            reason = f"acquisition {i + 1} of {count}: {one.missing}"
            return i, Estimate.absent(reason, method=method, n=one.n, n_patients=one.n_patients)
    index = min(range(count), key=lambda i: sign * (tried[i].value or 0.0))
    chosen, curve = tried[index], []
    for rung in levels.rungs:
        plain = [e.bounds(rung) or (least, most) for e in tried]
        strict = [e.bounds(rung / picked) or (least, most) for e in tried]
        low = min(b[0] for b in plain) if higher else max(b[0] for b in strict)
        high = min(b[1] for b in strict) if higher else max(b[1] for b in plain)
        value = chosen.value or 0.0
        curve.append((rung, min(low, value), max(high, value)))
    # Between levels the stricter one counts, so that bounds only widen.
    return index, Estimate(
        value=chosen.value, curve=_widening(curve), method=method, n=chosen.n, n_patients=chosen.n_patients
    )


def _widening(curve: Sequence[tuple[float, float, float]]) -> tuple[tuple[float, float, float], ...]:
    out: list[tuple[float, float, float]] = []
    for rung, low, high in curve:
        out.append((rung, min([low, *(r[1] for r in out)]), max([high, *(r[2] for r in out)])))
    return tuple(out)
