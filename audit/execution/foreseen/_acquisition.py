"""Rules on changed acquisitions that can never be met, since what they ask for is not declared or not tried."""

from __future__ import annotations

from collections.abc import Iterator

from audit.core import Budget, Cohort, Envelope, Policy, Rule

_PROBE = "SHIFT002"
_COMBINED = "(combined)"
_ASKED = ("performance", "performance_change")


def undeclared_acquisitions(policy: Policy, envelope: Envelope, cohort: Cohort, budget: Budget) -> dict[str, str]:
    """Return, by the rule's id, one sentence for each rule on SHIFT002 that cannot PASS as things are declared.

    Args:
        policy: The rules.
        envelope: Acquisitions in clinical use, as declared.
        cohort: The cases.
        budget: How many of them are changed.
    """
    rules = [rule for rule in policy.rules if rule.probe == _PROBE]
    found = {rule.id: next(_lacking(rule, envelope, cohort, budget), "") for rule in rules}
    return {name: f"Rule '{name}' cannot PASS as it is declared: {why}." for name, why in found.items() if why}


def _lacking(rule: Rule, envelope: Envelope, cohort: Cohort, budget: Budget) -> Iterator[str]:
    name = str(rule.where.get("parameter", ""))
    if rule.metric in _ASKED and not envelope.knobs:
        yield "[envelope.knobs] declares no range in clinical use, so every severity is exploratory"
    if name == _COMBINED and len(envelope.knobs) < 2:
        yield "[envelope.knobs] declares fewer than two ranges, so nothing is combined"
    elif rule.metric in _ASKED and name and name != _COMBINED and name not in envelope.knobs:
        there = ", ".join(envelope.knobs)
        yield f"[envelope.knobs] declares no range of '{name}' (there is: {there})"
    if rule.metric == "critical_severity" and envelope.tolerated_drop is None:
        yield "[envelope] declares no tolerated_drop, so no severity is critical"
    if rule.metric == "critical_severity" and name and envelope.knobs and name not in envelope.knobs:
        yield f"'{name}' is not turned where other ranges are declared"
    most = budget.severity_cases
    if most is not None and most < len(cohort) and most < rule.min_patients:
        yield (
            f"the profile '{budget.profile}' changes the images of {most:,} cases, and the rule asks for at least "
            f"{rule.min_patients:,} patients"
        )
