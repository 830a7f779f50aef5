"""Rules that let their probe stop as soon as they are settled: their levels, and when that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.core import Levels, Measurement, Policy, Rule, digest
from audit.judge._holm import Hypothesis, Key, holm, hypotheses, sides
from audit.judge._match import matched
from audit.judge._one import Test, by_measurement, judge_one


def fail_levels(policy: Policy) -> dict[str, float]:
    """Return the familywise level of a FAIL of each sequential rule, by rule; fixed by the policy alone.

    A probe that stops must know at which level its rule will be judged, which Holm's procedure says only when every
    p-value is there. So the level is parted beforehand, evenly over all sides of limits in the policy: a sequential
    rule has its part for itself, and Holm's procedure goes over all other hypotheses with what is left. The chance of
    any false FAIL is at most the sum, which is the level of the policy (Bonferroni).
    """
    alpha = Levels(confidence=policy.confidence).pointwise
    count = sum(len(sides(rule.limit)) for rule in policy.rules)
    return {rule.id: alpha * len(sides(rule.limit)) / count for rule in policy.rules if rule.sequential}


def level_of_others(policy: Policy) -> float:
    """Return the level that is left to the rules that are not sequential; all of it where none is."""
    alpha = Levels(confidence=policy.confidence).pointwise
    every = sum(len(sides(rule.limit)) for rule in policy.rules)
    own = sum(len(sides(rule.limit)) for rule in policy.rules if not rule.sequential)
    return alpha if own == every else alpha * own / every


def rejected(family: Sequence[Hypothesis], policy: Policy) -> dict[Key, float]:
    """Return the one-sided level of every rejected hypothesis of a policy; see `fail_levels`."""
    alone = fail_levels(policy)
    found = holm([h for h in family if h.rule not in alone], level_of_others(policy))
    for name, level in alone.items():
        found |= holm([h for h in family if h.rule == name], level)
    return found


def first_levels(family: Sequence[Hypothesis], policy: Policy) -> dict[str, float]:
    """Return the strictest level of a FAIL of each rule, for what is said of patients that are lacking."""
    alone, others = fail_levels(policy), level_of_others(policy)
    count = {name: len({h.key for h in family if h.rule == name}) for name in alone}
    shared = others / max(len({h.key for h in family if h.rule not in alone}), 1)
    return {r.id: alone[r.id] / max(count[r.id], 1) if r.id in alone else shared for r in policy.rules}


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Whether the sequential rules on one probe are settled; see `audit.core.Stop`.

    Args:
        rules: The rules.
        levels: The familywise level of a FAIL of each.
        alpha: One-sided level of a PASS.
        input_range: Stored range of the model's input, for rules whose epsilon is a share of it.
    """

    rules: tuple[Rule, ...]
    levels: tuple[float, ...]
    alpha: float
    input_range: tuple[float, float] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Take the way to another process by plain values: a rule's `where` is read-only, which pickle refuses."""
        rules = [{**vars(rule), "where": dict(rule.where)} for rule in self.rules]
        return _again, (rules, self.levels, self.alpha, self.input_range)

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that rules wait for."""
        return frozenset(rule.metric for rule in self.rules)

    @property
    def key(self) -> str:
        """Digest of what the answer rests on."""
        judged = [{"metric": r.metric, "limit": r.limit, "where": r.where, "min": r.min_patients} for r in self.rules]
        return digest({"rules": judged, "levels": self.levels, "alpha": self.alpha, "range": self.input_range})

    def settled(self, measurements: Sequence[Measurement], *, among: int = 1) -> bool:
        """Tell whether every rule on one of some measurements would PASS or FAIL if the probe stopped here.

        Args:
            measurements: What is known so far of one question of the probe.
            among: Questions like this one that the probe asks in all.
        """
        waiting = [
            (rule, level, {i: measurements[i] for i in found})
            for rule, level in zip(self.rules, self.levels, strict=True)
            if (found := matched(rule, measurements, self.input_range))
        ]
        return bool(waiting) and all(self._is(rule, level / among, own) for rule, level, own in waiting)

    def _is(self, rule: Rule, level: float, own: Mapping[int, Measurement]) -> bool:
        family = hypotheses(rule, own)
        # Bonferroni over what one rule matches: Holm's procedure rejects whatever that rejects.
        first = level / max(len({h.key for h in family}), 1)
        held = {h.key: first for h in family if h.p <= first}
        test = Test(alpha=self.alpha, rejected=held, keys=by_measurement(family))
        found = {judge_one(rule, i, m, test, bound=False).status for i, m in own.items()}
        return "FAIL" in found or found == {"PASS"}


def _again(
    rules: Sequence[Mapping[str, Any]], levels: tuple[float, ...], alpha: float,
    input_range: tuple[float, float] | None,
) -> Settling:  # fmt: skip
    return Settling(rules=tuple(Rule(**r) for r in rules), levels=levels, alpha=alpha, input_range=input_range)


def stops(policy: Policy, input_range: tuple[float, float] | None = None) -> dict[str, Settling]:
    """Return what tells each probe with sequential rules when to stop, by the probe's code.

    Args:
        policy: The policy.
        input_range: Stored range of the model's input.
    """
    alpha, levels = Levels(confidence=policy.confidence).pointwise, fail_levels(policy)
    by_probe: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        if rule.sequential:
            by_probe.setdefault(rule.probe, []).append(rule)
    return {
        code: Settling(
            rules=tuple(rules), levels=tuple(levels[r.id] for r in rules), alpha=alpha, input_range=input_range
        )
        for code, rules in by_probe.items()
    }
