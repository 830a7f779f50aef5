"""What this cohort can never show, said before the run and not after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.core import Cohort, Levels, ModelCard, Policy, Rule

_POSITIVES = ("sensitivity", "sensitivity_gap", "robust_sensitivity")
_SHOWN = 8
_NEGATIVES = ("specificity", "specificity_gap", "robust_specificity")


def unattainable(policy: Policy, cohort: Cohort, card: ModelCard) -> tuple[str, ...]:
    """Return one sentence for each rule that cannot PASS with this cohort even if the model made no error.

    Args:
        policy: The rules.
        cohort: The cases as the manifest gives them.
        card: The model's card.

    Returns:
        Sentences, empty where every rule that this can foresee is within reach. Foreseen are attributes and levels that
        the cohort does not have and, for a binary task, rates and their gaps.
    """
    levels = Levels(confidence=policy.confidence)
    said: list[str] = []
    for rule in policy.rules:
        absent = _absent(rule, cohort)
        said += absent or (_sentences(rule, cohort, levels) if card.task == "binary" else [])
    return tuple(said)


def _absent(rule: Rule, cohort: Cohort) -> list[str]:
    """Return that a rule can match nothing; names in brackets, such as "(joint)", are a probe's own."""
    name = str(rule.where.get("attribute", "("))
    if name.startswith("("):
        return []
    attribute = cohort.attributes.get(name)
    if attribute is None:
        there = ", ".join(cohort.attributes) or "none"
        return [_tell(rule, f"it has no attribute '{name}' (there is: {there})")]
    level = str(rule.where.get("subgroup", ""))
    if level and level not in attribute.level_names():
        there = ", ".join(attribute.level_names()[:_SHOWN])
        return [_tell(rule, f"its attribute {name} has no level '{level}' (there is: {there})")]
    return []


def _sentences(rule: Rule, cohort: Cohort, levels: Levels) -> list[str]:
    from audit.stats import best_proportion_low

    positives = np.asarray(cohort.targets) == 1
    if rule.metric in _POSITIVES:
        chosen, word = positives, "positives"
    elif rule.metric in _NEGATIVES:
        chosen, word = ~positives, "negatives"
    else:
        return []
    if rule.metric.endswith("_gap"):
        return _gap(rule, cohort, chosen, word, levels)
    n = int(np.unique(cohort.patients[chosen]).size)
    best = best_proportion_low(n, levels)
    if rule.limit.min is not None and (best < rule.limit.min or n < rule.min_patients):
        why = f"{_patients(n)} with {word}: the lower bound cannot exceed {best:.2f}, the rule asks for {_asked(rule)}"
        return [_tell(rule, why)]
    return []


def _gap(rule: Rule, cohort: Cohort, chosen: np.ndarray, word: str, levels: Levels) -> list[str]:
    from audit.stats import best_proportion_low

    names: Sequence[str] = [str(rule.where["attribute"])] if "attribute" in rule.where else list(cohort.attributes)
    for name in names:
        attribute = cohort.attributes.get(name)
        if attribute is None or rule.limit.min is None:
            continue
        for level in attribute.level_names():
            if rule.where.get("subgroup", level) != level:
                continue
            inside = chosen & (attribute.levels == level)
            n = int(np.unique(cohort.patients[inside]).size)
            # With no error anywhere the gap is 0 and its lower bound is what the subgroup's own bound leaves.
            best = best_proportion_low(n, levels) - 1
            if best < rule.limit.min or n < rule.min_patients:
                why = (
                    f"{_patients(n)} with {word} in {name} {level}: even without an error the gap's lower bound is "
                    f"{best:.2f} or less, the rule asks for {_asked(rule)}"
                )
                return [_tell(rule, why)]
    return []


def _patients(n: int) -> str:
    return f"{n} patient" + ("" if n == 1 else "s")


def _asked(rule: Rule) -> str:
    """Return what a rule asks for, in words."""
    patients = f" and {_patients(rule.min_patients)}" if rule.min_patients else ""
    return f"{rule.limit}{patients}"


def _tell(rule: Rule, why: str) -> str:
    return f"Rule '{rule.id}' cannot PASS with this cohort: {why}."
