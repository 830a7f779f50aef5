"""What a table of saved predictions offers beside its target and its scores, and the policy that it could hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.cohorts import Table
from audit.config.proposal import _manifest
from audit.config.proposal._manifest import Column
from audit.config.proposal._margins import Cases
from audit.config.proposal._policy_text import saved_policy_text
from audit.core import AttributeSpec, Cohort, Task

_FEW = 12


@dataclass(frozen=True, kw_only=True)
class Offered:
    """Columns that nobody named.

    Args:
        attributes: Those whose name suggests a role and whose values can be levels.
        patient: The one that looks like patients, None where none does.
        case: The one that looks like ids of cases, each of them once, None where none does.
    """

    attributes: tuple[str, ...] = ()
    patient: str | None = None
    case: str | None = None


def offered_columns(table: Table, named: Sequence[str]) -> Offered:
    """Return what the columns that nobody named could be.

    Args:
        table: All cells.
        named: Columns that have a part already.
    """
    rest = [c for c in table.columns if c not in named]
    patient = _manifest._patient(table, rest)
    case = _manifest._case(table, [c for c in rest if c != patient])
    found = (_manifest._attribute(table, c) for c in rest if c not in (patient, case))
    usable = tuple(a.name for a in found if a is not None and _manifest._usable(table, a))
    return Offered(attributes=usable, patient=patient, case=case)


def protected_attribute(table: Table, name: str) -> AttributeSpec:
    """Return a column as a protected attribute; a number of more than twelve values gets bins by a stated rule.

    Ages from 0 to 120 years are cut at 40 and 60; other numbers into thirds of the cases.

    Args:
        table: All cells.
        name: The column.
    """
    filled = [str(c) for c in table[name] if c]
    numbers = _manifest._numbers(filled)
    bins = _manifest._bins(name, numbers) if numbers is not None and len(set(filled)) > _FEW else ()
    return AttributeSpec(name=name, role="protected", bins=bins)


def propose_policy(cohort: Cohort, *, task: Task) -> str:
    """Return policy.toml with the margins that a cohort could show, which are not what is acceptable.

    Args:
        cohort: The cases with their attributes and the names of their classes.
        task: The task; one that is no classification gets the rules that need no margin.
    """
    columns = [
        Column(name=a.name, role=a.role, levels=len(a.level_names()), empty=0) for a in cohort.attributes.values()
    ]
    levels = {a.name: a.levels for a in cohort.attributes.values()}
    wanted = {"": 1} if task == "binary" else {c: i for i, c in enumerate(cohort.classes)}
    by_class = {
        name: Cases(positive=cohort.targets == index, patients=cohort.patients, levels=levels)
        for name, index in (wanted if task in ("binary", "multiclass") else {}).items()
    }
    return saved_policy_text(columns, by_class)
