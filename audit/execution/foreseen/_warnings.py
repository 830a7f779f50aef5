"""What a user should know of policy and cohort before the run, though no rule is out of reach for it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Access, Cohort, Levels, ModelCard, Policy, Rule, ThreatModel
from audit.execution.foreseen._asked import (
    AREAS,
    POSITIVES,
    ClassAsked,
    attributes_asked,
    classes_asked,
    count,
    family_of,
    levels_of,
)
from audit.execution.foreseen._one_sided import one_sided
from audit.judge import NOTHING_BLOCKS

if TYPE_CHECKING:
    from audit.execution.foreseen._asked import Mask

UNLIKELY = 0.1
"""Chance of a model without a fault below which a rule is announced as one that will hardly pass."""

_RATE, _AREA, _POWER = 0.9, 0.85, 0.8
_MOST = 8
Chance = tuple[float, str, str]
_CALIBRATION = {"slope", "intercept"}
# The gap of a metric, and the metrics whose own limit says that no subgroup may do badly.
_FLOORS = {
    "sensitivity_gap": ("sensitivity",), "specificity_gap": ("specificity",), "auc_gap": ("auc",),
    "underdiagnosis_gap": ("underdiagnosis", "sensitivity"), "mae_gap": ("mae",), "bias_gap": ("bias", "mae"),
    "dice_gap": ("dice",), "volume_bias_gap": ("volume_bias", "relative_volume_error"),
}  # fmt: skip


def warnings_before(
    policy: Policy, cohort: Cohort, card: ModelCard, unattainable: Container[str] = (), *,
    threat_model: ThreatModel | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """Return sentences on what will hardly pass, on what a policy leaves open, and on whom nothing can be said.

    Args:
        policy: The rules.
        cohort: The cases as the manifest gives them.
        card: The model's card.
        unattainable: Ids of rules that cannot pass at all, of which that is said.
        threat_model: Against whom the model must stand, where that is declared.
    """
    levels = Levels(confidence=policy.confidence)
    said = list(_without_blocking(policy))
    for rule in policy.rules:
        said += () if rule.id in unattainable else _unlikely(rule, cohort, card, levels)
    said += one_sided(policy, cohort)
    said += _no_floor(policy)
    if threat_model is None and card.access >= Access.QUERY:
        said += _no_threat(policy)
    said += _one_class(cohort, card)
    return tuple(said)


def _without_blocking(policy: Policy) -> Iterator[str]:
    if policy.rules and not any(r.blocking for r in policy.rules):
        yield NOTHING_BLOCKS


def _unlikely(rule: Rule, cohort: Cohort, card: ModelCard, levels: Levels) -> Iterator[str]:
    """Give a sentence where a model without the fault would hardly pass; the least likely attribute or class counts."""
    found: list[Chance] = []
    for asked in classes_asked(rule, cohort, card):
        found += _chances(rule, cohort, asked, levels)
    if not found:
        return
    chance, what, needed = min(found)
    if chance < UNLIKELY:
        share = "hardly one" if chance < 0.01 else f"about {round(100 * chance)}"
        passes = f"{what} would PASS in {share} of 100 such cohorts{needed}"
        yield f"Rule '{rule.id}' will hardly PASS with this cohort: {passes}."


def _chances(rule: Rule, cohort: Cohort, asked: ClassAsked, levels: Levels) -> Iterator[Chance]:
    if rule.metric in _CALIBRATION and rule.probe == "CAL001":
        yield _calibration(rule, cohort, asked, levels)
    if rule.metric not in ("sensitivity_gap", "specificity_gap", "auc_gap"):
        return
    for attribute in attributes_asked(rule, cohort):
        present = levels_of(attribute)
        judged = [i for i, v in enumerate(present) if str(rule.where.get("subgroup", v.name)) == v.name]
        if len(present) < 2 or not judged:
            continue
        compared = _Compared(name=attribute.name, members=[v.members for v in present], judged=judged)
        of = _areas if rule.metric in AREAS else _rates
        yield of(rule, cohort, asked, compared, levels)


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """The levels of one attribute, and which of them a rule judges against the rest."""

    name: str
    members: list[Mask]
    judged: list[int]


def _calibration(rule: Rule, cohort: Cohort, asked: ClassAsked, levels: Levels) -> Chance:
    from audit.stats import chance_of_calibrated

    n = count(cohort, asked.positive), count(cohort, ~asked.positive)
    chance = chance_of_calibrated(rule.metric, (rule.limit.min, rule.limit.max), *n, levels, area=_AREA)
    return chance, f"with {n[0]:,} patients with positives a perfectly calibrated model of AUC {_AREA:g}", ""


def _rates(rule: Rule, cohort: Cohort, asked: ClassAsked, compared: _Compared, levels: Levels) -> Chance:
    from audit.stats import chance_of_equal_rates, patients_for_gap

    inside = asked.positive if rule.metric in POSITIVES else ~asked.positive
    sizes = [count(cohort, inside & m) for m in compared.members]
    chance = chance_of_equal_rates(sizes, _RATE, (rule.limit.min, rule.limit.max), levels, judged=compared.judged)
    word = "positives" if rule.metric in POSITIVES else "negatives"
    least = min(sizes[i] for i in compared.judged)
    text = (
        f"with {least:,} patients with {word} in the smallest level of {compared.name}, "
        f"a model that is right in {_RATE:.0%} everywhere"
    )
    margin = min((abs(x) for x in (rule.limit.min, rule.limit.max) if x), default=0.0)
    share = least / max(sum(sizes), 1)
    if chance < UNLIKELY and 0 < margin < 1 and 0 < share < 1:
        needed = patients_for_gap(margin, _RATE, share, levels.confidence, _POWER)
        if needed is not None:
            return chance, text, f"; about {needed:,} patients with {word} in all are needed for {100 * _POWER:.0f}"
    return chance, text, ""


def _areas(rule: Rule, cohort: Cohort, asked: ClassAsked, compared: _Compared, levels: Levels) -> Chance:
    from audit.stats import chance_of_equal_aucs

    sizes = [(count(cohort, asked.positive & m), count(cohort, ~asked.positive & m)) for m in compared.members]
    chance = chance_of_equal_aucs(sizes, _AREA, (rule.limit.min, rule.limit.max), levels, judged=compared.judged)
    least = min(min(sizes[i]) for i in compared.judged)
    return (
        chance,
        (
            f"with {least:,} patients of the rarer class in the smallest level of {compared.name}, "
            f"a model of AUC {_AREA:g} everywhere"
        ),
        "",
    )


def _no_floor(policy: Policy) -> Iterator[str]:
    """Give a sentence for each attribute whose gaps may block while no rule says how badly a level may do."""
    open_gaps: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        floors = _FLOORS.get(rule.metric)
        if floors is None or not rule.blocking or family_of(rule) != "FAIR":
            continue
        if not any(_is_floor(r, rule, floors) for r in policy.rules):
            open_gaps.setdefault(str(rule.where.get("attribute", "")), []).append(rule)
    # Attributes of which the same is open share a sentence.
    alike: dict[tuple[str, bool], list[str]] = {}
    for name, rules in open_gaps.items():
        wanted = _listed(list(dict.fromkeys(_FLOORS[r.metric][0] for r in rules)))
        whole = all(any(r.blocking and r.metric in _FLOORS[g.metric] for r in policy.rules) for g in rules)
        alike.setdefault((wanted, whole), []).append(name)
    for (wanted, whole), names in alike.items():
        of = f" by {_listed(names)}" if all(names) else ""
        said = f"Gaps in {wanted}{of} may block, but no blocking rule bounds {wanted} of each level"
        if whole:
            yield f"{said}, only of all cases together: a level may lie below that by as much as its gap may be."
        else:
            yield f"{said}: a model that is equally bad for all would pass."


def _no_threat(policy: Policy) -> Iterator[str]:
    """Give a sentence where a rule on an attack may block and nobody said who would attack."""
    rules = [f"'{r.id}'" for r in policy.rules if r.blocking and family_of(r) == "ADV"]
    if rules:
        yield (
            f"{'Rules' if len(rules) > 1 else 'Rule'} {_listed(rules)} may block on an attack, but no threat model is "
            "declared, so what it measures is stress, not security: add [audit.threat_model] with who, pixels and "
            "where."
        )


def _is_floor(rule: Rule, gap: Rule, floors: tuple[str, ...]) -> bool:
    """Tell whether a rule is about each level's own value; PERF001 gives that of the whole cohort alone."""
    mine = rule.where.get("attribute", gap.where.get("attribute"))
    own = "subgroup" not in rule.where and not rule.probe.startswith("PERF")
    return rule.blocking and rule.metric in floors and own and mine == gap.where.get("attribute", mine)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _one_class(cohort: Cohort, card: ModelCard) -> Iterator[str]:
    """Give a sentence for each level of which one class has no case; nothing that needs it can be said of it."""
    if card.task != "binary":
        return
    positive = np.asarray(cohort.targets) == 1
    said = []
    for attribute in cohort.by_role("protected", "protocol", "confounder"):
        for level in levels_of(attribute):
            for inside, word, lost in ((positive, "positive", "sensitivity"), (~positive, "negative", "specificity")):
                if not (level.members & inside).any():
                    none = f"{level}: none of its {int(level.members.sum())} cases is {word}"
                    said.append(f"{none}, so its {lost} and its AUC are not assessed.")
    yield from said[:_MOST]
    if len(said) > _MOST:
        yield f"{len(said) - _MOST} more levels have cases of one class only and are not assessed either."
