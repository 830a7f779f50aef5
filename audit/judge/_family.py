"""The family of hypotheses: declared from policy and cohort before any result, counted after the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.core import Levels, Measurement, Policy, ProbeResult, Rule
from audit.judge._holm import hypotheses, sides
from audit.judge._match import matched
from audit.judge._sequential import fail_levels

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Family:
    """All hypotheses of a policy: a rule, a measurement that it matches, a side of its limit.

    Args:
        policy_digest: Digest of the policy that they come from.
        before_results: Whether they were declared before anything was measured.
        attributes: Levels by attribute, as the cohort had them before the run.
        declared: One a rule, side and level; a rule that names no attribute has one a side, without a level, and
            stands for every measurement of its metric.
        used: Number of hypotheses that the correction of Holm (1979) counted; None before the run.
        by_rule: That number by rule. Mirror images of one contrast count once.
        built: Number of those on subgroups that a probe found or put together, over and above single levels.
        undeclared: Those on a level that was not there before the run; none is expected.
    """

    policy_digest: str
    before_results: bool
    attributes: Mapping[str, tuple[str, ...]]
    declared: tuple[Mapping[str, Any], ...]
    used: int | None = None
    by_rule: Mapping[str, int] | None = None
    built: int | None = None
    undeclared: tuple[str, ...] = ()


def declare(policy: Policy, attributes: Mapping[str, Sequence[str]], *, before_results: bool = True) -> Family:
    """Return the family of a policy on a cohort, without any result.

    Args:
        policy: The rules.
        attributes: Levels by attribute that may be named.
        before_results: False where the policy is set after the run.
    """
    known = {name: tuple(levels) for name, levels in sorted(attributes.items())}
    return Family(
        policy_digest=policy.digest, before_results=before_results, attributes=known,
        declared=tuple(h for rule in policy.rules for h in _of_rule(rule, known)),
    )  # fmt: skip


def _of_rule(rule: Rule, attributes: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    name = str(rule.where.get("attribute", ""))
    levels: Sequence[str | None] = [v for v in attributes.get(name, ()) if rule.where.get("subgroup", v) == v] or [None]
    for side in sides(rule.limit):
        for level in levels:
            yield {
                "rule": rule.id, "probe": rule.probe, "metric": rule.metric, "side": side,
                "subgroup": {} if level is None else {name: level},
            }  # fmt: skip


def count_family(
    family: Family, results: Sequence[ProbeResult], policy: Policy, input_range: tuple[float, float] | None
) -> Family:
    """Return the family with what became of it: how many hypotheses were tested, and whether any was added.

    Args:
        family: As declared.
        results: What became of the probes.
        policy: The rules.
        input_range: Stored range of the model's input, for rules whose epsilon is a share of it.
    """
    by_code = {r.probe: r for r in results}
    by_rule: dict[str, int] = {}
    built, added = 0, []
    for rule in policy.rules:
        result = by_code.get(rule.probe)
        measured = () if result is None else result.measurements
        own = {i: measured[i] for i in matched(rule, measured, input_range)}
        keys = {h.key: own[h.index] for h in hypotheses(rule, own)}
        by_rule[rule.id] = len(keys)
        built += sum(_is_built(m, family) for m in keys.values())
        added += [f"{rule.id}: {k} {v}" for m in keys.values() for k, v in _unknown(m, family)]
    return replace(
        family,
        used=sum(by_rule.values()),
        by_rule=by_rule,
        built=built,
        undeclared=tuple(dict.fromkeys(added))[:_SHOWN],
    )


def _is_built(m: Measurement, family: Family) -> bool:
    return len(m.subgroup) > 1 or any(k not in family.attributes for k in m.subgroup)


def _unknown(m: Measurement, family: Family) -> list[tuple[str, str]]:
    """Return the levels of known attributes that were not there before the run."""
    return [
        (k, str(v)) for k, v in m.subgroup.items()
        if k in family.attributes and str(v) not in family.attributes[k] and len(m.subgroup) == 1
    ]  # fmt: skip


def family_values(family: Family, policy: Policy) -> dict[str, Any]:
    """Return a family as the plain values that evidence.json holds under `family`."""
    return {
        "policy_digest": family.policy_digest, "before_results": family.before_results,
        "alpha": Levels(confidence=policy.confidence).pointwise,
        "attributes": {k: list(v) for k, v in family.attributes.items()},
        "declared": [dict(h) for h in family.declared],
        "used": family.used, "by_rule": dict(family.by_rule or {}), "built": family.built,
        "undeclared": list(family.undeclared),
        **({"sequential": alone} if (alone := fail_levels(policy)) else {}),
    }  # fmt: skip
