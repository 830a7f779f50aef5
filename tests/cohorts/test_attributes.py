"""Levels of attributes."""

import numpy as np
import pytest

from audit.cohorts._attributes import bin_labels, binned, read_attribute
from audit.core import MISSING_LEVEL, AttributeSpec, Role
from audit.errors import ManifestError


def text(*values: object) -> np.ndarray:
    """Cells."""
    return np.array([str(v) for v in values], dtype=np.str_)


def test_bins_are_half_open_and_the_last_is_closed() -> None:
    """An edge belongs to the bin above it, the last edge to the last bin, and nothing else is clipped into a bin."""
    assert bin_labels((0, 40, 60, 120)) == ("[0, 40)", "[40, 60)", "[60, 120]")
    levels = binned(np.array([0, 39.9, 40, 60, 120, 120.1, -1, np.nan]), (0, 40, 60, 120))
    assert levels.tolist() == ["[0, 40)", "[0, 40)", "[40, 60)", "[60, 120]", "[60, 120]", *[MISSING_LEVEL] * 3]


def test_bins_sort_as_numbers() -> None:
    """Levels of a binned attribute come in the order of their edges, the missing level last."""
    spec = AttributeSpec(name="age", role="protected", bins=(0, 5, 40, 100))
    attribute, _ = read_attribute(spec, text(50, 3, "", 12))
    assert attribute.level_names() == ("[0, 5)", "[5, 40)", "[40, 100]", MISSING_LEVEL)
    assert attribute.numbers is not None
    assert np.isnan(attribute.numbers[2])


def test_values_outside_the_bins_are_said() -> None:
    """A number beyond all bins, or no number at all, counts as missing and the report is told how many."""
    spec = AttributeSpec(name="age", role="protected", bins=(0, 50, 90))
    attribute, remarks = read_attribute(spec, text(95, "old", "", 20))
    assert attribute.levels.tolist() == [MISSING_LEVEL] * 3 + ["[0, 50)"]
    assert remarks == ("age: 2 cases have a value that is no number within 0 to 90 and count as (missing).",)


@pytest.mark.parametrize("role", ["protected", "confounder", "protocol"])
def test_a_number_without_bins_is_a_fault(role: Role) -> None:
    """More than twelve numeric values need bins that the user chooses."""
    spec = AttributeSpec(name="age", role=role)
    with pytest.raises(ManifestError, match="a number without bins"):
        read_attribute(spec, text(*range(13)))
    assert read_attribute(spec, text(*range(12)))[0].levels.tolist() == [str(i) for i in range(12)]


@pytest.mark.parametrize("role", ["covariate", "severity"])
def test_covariates_stay_numbers(role: Role) -> None:
    """A covariate or severity is used as the number that it is."""
    attribute, _ = read_attribute(AttributeSpec(name="dose", role=role), text(*(i / 7 for i in range(40))))
    assert attribute.numbers is not None
    assert attribute.numbers[14] == 2


def test_a_further_role_keeps_its_demands() -> None:
    """A covariate that is a protected attribute, too, needs bins."""
    with pytest.raises(ManifestError, match="without bins"):
        read_attribute(AttributeSpec(name="age", role="covariate", also=("protected",)), text(*range(40)))


def test_an_id_is_no_attribute() -> None:
    """A column in which nearly every case has its own word looks like an id and is refused."""
    with pytest.raises(ManifestError, match="nearly every case") as caught:
        read_attribute(AttributeSpec(name="mrn", role="protected"), text(*(f"MRN-{i}" for i in range(30))))
    assert "MRN-" not in str(caught.value)


def test_levels_that_differ_in_case_are_said() -> None:
    """'F' and 'f' stay two levels, and a sentence says so."""
    _, remarks = read_attribute(AttributeSpec(name="sex", role="protected"), text("F", "f", "M"))
    assert "'F' and 'f'" in remarks[0]


@pytest.mark.parametrize("bins", [(1.0,), (3.0, 2.0), (1.0, 1.0)])
def test_bins_must_rise(bins: tuple[float, ...]) -> None:
    """Fewer than two edges, or edges that do not rise, are a fault."""
    with pytest.raises(ManifestError, match="rising edges"):
        read_attribute(AttributeSpec(name="age", role="protected", bins=bins), text(1, 2))
