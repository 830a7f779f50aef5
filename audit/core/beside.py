"""What stands beside the cases that are audited: comparators, cases set aside, other splits, unverified cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core.attributes import Attribute
from audit.core.declared import Comparator
from audit.core.images import ImageSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core.cohort import Cohort

UNGRADABLE = "ungradable"
NOT_VERIFIED = "reference standard not obtained"
NO_TARGET = "no target"


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparatorValues:
    """What a comparator said of every case.

    Args:
        spec: The declaration.
        values: (n,) float, NaN where it said nothing; in [0, 1] for probabilities, the class index for decisions.
    """

    spec: Comparator
    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aside:
    """Cases that were set aside, at any stage: on reading, and when the model was asked.

    Args:
        case_ids: (n_aside,) str; never printed.
        patients: (n_aside,) int, codes into the same `Cohort.patient_ids` as `Cohort.patients`. A row without a patient
            id is a patient of its own.
        targets: (n_aside, ...) as `Cohort.targets`; -1 or NaN where unknown.
        known: (n_aside,) bool, whether the target is known.
        attributes: By name, as in the cohort.
        reasons: (n_aside,) str, why each was set aside.
        ungradable: (n_aside,) bool, where the model declined; None where that is not declared.
    """

    case_ids: NDArray[np.str_]
    patients: NDArray[np.int64]
    targets: NDArray[Any]
    known: NDArray[np.bool_]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    reasons: NDArray[np.str_]
    ungradable: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.case_ids)

    def and_also(self, later: Aside) -> Aside:
        """Return these cases and those that were set aside later; both are of one cohort."""
        flags = (self.ungradable, later.ungradable)
        return Aside(
            case_ids=_joined(self.case_ids, later.case_ids),
            patients=_joined(self.patients, later.patients),
            targets=_joined(self.targets, later.targets),
            known=_joined(self.known, later.known),
            attributes={k: _attribute(a, later.attributes[k]) for k, a in self.attributes.items()},
            reasons=_joined(self.reasons, later.reasons),
            ungradable=None if flags[0] is None or flags[1] is None else _joined(flags[0], flags[1]),
        )


def _joined(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([first, second])


def _attribute(first: Attribute, second: Attribute) -> Attribute:
    numbers = None
    if first.numbers is not None and second.numbers is not None:
        numbers = _joined(first.numbers, second.numbers)
    return Attribute(spec=first.spec, levels=_joined(first.levels, second.levels), numbers=numbers)


@dataclass(frozen=True, kw_only=True, eq=False)
class OtherSplit:
    """Cases of another split, such as those that the model was trained on.

    Args:
        name: The split's name.
        case_ids: (m,) str; never printed.
        patient_ids: (m,) str as the table gives them, comparable with `Cohort.patient_ids`; "" where unknown.
        patient_declared: False where the table has no column of patients.
        case_declared: False where `case_ids` are row numbers, which say nothing of identity.
        dates: (m,) str as the table gives them, or None.
        images: Lazy images, or None.
        references: (m,) str, image cells, or None.
        foreign: True for images that the model is not meant for.
    """

    name: str
    case_ids: NDArray[np.str_]
    patient_ids: NDArray[np.str_]
    patient_declared: bool = True
    case_declared: bool = True
    dates: NDArray[np.str_] | None = None
    images: ImageSource | None = None
    references: NDArray[np.str_] | None = None
    foreign: bool = False

    def __len__(self) -> int:
        return len(self.case_ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class Unverified:
    """Cases that have no reference standard because nobody obtained it.

    Args:
        cohort: The cases; their targets are unknown and stand as zeros. Its patient codes are those of the audited
            cohort, so that both are resampled by patient together.
        unanswered: Number of unverified cases that are left out because the model did not answer them.
    """

    cohort: Cohort
    unanswered: int = 0

    def __len__(self) -> int:
        return len(self.cohort)
