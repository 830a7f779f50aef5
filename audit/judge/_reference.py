"""What the reference standard, and the source of the operating point, leave open beside the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.core import NO_TARGET, NOT_VERIFIED, Measurement, Policy, ProbeResult, Rule

MANY_UNVERIFIED = 0.05
"""Share of a class that cases without a reference standard may make up before a policy must say how many may."""
FEWEST = 20
"""Cases of a class in a level, those without a reference standard among them, below which the level is not looked at:
rules on so few are open for that alone."""
DEPENDS = 0.1
"""Cramer's V of source and decision, or of source and class, above which the sources are not of a kind."""

_ABOUT_UNVERIFIED = (
    "faults", "share_unverified", "share_unverified_of_class", "verification_auc", "verification_gap",
    "sensitivity_corrected", "specificity_corrected", "sensitivity_bound_low", "specificity_bound_low",
)  # fmt: skip
_ABOUT_SOURCES = {"DATA005": ("association",), "DATA010": ("source_association", "sensitivity", "specificity")}
_NOT_DECLARED = ("", "not declared", "undeclared", "unknown", "none", "n/a", "?")


def reference_reasons(results: Sequence[ProbeResult], policy: Policy) -> list[str]:
    """Return what the reference standard says against a PASS, where no blocking rule is about it.

    Args:
        results: What became of the probes.
        policy: The rules.
    """
    measured = _measured(results)
    found = []
    many = [m for m in measured if m.metric == "share_unverified_of_class" and _many(m)]
    if many and not any(_on_unverified(rule) for rule in policy.rules):
        worst = max(many, key=lambda m: m.value or 0.0)
        found.append(
            f"More than {MANY_UNVERIFIED:.0%} of {_whose(worst)} may be among the cases that have no reference "
            "standard, and no blocking rule of the policy (DATA010, share_unverified_of_class) says how many may be."
        )
    if _dependent(measured) and not any(_on_sources(rule) for rule in policy.rules):
        found.append(
            "Which source the reference standard comes from depends on the model's decision or on the class, and no "
            "blocking rule of the policy is about it (DATA010, source_association, or the rates by source)."
        )
    return found


def verdict_notes(results: Sequence[ProbeResult], model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what nobody should read the outcome without, whatever the rules say.

    Args:
        results: What became of the probes.
        model: The model's card as the evidence holds it.
    """
    return (*_of_sources(_measured(results)), *_of_the_point(model))


def _measured(results: Sequence[ProbeResult]) -> tuple[Measurement, ...]:
    probe = next((r for r in results if r.probe == "DATA010" and r.state == "completed"), None)
    return () if probe is None else tuple(probe.measurements)


def _many(m: Measurement) -> bool:
    return m.value is not None and m.value > MANY_UNVERIFIED and (not m.subgroup or m.n >= FEWEST)


def _whose(m: Measurement) -> str:
    where = " and ".join(f"{name} {level}" for name, level in m.subgroup.items())
    return f"the cases of class '{m.condition.get('class', '')}'" + (f" with {where}" if where else "")


def _on_unverified(rule: Rule) -> bool:
    if rule.probe == "DATA003":
        named = rule.where.get("parameter") in (NO_TARGET, NOT_VERIFIED)
        return rule.blocking and rule.metric == "share_set_aside" and named
    # A rule on one level or one class says nothing of the others.
    whole = set(rule.where) <= {"parameter"}
    return rule.blocking and rule.probe == "DATA010" and rule.metric in _ABOUT_UNVERIFIED and whole


def _on_sources(rule: Rule) -> bool:
    return rule.blocking and rule.metric in _ABOUT_SOURCES.get(rule.probe, ())


def _dependent(measured: Sequence[Measurement]) -> bool:
    return any(m.metric == "source_association" and (m.value or 0.0) > DEPENDS for m in measured)


def _of_sources(measured: Sequence[Measurement]) -> Iterator[str]:
    if _dependent(measured):
        yield (
            "The reference standard comes from several sources, and which one depends on the model's decision or on "
            "the class (differential verification): rates over all cases are of none of them; DATA010 gives them by "
            "source."
        )


def _of_the_point(model: Mapping[str, Any]) -> Iterator[str]:
    source = str(model.get("operating_point_source") or "").strip().casefold()
    declared = source not in _NOT_DECLARED or bool(model.get("operating_point_chosen_on"))
    if model.get("operating_point") is not None and not declared:
        yield (
            "The provenance of the operating point is not declared: one that was chosen on the audited cases makes "
            "every rate look better than it is."
        )
