"""What cases without an answer say against a PASS where no rule is about them."""

from __future__ import annotations

from collections.abc import Sequence

from audit.core import Measurement, Policy, ProbeResult, Rule

MANY_LOST = 0.05
"""Share of cases without an answer above which a policy must say how many may be: the lost may be the hard ones."""
MANY_LOST_CROSSED = 0.10
"""The same for a class within a level: such cells are small and many, so chance alone takes some beyond the other."""
FEWEST_PATIENTS = 20
"""Patients of a class or level from which on a single lost case counts; in a smaller one two do."""
EITHER = "share_set_aside_or_declined"


def lost_cases(results: Sequence[ProbeResult], policy: Policy) -> list[str]:
    """Return what the ledger says against a PASS: sums that do not hold, or many lost cases that no rule is about.

    Args:
        results: What became of the probes.
        policy: The rules.
    """
    ledger = next((r for r in results if r.probe == "DATA003" and r.state == "completed"), None)
    if ledger is None:
        return []
    found: list[str] = []
    if any(m.metric == "unreconciled" and m.value for m in ledger.measurements):
        found.append("DATA003 found tables whose denominators do not add up to the cohort.")
    whole = [m for m in ledger.measurements if m.metric == "share_set_aside"]
    share = max((m.value or 0.0 for m in whole), default=0.0)
    if share > MANY_LOST and not _judged(policy, ("share_set_aside", EITHER)):
        found.append(
            f"{share:.1%} of the cases were set aside, and no blocking rule of the policy (DATA003, share_set_aside) "
            "says how many may be."
        )
        return found
    allowed = _allowed(policy)
    many = [m for m in ledger.measurements if _many(m, allowed)]
    if many and not _judged(policy, (EITHER,)):
        worst = max(many, key=lambda m: m.value or 0.0)
        found.append(
            f"{worst.value:.1%} of the cases{_whose(worst)} were set aside or declined, and no blocking rule of the "
            f"policy (DATA003, {EITHER}) says how many may be."
        )
    return found


def _rules(policy: Policy, metrics: tuple[str, ...]) -> list[Rule]:
    """Return the rules that say how many may be lost; one that cannot block, or is about a part alone, does not."""
    return [
        rule for rule in policy.rules
        if rule.probe == "DATA003" and rule.metric in metrics and rule.blocking and not rule.where
    ]  # fmt: skip


def _judged(policy: Policy, metrics: tuple[str, ...]) -> bool:
    return bool(_rules(policy, metrics))


def _allowed(policy: Policy) -> float:
    """Return the share that any group may lose: what the policy allows for the whole, if that is more."""
    own = [rule.limit.max for rule in _rules(policy, ("share_set_aside",)) if rule.limit.max is not None]
    return max([MANY_LOST, *own])


def _many(m: Measurement, allowed: float) -> bool:
    if m.metric != EITHER or m.value is None:
        return False
    crossed = "class" in m.condition and bool(m.subgroup)
    if m.value <= (max(allowed, MANY_LOST_CROSSED) if crossed else allowed):
        return False
    return (m.n_patients >= FEWEST_PATIENTS and not crossed) or (m.k or 0) > 1


def _whose(m: Measurement) -> str:
    kind = f" of class '{m.condition['class']}'" if "class" in m.condition else ""
    return kind + "".join(f" with {name} {level}" for name, level in m.subgroup.items())
