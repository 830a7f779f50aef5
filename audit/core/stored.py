"""What predictions.parquet holds of an audit: answers, reference standard and levels by pseudonymous case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredRows:
    """Cases of one kind: those that were used, those set aside, or those without a reference standard.

    Args:
        case: (n,) str, pseudonyms.
        patient: (n,) str, pseudonyms.
        codes: (n,) int, patient codes of the run, common to all kinds.
        raw: (n, k) raw outputs, NaN where there is none.
        targets: (n,) or (n, m) as `Cohort.targets`; NaN or -1 where unknown.
        levels: By attribute, (n,) str.
        numbers: By numeric attribute, (n,) float, NaN where empty.
        raters: By column, (n,) float, NaN where empty.
        comparators: By name, (n,) float, NaN where empty.
        ungradable: (n,) bool, None where undeclared.
        reference: (n,) str, how each target was established; None where that is one word for all.
        reason: (n,) str, why a case was set aside; empty for others.
    """

    case: NDArray[np.str_]
    patient: NDArray[np.str_]
    codes: NDArray[np.int64]
    raw: NDArray[np.float64]
    targets: NDArray[Any]
    levels: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    raters: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    comparators: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    ungradable: NDArray[np.bool_] | None = None
    reference: NDArray[np.str_] | None = None
    reason: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.case)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredPredictions:
    """The content of predictions.parquet, typed.

    Args:
        outputs: Names of the columns of raw outputs.
        clean: The cases that were used, in the order of the run.
        aside: Cases that were set aside; None where there are none.
        unverified: Cases without a reference standard that the model answered; None where there are none.
        conditions: Names of further conditions that are stored.
        absent: Columns that the run wrote and that a copy leaves out.
        unknown: Columns of the file that no run writes.
    """

    outputs: tuple[str, ...]
    clean: StoredRows
    aside: StoredRows | None = None
    unverified: StoredRows | None = None
    conditions: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
