"""What a rule says of one measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.core import COUNT, IN_SAMPLE, Measurement, Rule, Status, bounds_at
from audit.judge._holm import Hypothesis, Key, sides
from audit.judge._words import counted

OF_THIS_MIX = "the number is that of this cohort's mix of cases, and no prevalence is declared for the intended use"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a rule says of one measurement.

    Args:
        index: The measurement's index.
        status: PASS, FAIL or INCONCLUSIVE.
        margin: Distance inside the limit, by which equals are ordered, the smallest first.
        level: One-sided level of a FAIL.
        lacking: What keeps it open.
    """

    index: int
    status: Status
    margin: float
    level: float | None = None
    lacking: str = ""


@dataclass(frozen=True, kw_only=True)
class Test:
    """Levels at which measurements are judged.

    Args:
        alpha: One-sided level of a PASS.
        rejected: One-sided level of every rejected hypothesis.
        keys: The hypotheses of each rule and measurement.
    """

    alpha: float
    rejected: Mapping[Key, float]
    keys: Mapping[tuple[str, int], tuple[Hypothesis, ...]]


def by_measurement(family: Sequence[Hypothesis]) -> dict[tuple[str, int], tuple[Hypothesis, ...]]:
    """Return the hypotheses of each rule and measurement."""
    found: dict[tuple[str, int], list[Hypothesis]] = {}
    for h in family:
        found.setdefault((h.rule, h.index), []).append(h)
    return {k: tuple(v) for k, v in found.items()}


def judge_one(rule: Rule, index: int, m: Measurement, test: Test, *, bound: bool) -> Judged:
    """Judge one measurement; `margin` orders equals, the smallest first, and is the distance inside the limit.

    Args:
        rule: The rule.
        index: The measurement's index.
        m: The measurement.
        test: Levels.
        bound: Whether the metric depends on how many are ill, so that a number of this mix of cases decides nothing.
    """
    if m.value is None:
        return Judged(index=index, status="INCONCLUSIVE", margin=float("-inf"), lacking=m.missing or "no value")
    if bound and m.condition.get("stratum") == IN_SAMPLE:
        return Judged(index=index, status="INCONCLUSIVE", margin=float("-inf"), lacking=OF_THIS_MIX)
    inside = min(
        float("inf") if rule.limit.min is None else m.value - rule.limit.min,
        float("inf") if rule.limit.max is None else rule.limit.max - m.value,
    )
    if m.n_patients < rule.min_patients:
        lacking = f"{counted(m.n_patients, 'patient')} where the rule asks for at least {rule.min_patients}"
        return Judged(index=index, status="INCONCLUSIVE", margin=inside, lacking=lacking)
    if m.method == COUNT:
        return Judged(index=index, status="PASS" if inside >= 0 else "FAIL", margin=inside)
    levels = [
        test.rejected[h.key]
        for h in test.keys.get((rule.id, index), ())
        # A mirror image is rejected with its contrast only where its own bound is beyond the limit, too.
        if h.key in test.rejected and h.p <= test.rejected[h.key] * (1 + 1e-9)
    ]
    if levels:
        return Judged(index=index, status="FAIL", margin=inside, level=max(levels))
    if _holds(rule, m, test.alpha):
        return Judged(index=index, status="PASS", margin=inside)
    return Judged(index=index, status="INCONCLUSIVE", margin=inside, lacking=_open(rule, m, inside))


def _holds(rule: Rule, m: Measurement, alpha: float) -> bool:
    bounds = bounds_at(m.value, m.curve, m.method, alpha)
    if bounds is None:
        return False
    low, high = bounds
    return (rule.limit.min is None or low >= rule.limit.min) and (rule.limit.max is None or high <= rule.limit.max)


def _open(rule: Rule, m: Measurement, inside: float) -> str:
    if inside < 0:
        return "the value is beyond the limit, but the interval at the adjusted level is not"
    two = len(sides(rule.limit)) == 2
    return "the interval reaches beyond " + ("one of the limits" if two else "the limit")
