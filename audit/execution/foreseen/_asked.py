"""Which cases, classes and levels a rule is about, as far as policy and cohort tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.core import CLASSIFICATION, Attribute, Cohort, ModelCard, Role, Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

POSITIVES = ("sensitivity", "sensitivity_gap", "robust_sensitivity")
NEGATIVES = ("specificity", "specificity_gap", "robust_specificity")
AREAS = ("auc", "auc_gap", "robust_auc")
# These give a rate or an AUC of every level, never of the whole cohort.
BY_LEVEL = ("FAIR001", "FAIR002")
# Subgroups of these are found or built by the probe, so that their sizes are not known before.
_BUILT = ("FAIR003", "FAIR005", "FAIR006")
_COMPARED: dict[str, tuple[Role, ...]] = {
    "FAIR": ("protected",), "CAL": ("protected",), "SHIFT": ("protocol",), "CONF": ("confounder",),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassAsked:
    """One yes-or-no question of a classification task.

    Args:
        name: The class, empty for a binary task.
        positive: (n,) bool.
    """

    name: str
    positive: Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelAsked:
    """One level of an attribute.

    Args:
        attribute: The attribute's name.
        name: The level.
        members: (n,) bool.
    """

    attribute: str
    name: str
    members: Mask

    def __str__(self) -> str:
        return f"{self.attribute} {self.name}"


def family_of(rule: Rule) -> str:
    """Return the family of a rule's probe."""
    return rule.probe.rstrip("0123456789")


def classes_asked(rule: Rule, cohort: Cohort, card: ModelCard) -> tuple[ClassAsked, ...]:
    """Return the classes that a rule is about; none for a task that is no classification."""
    targets = np.asarray(cohort.targets)
    if card.task not in CLASSIFICATION:
        return ()
    if card.task == "binary":
        return (ClassAsked(name="", positive=targets == 1),)
    names = card.classes or cohort.classes
    columns = targets.T == 1 if targets.ndim == 2 else [targets == i for i in range(len(names))]
    asked = [ClassAsked(name=n, positive=np.asarray(c)) for n, c in zip(names, columns, strict=False)]
    return tuple(c for c in asked if str(rule.where.get("class", c.name)) == c.name)


def attributes_asked(rule: Rule, cohort: Cohort) -> tuple[Attribute, ...]:
    """Return the attributes whose levels a rule is about; none where the probe builds the subgroups itself."""
    if rule.probe in _BUILT:
        return ()
    if "attribute" in rule.where:
        named = cohort.attributes.get(str(rule.where["attribute"]))
        return () if named is None else (named,)
    return cohort.by_role(*_COMPARED.get(family_of(rule), ()))


def levels_of(attribute: Attribute) -> tuple[LevelAsked, ...]:
    """Return the levels of an attribute of which cases are left."""
    named = ((n, attribute.levels == n) for n in attribute.level_names())
    return tuple(LevelAsked(attribute=attribute.name, name=n, members=m) for n, m in named if m.any())


def levels_asked(rule: Rule, cohort: Cohort) -> Iterator[LevelAsked]:
    """Give every level that a rule is about."""
    for attribute in attributes_asked(rule, cohort):
        for level in levels_of(attribute):
            if str(rule.where.get("subgroup", level.name)) == level.name:
                yield level


def count(cohort: Cohort, inside: Mask) -> int:
    """Return the number of patients among some cases."""
    return int(np.unique(cohort.patients[inside]).size)


def patients(n: int) -> str:
    """Return a number of patients in words."""
    return f"{n:,} patient" + ("" if n == 1 else "s")
