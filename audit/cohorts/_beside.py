"""What other columns of a manifest say of the same cases: raters, comparators, and where the model declined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._readings import check_comparator, read_comparator, read_flags, vocabulary
from audit.cohorts._table import Table
from audit.cohorts._targets import Targets
from audit.core import CohortSpec, ComparatorValues, Task
from audit.errors import AuditError, ManifestError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """What was read.

    Args:
        fields: Fields of `Cohort` by name.
        remarks: Sentences for the first screen.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """The columns of a manifest that stand beside its target.

    Args:
        spec: `[cohort]` of audit.toml.
        table: The rows that are audited.
        task: The model's task.
    """

    spec: CohortSpec
    table: Table
    task: Task

    def read(self, targets: Targets | None, faults: list[AuditError]) -> Read:
        """Return raters, comparators and where the model declined; what is wrong is added to the faults.

        Args:
            targets: The targets, None where they could not be read: then no vocabulary is known.
            faults: Is added to.
        """
        raters: dict[str, NDArray[np.float64]] = {}
        comparators: dict[str, ComparatorValues] = {}
        if targets is not None:
            cells = self.table[self.spec.target[0]] if self.spec.positive else None
            words = vocabulary(self.task, targets.classes, self.spec.positive, cells)
            for attribute in self.spec.attributes:
                if words is None or "rater" not in (attribute.role, *attribute.also):
                    continue
                try:
                    raters[attribute.name] = words.read(attribute.name, self.table[attribute.name])
                except ManifestError as error:
                    faults.append(error)
            for spec in self.spec.comparators:
                try:
                    check_comparator(spec, self.task)
                    comparators[spec.name] = read_comparator(spec, self.table[spec.column], words)
                except ManifestError as error:
                    faults.append(error)
        declined, remarks = self._declined(faults)
        return Read(fields={"raters": raters, "comparators": comparators, "ungradable": declined}, remarks=remarks)

    def _declined(self, faults: list[AuditError]) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
        column, yes = self.spec.ungradable, self.spec.ungradable_values
        if column is None:
            return None, ()
        try:
            declined = read_flags(f"cohort.ungradable ({column})", self.table[column], yes)
        except ManifestError as error:
            faults.append(error)
            return None, ()
        # Nobody declined may be true, and may be a value that is written otherwise.
        named = ", ".join(repr(y) for y in yes)
        return declined, () if declined.any() else (f"{column}: no case is ungradable; none has the value {named}.",)
