"""Rules that this cohort can never meet, said before the run and not after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from audit.core import Cohort, Levels, ModelCard, Policy, Rule
from audit.execution.foreseen._asked import (
    AREAS,
    BY_LEVEL,
    NEGATIVES,
    POSITIVES,
    ClassAsked,
    classes_asked,
    count,
    levels_asked,
    patients,
)

if TYPE_CHECKING:
    from audit.execution.foreseen._asked import Mask

_SHOWN = 8
_NOTHING: Mapping[str, str] = MappingProxyType({})


def unattainable(
    policy: Policy, cohort: Cohort, card: ModelCard, absent: Mapping[str, str] = _NOTHING
) -> tuple[str, ...]:
    """Return one sentence for each rule that cannot PASS with this cohort even if the model made no error.

    Foreseen are probes that will not measure, attributes and levels that the cohort does not have, too few patients
    for `min_patients`, and, for tasks of classification, rates, AUCs and their gaps.

    Args:
        policy: The rules.
        cohort: The cases as the manifest gives them.
        card: The model's card.
        absent: By code, why a probe will not measure anything here.

    Returns:
        Sentences in the order of the rules, empty where every rule that this can foresee is within reach.
    """
    return tuple(unattainable_by_rule(policy, cohort, card, absent).values())


def unattainable_by_rule(
    policy: Policy, cohort: Cohort, card: ModelCard, absent: Mapping[str, str] = _NOTHING
) -> dict[str, str]:
    """Return the sentences of `unattainable` by the rule's id."""
    levels = Levels(confidence=policy.confidence)
    said: dict[str, str] = {}
    for rule in policy.rules:
        if rule.probe in absent:
            accepted = any(fnmatchcase(rule.probe, pattern) for pattern in policy.allow_not_applicable)
            why = "" if accepted else f"{rule.probe} will not measure here, since {absent[rule.probe]}"
        else:
            why = _no_match(rule, cohort) or next(_out_of_reach(rule, cohort, card, levels), "")
        if why:
            said[rule.id] = f"Rule '{rule.id}' cannot PASS with this cohort: {why}."
    return said


def _no_match(rule: Rule, cohort: Cohort) -> str:
    """Return that a rule can match nothing; names in brackets, such as "(joint)", are a probe's own."""
    name = str(rule.where.get("attribute", "("))
    if name.startswith("("):
        return ""
    attribute = cohort.attributes.get(name)
    if attribute is None:
        there = ", ".join(cohort.attributes) or "none"
        return f"it has no attribute '{name}' (there is: {there})"
    level = str(rule.where.get("subgroup", ""))
    if level and level not in attribute.level_names():
        there = ", ".join(attribute.level_names()[:_SHOWN])
        return f"its attribute {name} has no level '{level}' (there is: {there})"
    return ""


def _out_of_reach(rule: Rule, cohort: Cohort, card: ModelCard, levels: Levels) -> Iterator[str]:
    known = (*POSITIVES, *NEGATIVES, *AREAS)
    for asked in classes_asked(rule, cohort, card) if rule.metric in known else ():
        yield from _of_class(rule, cohort, asked, levels)
    if cohort.n_patients < rule.min_patients:
        yield f"it has {patients(cohort.n_patients)}, the rule asks for at least {rule.min_patients:,}"


@dataclass(frozen=True, kw_only=True)
class _Side:
    """The cases of one class that a metric needs, and what they are called."""

    inside: Mask
    word: str


def _of_class(rule: Rule, cohort: Cohort, asked: ClassAsked, levels: Levels) -> Iterator[str]:
    of = f" of {asked.name}" if asked.name else ""
    sides = []
    if rule.metric not in NEGATIVES:
        sides.append(_Side(inside=asked.positive, word=f"positives{of}"))
    if rule.metric not in POSITIVES:
        sides.append(_Side(inside=~asked.positive, word=f"negatives{of}"))
    subgroups = list(levels_asked(rule, cohort))
    if rule.metric.endswith("_gap"):
        for level in subgroups:
            yield from _gap(rule, cohort, [_within(s, level.members) for s in sides], str(level), levels)
    elif "attribute" in rule.where or rule.probe in BY_LEVEL:
        for level in subgroups:
            yield from _floor(rule, cohort, [_within(s, level.members) for s in sides], f" in {level}", levels)
    else:
        yield from _floor(rule, cohort, sides, "", levels)


def _within(side: _Side, members: Mask) -> _Side:
    return _Side(inside=side.inside & members, word=side.word)


def _floor(rule: Rule, cohort: Cohort, sides: list[_Side], where: str, levels: Levels) -> Iterator[str]:
    """Give that even a rate or an AUC of 1 would not reach the limit: its bound is that of the rarer class."""
    from audit.stats import best_proportion_low

    yield from _too_few(rule, cohort, sides, where)
    if rule.limit.min is None:
        return
    n, word = min(((count(cohort, s.inside), s.word) for s in sides), key=lambda pair: pair[0])
    best = best_proportion_low(n, levels, sequential=rule.sequential)
    if best < rule.limit.min:
        yield f"{patients(n)} with {word}{where}: the lower bound cannot exceed {best:.2f}, required is {rule.limit}"


def _gap(rule: Rule, cohort: Cohort, sides: list[_Side], level: str, levels: Levels) -> Iterator[str]:
    from audit.stats import best_proportion_low

    yield from _too_few(rule, cohort, sides, f" in {level}")
    n, word = min(((count(cohort, s.inside), s.word) for s in sides), key=lambda pair: pair[0])
    # With no error anywhere the gap is 0 and its lower bound is what the subgroup's own bound leaves.
    best = best_proportion_low(n, levels) - 1
    if rule.limit.min is not None and best < rule.limit.min:
        yield (
            f"{patients(n)} with {word} in {level}: even without an error the gap's lower bound is {best:.2f} or less, "
            f"required is {rule.limit}"
        )


def _too_few(rule: Rule, cohort: Cohort, sides: list[_Side], where: str) -> Iterator[str]:
    """Give that the metric's own denominator, both classes for an AUC, has fewer patients than the rule asks for."""
    inside = sides[0].inside
    for side in sides[1:]:
        inside = inside | side.inside
    n, words = count(cohort, inside), " or ".join(s.word for s in sides)
    if n < rule.min_patients:
        yield f"{patients(n)} with {words}{where}, the rule asks for at least {rule.min_patients:,}"
