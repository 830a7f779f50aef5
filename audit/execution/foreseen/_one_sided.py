"""Gaps that a policy bounds on the side where nobody is harmed, or for one level alone."""

from __future__ import annotations

from collections.abc import Iterator

from audit.core import Cohort, Policy, Rule
from audit.execution.foreseen._asked import attributes_asked, levels_of

_MANY = 3
# The level does worse than the rest where the gap is below 0, and where it is above 0; any other gap harms both ways.
_LOW = (
    "sensitivity_gap", "specificity_gap", "auc_gap", "dice_gap", "ppv_gap", "coverage_gap", "threshold_part",
    "ranking_part", "gap_within_strata", "robust_accuracy_gap",
)  # fmt: skip
_HIGH = ("underdiagnosis_gap", "underdiagnosis_gap_intersection", "fpr_gap", "mae_gap", "share_declined_gap")
_BOTH = ("bias_gap", "volume_bias_gap", "selection_rate_gap", "slope_gap", "intercept_gap", "verification_gap")
# These compare more subgroups than an attribute has levels.
_SEARCHED = ("FAIR003", "FAIR005", "FAIR006")


def one_sided(policy: Policy, cohort: Cohort) -> Iterator[str]:
    """Give a sentence for each blocking rule on a gap that leaves a level which is worse than the rest unjudged.

    With two levels the gap of one is minus that of the other, so one side bounds both. With more of them a level may be
    far worse while no other is much better than its rest.

    Args:
        policy: The rules.
        cohort: The cases as the manifest gives them.
    """
    for rule in policy.rules:
        if not rule.blocking or rule.metric not in (*_LOW, *_HIGH, *_BOTH):
            continue
        side = _open_side(rule)
        if side and (_most_levels(rule, cohort) >= _MANY or "subgroup" in rule.where) and not _met(rule, side, policy):
            worse = "more than so much worse" if rule.metric not in _BOTH else "far off on the other side"
            yield (
                f"Rule '{rule.id}' bounds {rule.metric.replace('_', ' ')} on one side only: a level that is {worse} "
                f"than the rest would pass. Add {side} to its limit."
            )
        if "subgroup" in rule.where and not _others_judged(rule, policy):
            yield (
                f"Rule '{rule.id}' is about the level {rule.where['subgroup']} alone: no blocking rule bounds "
                f"{rule.metric.replace('_', ' ')} of the others. Take subgroup out of its where."
            )


def _open_side(rule: Rule) -> str:
    """Return the bound that is lacking where the level is worse, empty where there is one."""
    if rule.limit.min is None and rule.metric in (*_LOW, *_BOTH):
        return "min"
    return "max" if rule.limit.max is None and rule.metric in (*_HIGH, *_BOTH) else ""


def _most_levels(rule: Rule, cohort: Cohort) -> int:
    if rule.probe in _SEARCHED:
        return _MANY
    return max((len(levels_of(a)) for a in attributes_asked(rule, cohort)), default=0)


def _met(rule: Rule, side: str, policy: Policy) -> bool:
    """Tell whether another rule on the same numbers, or on more of them, has the bound that is lacking."""
    return any(_covers(r, rule) and getattr(r.limit, side) is not None for r in policy.rules)


def _others_judged(rule: Rule, policy: Policy) -> bool:
    level = rule.where["subgroup"]
    return any(
        r.blocking and (r.probe, r.metric) == (rule.probe, rule.metric) and r.where.get("subgroup") != level
        for r in policy.rules
    )


def _covers(other: Rule, rule: Rule) -> bool:
    same = other.blocking and (other.probe, other.metric) == (rule.probe, rule.metric)
    return same and set(other.where.items()) <= set(rule.where.items())
