"""P99: a column of ids is no attribute, whatever its role."""

from __future__ import annotations

import numpy as np
import pytest

from audit.cohorts import read_attribute
from audit.core import AttributeSpec, Role
from audit.errors import ManifestError

IDS = np.array([f"MRN-{i}" for i in range(30)], dtype=np.str_)


@pytest.mark.parametrize("role", ["protected", "confounder", "protocol", "rater", "covariate", "severity"])
def test_a_column_of_ids_is_refused_in_every_role(role: Role) -> None:
    """Its levels would stand in evidence and report; the message names none of them."""
    with pytest.raises(ManifestError, match="looks like an id") as caught:
        read_attribute(AttributeSpec(name="mrn", role=role), IDS)
    assert "MRN-" not in str(caught.value)


def test_ids_that_each_stand_in_several_cases_are_ids_still() -> None:
    """With four images a patient a column of patient ids has few values a case, but one a patient."""
    with pytest.raises(ManifestError, match="30 distinct values of 30 patients"):
        read_attribute(AttributeSpec(name="mrn", role="protected"), np.repeat(IDS, 4), patients=np.repeat(IDS, 4))


def test_the_id_of_a_repeat_is_kept_and_not_said() -> None:
    """A repeat is named by an id; ids that differ in case only make no sentence."""
    attribute, remarks = read_attribute(
        AttributeSpec(name="visit", role="repeat"), np.array(["v1", "V1", *IDS], dtype=np.str_)
    )
    assert (len(attribute.level_names()), remarks) == (32, ())
