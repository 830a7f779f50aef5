"""Rules that let their probe stop early, held against what the probes can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.config._faults import listed, one_line
from audit.core import Policy, ProbeInfo, Rule
from audit.errors import PolicyError

_SIZES = ("epsilon", "parameter", "severity")


def sequential_faults(policy: Policy, infos: Mapping[str, ProbeInfo]) -> Iterator[PolicyError]:
    """Give what is wrong with rules that ask for `sequential = true`.

    Args:
        policy: The policy.
        infos: The catalogue by code.
    """
    stopping = {rule.probe: rule for rule in reversed(policy.rules) if rule.sequential}
    for rule in policy.rules:
        info = infos.get(rule.probe)
        if info is None or rule.metric not in info.metrics:
            continue
        if rule.sequential:
            yield from _not_able(rule, info, infos)
        elif rule.probe in stopping:
            other = one_line(stopping[rule.probe].id)
            yield PolicyError(
                f"rule '{one_line(rule.id)}': {rule.probe} stops as soon as rule '{other}' is settled, on fewer "
                "patients than this rule counts on",
                expected="sequential = true in every rule on one probe, or in none", got="sequential = false",
                fix=f"write sequential = true here as well, or take it out of rule '{other}'",
            )  # fmt: skip


def _not_able(rule: Rule, info: ProbeInfo, infos: Mapping[str, ProbeInfo]) -> Iterator[PolicyError]:
    where = f"rule '{one_line(rule.id)}'"
    able = sorted(code for code, known in infos.items() if known.sequential)
    if not info.sequential:
        yield PolicyError(
            f"{where}: {info.code} always looks at all of its cases", expected=f"one of {listed(able)}",
            got=info.code, fix="take sequential = true out of the rule",
        )  # fmt: skip
    elif rule.metric not in info.sequential:
        yield PolicyError(
            f"{where}: {info.code} cannot tell early whether {rule.metric} is settled",
            expected=f"one of {listed(info.sequential)}", got=rule.metric,
            fix="take sequential = true out of every rule on this probe, or judge one of these metrics",
        )  # fmt: skip
    elif not any(key in rule.where for key in _SIZES):
        yield PolicyError(
            f"{where}: it matches a whole ladder, all of which would have to be settled",
            expected="where = { epsilon = ... }, { parameter = ... } or { severity = ... }", got="neither",
            fix='name one size, for example where = { parameter = "headline" }',
        )  # fmt: skip
