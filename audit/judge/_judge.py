"""Rules to findings: pure, and closed against everything that did not run."""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import Sequence

from audit.core import Finding, Levels, Measurement, Policy, ProbeResult, Rule, Status, Waiver
from audit.errors import PolicyError
from audit.judge._holm import Hypothesis, hypotheses
from audit.judge._match import describe, matched
from audit.judge._needed import UNANSWERED, out_of_reach, patients_needed, settled_distance
from audit.judge._one import OF_THIS_MIX, Test, by_measurement, judge_one
from audit.judge._sequential import first_levels, rejected
from audit.judge._words import counted, headline, metric_words

# How the method of a number says that the attack behind it may not be believed, which more patients do not change.
_UNBELIEVED = "certificate failed"
_TOO_FEW = "so few patients settle at most an extreme value here"
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "INCONCLUSIVE", "PASS")


def judge(
    results: Sequence[ProbeResult],
    policy: Policy,
    *,
    today: dt.date,
    input_range: tuple[float, float] | None = None,
) -> tuple[Finding, ...]:
    """Return one finding a rule, the worst of the measurements that it matched.

    A PASS needs every required bound at the unadjusted level (intersection-union, Berger 1982); a FAIL needs its bound
    after Holm (1979) over all hypotheses of the policy. Sequential rules have a part of that level for themselves,
    fixed before the run.

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
    test = Test(alpha=alpha, rejected=rejected(family, policy), keys=by_measurement(family))
    first = first_levels(family, policy)
    return tuple(
        _finding(rule, by_code.get(rule.probe), chosen.get(rule.id, ()), policy, today, test, first[rule.id])
        for rule in policy.rules
    )


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


def _finding(
    rule: Rule,
    result: ProbeResult | None,
    indices: tuple[int, ...],
    policy: Policy,
    today: dt.date,
    test: Test,
    first: float,
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
    judged = [judge_one(rule, i, result.measurements[i], test, bound=bound) for i in indices]
    worst = min(judged, key=lambda j: (_WORST_FIRST.index(j.status), j.margin, j.index))
    m = result.measurements[worst.index]
    still_open = worst.status == "INCONCLUSIVE"
    # Where the mix of cases is in doubt no number of patients settles it.
    settles = still_open and worst.lacking != OF_THIS_MIX
    needed = patients_needed(rule, m, test.alpha, first) if settles else None
    enough = m.n_patients >= rule.min_patients
    distance = settled_distance(rule, m, test.alpha, first) if settles and enough else None
    hopeless = distance is not None and out_of_reach(rule, m, distance)
    return Finding(
        rule=rule.id, probe=rule.probe, metric=rule.metric, status=worst.status,
        headline=headline(rule, m, policy.confidence), limit=rule.limit, measurements=indices, decisive=worst.index,
        blocking=rule.blocking, waiver=waiver, waiver_expired=expired,
        patients_needed=_at_least(needed, rule, m), settled_distance=None if hopeless else distance,
        lacking=_lacking(worst.lacking, m, hopeless=hopeless) if still_open else worst.lacking,
        holm_level=worst.level, rationale=rule.rationale, margin_source=rule.margin_source,
        patients_spent=None if m.planned is None else m.n_patients,
        patients_saved=None if m.planned is None else m.planned - m.n_patients,
    )  # fmt: skip


def _lacking(said: str, m: Measurement, *, hopeless: bool) -> str:
    """Return what is lacking, with the answers and patients whose absence is what widens the interval."""
    if m.value is None:
        return said
    more = [said]
    if UNANSWERED in m.method:
        more.append("answers to the cases without one would narrow its interval")
    elif hopeless and _UNBELIEVED not in m.method:
        more.append(_TOO_FEW)
    if m.planned is not None and m.planned > m.n_patients and _UNBELIEVED not in m.method:
        left = counted(m.planned - m.n_patients, "patient")
        more.append(f"it stopped once the limits of its run were settled, and a run under this policy has {left} left")
    return "; ".join(w for w in more if w)


def _at_least(needed: int | None, rule: Rule, m: Measurement) -> int | None:
    if needed is None and m.n_patients < rule.min_patients:
        return rule.min_patients
    return needed


def _waiver(rule: Rule, waivers: Sequence[Waiver], today: dt.date) -> tuple[Waiver | None, Waiver | None]:
    """Return the waiver in force and, where there is none, the one that has expired."""
    mine = [w for w in waivers if w.rule == rule.id]
    valid = [w for w in mine if not w.expired(today)]
    if valid:
        return max(valid, key=lambda w: w.expires), None
    return None, max(mine, key=lambda w: w.expires, default=None)
