"""The ledger and views of a cohort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.core import MISSING_LEVEL, Attribute, AttributeSpec, Cohort, Ledger


class Numbers:
    """Images that hold their own index."""

    def __len__(self) -> int:
        return 6

    def load(self, index: int) -> np.ndarray:
        """Return the image."""
        return np.full((1, 2, 2), index)


def cohort() -> Cohort:
    """Return six cases of four patients."""
    sex = Attribute(
        spec=AttributeSpec(name="sex", role="protected", also=("confounder",)),
        levels=np.array(["f", "m", MISSING_LEVEL, "f", "m", "m"]),
    )
    age = Attribute(
        spec=AttributeSpec(name="age", role="covariate", bins=(0, 40, 100)),
        levels=np.array(["[40, 100]", "[0, 40)", "[0, 40)", "[40, 100]", MISSING_LEVEL, "[0, 40)"]),
        numbers=np.array([50, 10, 20, 60, np.nan, 30.0]),
    )
    return Cohort(
        name="six", case_ids=np.array(list("abcdef")), patients=np.array([0, 0, 1, 2, 3, 3]),
        patient_ids=np.array(list("PQRS")), patient_declared=True, targets=np.arange(6) % 2,
        attributes={"sex": sex, "age": age}, images=Numbers(), reference_levels=np.array(list("xyxyxy")),
        ledger=Ledger(read=8, used=6, set_aside={"no target": 2}),
    )  # fmt: skip


def test_a_ledger_that_does_not_add_up_is_refused():
    """Read = used + set aside, always."""
    with pytest.raises(ValueError, match=r"10 = 7 [+] 2"):
        Ledger(read=10, used=7, set_aside={"no target": 2})


@given(st.lists(st.sampled_from(["no target", "unreadable", "NaN"]), max_size=20))
def test_setting_cases_aside_keeps_the_sum(reasons: list[str]):
    """Every case set aside leaves the used ones and enters its reason; rows read stay."""
    after = Ledger(read=25, used=22, set_aside={"no target": 3}).without(reasons)
    assert (after.read, after.used) == (25, 22 - len(reasons))
    assert after.set_aside["no target"] == 3 + reasons.count("no target")
    assert sum(after.set_aside.values()) == 3 + len(reasons)


def test_setting_aside_leaves_the_old_ledger():
    """A ledger is a value: the one before does not change."""
    before = Ledger(read=3, used=3)
    before.without(["NaN"])
    assert (before.used, dict(before.set_aside)) == (3, {})


@pytest.mark.parametrize("index", [np.array([4, 1]), np.array([False, True, False, False, True, False])])
def test_a_subset_keeps_the_rows_together(index: np.ndarray):
    """Ids, patients, targets, attributes, images and reference of a case stay together, in the order asked for."""
    rows = np.flatnonzero(index) if index.dtype == bool else index
    found = cohort().subset(index)
    assert [str(i) for i in found.case_ids] == ["abcdef"[r] for r in rows]
    assert found.patients.tolist() == [[0, 0, 1, 2, 3, 3][r] for r in rows]
    assert found.targets.tolist() == [r % 2 for r in rows]
    assert [found.images.load(i)[0, 0, 0] for i in range(2)] == rows.tolist()
    assert found.attributes["sex"].levels.tolist() == ["m", "m"]
    np.testing.assert_array_equal(found.attributes["age"].numbers, [[50, 10, 20, 60, np.nan, 30][r] for r in rows])
    assert found.reference_levels.tolist() == [list("xyxyxy")[r] for r in rows]
    assert (found.ledger.read, found.ledger.used, len(found)) == (2, 2, 2)


def test_a_subset_of_a_subset_reads_the_right_image():
    """Views on views lead to the original image."""
    found = cohort().subset(np.array([5, 3, 1])).subset(np.array([2, 0]))
    assert [found.images.load(i)[0, 0, 0] for i in range(2)] == [1, 5]
    assert len(found.images) == 2


def test_a_subset_can_carry_its_ledger():
    """Cases set aside later stay in the ledger."""
    whole = cohort()
    found = whole.subset(np.arange(5), whole.ledger.without(["unreadable"]))
    assert found.ledger.set_aside == {"no target": 2, "unreadable": 1}


def test_patients_are_counted_among_the_cases():
    """The number of patients is that of the cases at hand, not of the codes."""
    assert cohort().n_patients == 4
    assert cohort().subset(np.array([0, 1, 4])).n_patients == 2


def test_levels_are_in_order_and_the_missing_one_last():
    """Bins sort as numbers, names as text, and missing values are a level of their own."""
    assert cohort().attributes["sex"].level_names() == ("f", "m", MISSING_LEVEL)
    assert cohort().attributes["age"].level_names() == ("[0, 40)", "[40, 100]", MISSING_LEVEL)


def test_an_attribute_is_found_by_each_of_its_roles():
    """An attribute with two roles is found by either, in declared order."""
    assert [a.name for a in cohort().by_role("confounder")] == ["sex"]
    assert [a.name for a in cohort().by_role("covariate", "protected")] == ["sex", "age"]
    assert cohort().by_role("rater") == ()


def test_a_level_that_was_set_aside_whole_is_remembered():
    """A level of which every case is set aside stays named; a mere view forgets it."""
    left = cohort().subset(np.array([1, 4, 5]), ledger=Ledger(read=8, used=3, set_aside={"NaN": 5}))
    assert (left.attributes["sex"].lost, left.attributes["sex"].level_names()) == (("f",), ("f", "m"))
    assert left.attributes["age"].lost == ()
    assert cohort().subset(np.array([1, 4, 5])).attributes["sex"].level_names() == ("m",)
