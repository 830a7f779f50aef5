"""Holm's step-down procedure over all hypotheses of a policy, from stored curves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.core import COUNT, Limit, Measurement, Rule

Side = Literal["min", "max"]
Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One rule x one matched measurement x one side of its limit.

    Args:
        rule: The rule's id.
        index: Index of the measurement in its probe's result.
        side: The side of the limit.
        key: Equal for the mirror images of one contrast, which count once.
        p: Smallest stored one-sided level at which the limit is exceeded; 1.0 where it is at none.
    """

    rule: str
    index: int
    side: Side
    key: Key
    p: float


def sides(limit: Limit) -> tuple[Side, ...]:
    """Return the sides that a limit has."""
    return tuple(s for s, bound in (("min", limit.min), ("max", limit.max)) if bound is not None)  # type: ignore[misc]


def exceeded(limit: Limit, side: Side, low: float, high: float) -> bool:
    """Tell whether a whole interval lies on the wrong side of a limit."""
    if side == "min":
        return limit.min is not None and high < limit.min
    return limit.max is not None and low > limit.max


def p_bound(measurement: Measurement, limit: Limit, side: Side) -> float:
    """Return the smallest stored level at which the limit is exceeded.

    The true p-value is at most this one, so Holm's procedure stays valid. Beyond the last rung nothing is claimed.
    """
    if measurement.value is None or measurement.method == COUNT:
        return 1.0
    return min((level for level, low, high in measurement.curve if exceeded(limit, side, low, high)), default=1.0)


def hypotheses(rule: Rule, matched: Mapping[int, Measurement]) -> list[Hypothesis]:
    """Return the hypotheses of one rule; counts have no sampling error and are none.

    A gap between two levels appears twice, once from each level, with opposite sign. With one limit the two images
    share a key; with two limits the lower side of one is the upper side of the other.
    """
    found: list[Hypothesis] = []
    seen: dict[Key, int] = {}
    both = len(sides(rule.limit)) == 2
    for index, m in matched.items():
        if m.method == COUNT:
            continue
        condition = tuple((k, v) for k, v in m.condition.items() if k != "n_rest")
        base: Key = (rule.id, index) if m.contrast is None else (rule.id, m.contrast, condition)
        image = seen.setdefault(base, index) != index
        for side in sides(rule.limit):
            named = side if not (both and image) else ("max" if side == "min" else "min")
            p = p_bound(m, rule.limit, side)
            found.append(Hypothesis(rule=rule.id, index=index, side=side, key=(*base, named), p=p))
    return found


def holm(family: Sequence[Hypothesis], alpha: float) -> dict[Key, float]:
    """Return the one-sided level at which each rejected hypothesis was tested (Holm 1979).

    Args:
        family: All hypotheses of the policy; those with one key count once, with the smallest p.
        alpha: Familywise one-sided level.

    Returns:
        The level of every rejected key; the others are absent.
    """
    p: dict[Key, float] = {}
    for h in family:
        p[h.key] = min(h.p, p.get(h.key, 1.0))
    rejected: dict[Key, float] = {}
    ordered = sorted(p.items(), key=lambda item: (item[1], str(item[0])))
    for i, (key, value) in enumerate(ordered):
        level = alpha / (len(ordered) - i)
        if value > level * (1 + 1e-9):
            break
        rejected[key] = level
    return rejected
