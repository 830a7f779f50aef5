"""Rules to findings: pure, and closed against everything that did not run."""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.core import (
    COUNT,
    IN_SAMPLE,
    Finding,
    Levels,
    Measurement,
    Policy,
    ProbeResult,
    Rule,
    Status,
    Waiver,
    bounds_at,
)
from audit.errors import PolicyError
from audit.judge._holm import Hypothesis, Key, holm, hypotheses, sides
from audit.judge._match import describe, matched
from audit.judge._needed import UNANSWERED, patients_needed, settled_distance
from audit.judge._words import counted, headline, metric_words

_OF_THIS_MIX = "the number is that of this cohort's mix of cases, and no prevalence is declared for the intended use"
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "INCONCLUSIVE", "PASS")


@dataclass(frozen=True, kw_only=True)
class _Judged:
    index: int
    status: Status
    margin: float
    level: float | None = None
    lacking: str = ""


def judge(
    results: Sequence[ProbeResult],
    policy: Policy,
    *,
    today: dt.date,
    input_range: tuple[float, float] | None = None,
) -> tuple[Finding, ...]:
    """Return one finding a rule, the worst of the measurements that it matched.

    A PASS needs every required bound at the unadjusted level (intersection-union, Berger 1982); a FAIL needs its bound
    after Holm (1979) over all hypotheses of the policy.

    Args:
        results: What became of the probes.
        policy: The rules.
        today: The day (UTC) on which waivers are read.
        input_range: Stored range of the model's input, for rules whose epsilon is a share of it.

    Returns:
        Findings in the order of the rules.

    Raises:
        PolicyError: A rule names a metric that its probe does not have, or blocks on one that only describes.
    """
    by_code = {r.probe: r for r in results}
    chosen: dict[str, tuple[int, ...]] = {}
    family: list[Hypothesis] = []
    for rule in policy.rules:
        result = by_code.get(rule.probe)
        if result is None:
            continue
        _check_metric(rule, result)
        chosen[rule.id] = matched(rule, result.measurements, input_range)
        family += hypotheses(rule, {i: result.measurements[i] for i in chosen[rule.id]})
    alpha = Levels(confidence=policy.confidence).pointwise
    rejected = holm(family, alpha)
    keys = _keys_by_measurement(family)
    n_keys = len({h.key for h in family})
    return tuple(
        _finding(
            rule, by_code.get(rule.probe), chosen.get(rule.id, ()), policy, today,
            _Test(alpha=alpha, rejected=rejected, keys=keys, first=alpha / max(n_keys, 1)),
        )
        for rule in policy.rules
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Test:
    alpha: float
    rejected: Mapping[Key, float]
    keys: Mapping[tuple[str, int], tuple[Hypothesis, ...]]
    first: float


def _check_metric(rule: Rule, result: ProbeResult) -> None:
    if rule.metric not in result.info.metrics:
        raise PolicyError(
            f"rule '{rule.id}' names a metric that {rule.probe} does not have",
            expected=f"one of {', '.join(result.info.metrics)}",
            got=rule.metric,
            fix="correct the metric in the policy",
        )
    if rule.blocking and rule.metric in result.info.descriptive:
        raise PolicyError(
            f"rule '{rule.id}': {rule.metric} of {rule.probe} describes, and may not decide a release",
            expected="blocking = false",
            got="blocking = true",
            fix="write blocking = false, or judge another metric of the probe",
        )


def _keys_by_measurement(family: Sequence[Hypothesis]) -> dict[tuple[str, int], tuple[Hypothesis, ...]]:
    found: dict[tuple[str, int], list[Hypothesis]] = {}
    for h in family:
        found.setdefault((h.rule, h.index), []).append(h)
    return {k: tuple(v) for k, v in found.items()}


def _finding(
    rule: Rule,
    result: ProbeResult | None,
    indices: tuple[int, ...],
    policy: Policy,
    today: dt.date,
    test: _Test,
) -> Finding:
    waiver, expired = _waiver(rule, policy.waivers, today)
    words = metric_words(rule.metric)

    def without_number(status: Status, text: str, *, allowed: bool = False) -> Finding:
        return Finding(
            rule=rule.id, probe=rule.probe, metric=rule.metric, status=status, headline=text, limit=rule.limit,
            measurements=indices, blocking=rule.blocking, waiver=waiver, waiver_expired=expired, allowed=allowed,
            lacking=text, rationale=rule.rationale, margin_source=rule.margin_source,
        )  # fmt: skip

    if result is None:
        return without_number("NOT_RUN", f"{rule.probe} is not part of this run, so '{words}' was not measured")
    if result.state == "error":
        return without_number("ERROR", f"{rule.probe} ended in an error: {result.reason}")
    if result.state == "not_run":
        return without_number("NOT_RUN", f"{rule.probe} was not run: {result.reason}")
    if result.state == "not_applicable":
        allowed = any(fnmatch.fnmatchcase(rule.probe, pattern) for pattern in policy.allow_not_applicable)
        note = "the policy accepts its absence" if allowed else "the policy does not accept its absence"
        return without_number(
            "NOT_APPLICABLE", f"{rule.probe} is not applicable ({result.reason}); {note}", allowed=allowed
        )
    if not indices:
        where = describe(rule.where)
        return without_number(
            "INCONCLUSIVE", f"No measurement of '{words}' by {rule.probe} matches" + (f" {where}" if where else "")
        )
    bound = rule.metric in result.info.at_prevalence
    judged = [_judge_one(rule, i, result.measurements[i], test, bound=bound) for i in indices]
    worst = min(judged, key=lambda j: (_WORST_FIRST.index(j.status), j.margin, j.index))
    m = result.measurements[worst.index]
    still_open = worst.status == "INCONCLUSIVE"
    # Where the mix of cases is in doubt no number of patients settles it.
    settles = still_open and worst.lacking != _OF_THIS_MIX
    needed = patients_needed(rule, m, test.alpha, test.first) if settles else None
    enough = m.n_patients >= rule.min_patients
    distance = settled_distance(rule, m, test.alpha, test.first) if settles and enough else None
    return Finding(
        rule=rule.id, probe=rule.probe, metric=rule.metric, status=worst.status,
        headline=headline(rule, m, policy.confidence), limit=rule.limit, measurements=indices, decisive=worst.index,
        blocking=rule.blocking, waiver=waiver, waiver_expired=expired,
        patients_needed=_at_least(needed, rule, m), settled_distance=distance,
        lacking=_lacking(worst.lacking, m) if still_open else worst.lacking,
        holm_level=worst.level, rationale=rule.rationale, margin_source=rule.margin_source,
    )  # fmt: skip


def _lacking(said: str, m: Measurement) -> str:
    """Return what is lacking, with the answers where their absence is what widens the interval."""
    if UNANSWERED not in m.method or m.value is None:
        return said
    return "; ".join(w for w in (said, "answers to the cases without one would narrow its interval") if w)


def _at_least(needed: int | None, rule: Rule, m: Measurement) -> int | None:
    if needed is None and m.n_patients < rule.min_patients:
        return rule.min_patients
    return needed


def _judge_one(rule: Rule, index: int, m: Measurement, test: _Test, *, bound: bool) -> _Judged:
    """Judge one measurement; `margin` orders equals, the smallest first, and is the distance inside the limit.

    Args:
        rule: The rule.
        index: The measurement's index.
        m: The measurement.
        test: Levels.
        bound: Whether the metric depends on how many are ill, so that a number of this mix of cases decides nothing.
    """
    if m.value is None:
        return _Judged(index=index, status="INCONCLUSIVE", margin=float("-inf"), lacking=m.missing or "no value")
    if bound and m.condition.get("stratum") == IN_SAMPLE:
        return _Judged(index=index, status="INCONCLUSIVE", margin=float("-inf"), lacking=_OF_THIS_MIX)
    inside = min(
        float("inf") if rule.limit.min is None else m.value - rule.limit.min,
        float("inf") if rule.limit.max is None else rule.limit.max - m.value,
    )
    if m.n_patients < rule.min_patients:
        lacking = f"{counted(m.n_patients, 'patient')} where the rule asks for at least {rule.min_patients}"
        return _Judged(index=index, status="INCONCLUSIVE", margin=inside, lacking=lacking)
    if m.method == COUNT:
        return _Judged(index=index, status="PASS" if inside >= 0 else "FAIL", margin=inside)
    levels = [
        test.rejected[h.key]
        for h in test.keys.get((rule.id, index), ())
        # A mirror image is rejected with its contrast only where its own bound is beyond the limit, too.
        if h.key in test.rejected and h.p <= test.rejected[h.key] * (1 + 1e-9)
    ]
    if levels:
        return _Judged(index=index, status="FAIL", margin=inside, level=max(levels))
    if _holds(rule, m, test.alpha):
        return _Judged(index=index, status="PASS", margin=inside)
    return _Judged(index=index, status="INCONCLUSIVE", margin=inside, lacking=_open(rule, m, inside))


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


def _waiver(rule: Rule, waivers: Sequence[Waiver], today: dt.date) -> tuple[Waiver | None, Waiver | None]:
    """Return the waiver in force and, where there is none, the one that has expired."""
    mine = [w for w in waivers if w.rule == rule.id]
    valid = [w for w in mine if not w.expired(today)]
    if valid:
        return max(valid, key=lambda w: w.expires), None
    return None, max(mine, key=lambda w: w.expires, default=None)
