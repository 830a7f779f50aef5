"""DATA001 patient-in-two-splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, Measurement, NotApplicable, OtherSplit, ProbeContext
from audit.probes.data import PatientInTwoSplits
from audit.probes.data._identity import are_row_numbers, content_digest, plain_id
from audit.testing import ArrayImages, check_probe, other_split, saved_context, small_cohort

PIXELS = np.random.default_rng(0).normal(size=(12, 1, 4, 4))


def made(*others: OtherSplit, images: bool = False, patients: Any = None, **options: Any) -> ProbeContext:
    """Twelve cases of six patients, 0 to 5."""
    owners = np.arange(12) // 2 if patients is None else patients
    cohort = small_cohort(
        np.arange(12) % 2, patients=owners, others=others, images=ArrayImages(array=PIXELS) if images else None
    )
    return saved_context(np.linspace(0.1, 0.9, 12), cohort, **options)


def found(ctx: ProbeContext, split: str = "train") -> dict[object, Measurement]:
    """The counts of one split by what was looked up."""
    return {m.condition["parameter"]: m for m in PatientInTwoSplits().run(ctx) if m.condition["stratum"] == split}


def test_a_shared_patient_is_found() -> None:
    """Patients 4 and 5 are in the training table, three rows of it: two patients, of six that were looked up."""
    pairs = found(made(other_split([4, 5, 5, 9, 10])))
    assert pairs["patient"].value == 2
    assert pairs["patient"].low == pairs["patient"].high == 2
    assert (pairs["patient"].n, pairs["patient"].n_patients) == (12, 6)
    assert pairs["patient"].unit == "patients"
    assert pairs["case"].value == 0


def test_an_external_cohort_that_shares_a_patient_is_found() -> None:
    """Every split is looked at by its own name, one that is called external among them."""
    ctx = made(other_split([7, 8]), other_split([0, 20, 21], name="external hospital"))
    assert found(ctx)["patient"].value == 0
    assert found(ctx, "external hospital")["patient"].value == 1


def test_distinct_patients_are_silent() -> None:
    """No shared patient, case or image: three counts of 0."""
    theirs = other_split([6, 7, 8], images=ArrayImages(array=PIXELS[:3] + 1))
    pairs = found(made(theirs, images=True))
    assert {k: m.value for k, m in pairs.items()} == {
        "patient": 0, "patient, spelled differently": 0, "case": 0, "image": 0,
    }  # fmt: skip
    assert all(m.method == "count" for m in pairs.values())


def test_an_id_spelled_differently_is_told_apart() -> None:
    """Capitals, zeros and hyphens do not hide a patient, and are not called the same id."""
    theirs = replace(other_split([6]), patient_ids=np.array(["PATIENT 003"]))
    pairs = found(made(theirs))
    assert pairs["patient"].value == 0
    assert pairs["patient, spelled differently"].value == 1


@pytest.mark.parametrize("one, two, same", [
    ("P-007", "p7", True), ("ab 12", "AB12", True), ("12-3", "1-23", False), ("P10", "P1", False), ("0", "000", True),
    ("--", "..", False),
])  # fmt: skip
def test_what_counts_as_another_spelling(one: str, two: str, same: bool) -> None:
    """Numbers stay apart where something stood between them."""
    assert (plain_id(one) == plain_id(two)) is same


def test_a_case_id_and_an_image_are_found() -> None:
    """A case that is listed twice and an image that was copied are counted, whoever they belong to."""
    theirs = other_split(
        [30, 31, 32],
        case_ids=["x", "case-3", "y"],
        images=ArrayImages(array=np.concatenate([PIXELS[5:7], PIXELS[:1] * 2])),
    )
    pairs = found(made(theirs, images=True))
    assert pairs["case"].value == 1
    assert pairs["image"].value == 2
    assert pairs["image"].method == "count"


def test_flat_images_are_not_one_image() -> None:
    """Two black images of two patients are no copy of each other."""
    black = np.zeros((2, 1, 4, 4))
    ctx = made(other_split([30, 31], images=ArrayImages(array=black)), images=True)
    assert (
        found(replace(ctx, cohort=replace(ctx.cohort, images=ArrayImages(array=np.tile(black, (6, 1, 1, 1))))))[
            "image"
        ].value
        == 0
    )


@pytest.mark.parametrize("broken", [None, {1: "damaged"}])
def test_images_that_nobody_looked_at_may_be_shared(broken: dict[int, str] | None) -> None:
    """Where the budget or a damaged file leaves images out, no count proves that none is shared."""
    theirs = other_split([30, 31, 32], images=ArrayImages(array=PIXELS[:3] + 1, broken=broken))
    budget = replace(BUDGETS["smoke"], image_cases=None if broken else 2)
    pair = found(made(theirs, images=True, budget=budget))["image"]
    assert (pair.value, pair.low, pair.high) == (0, 0, 12)
    assert "sample" in pair.method


def test_row_numbers_are_no_ids() -> None:
    """Two tables without case ids both count from one; that is no overlap."""
    theirs = replace(other_split([30, 31]), case_ids=np.array(["1", "2"]), case_declared=False)
    assert "case" not in found(made(theirs))
    assert are_row_numbers(np.array(["2", "3", "10"]))
    assert not are_row_numbers(np.array(["3", "2"]))
    assert not are_row_numbers(np.array(["a1", "a2"]))


def test_without_ids_there_is_no_number() -> None:
    """A cohort or a split without patients leaves the question open, by name; some missing ids leave a bound."""
    undeclared = replace(other_split([0, 1]), patient_ids=np.array(["", ""]), patient_declared=False)
    assert found(made(undeclared))["patient"].missing == "this split has no patient ids"
    ctx = made(other_split([0]))
    alone = replace(ctx, cohort=replace(ctx.cohort, patient_declared=False))
    assert "no patient column" in (found(alone)["patient"].missing or "")
    some = replace(other_split([0, 1, 2]), patient_ids=np.array(["patient-0", "", ""]))
    pair = found(made(some))["patient"]
    assert (pair.value, pair.low, pair.high) == (1, 1, 3)


def test_nothing_to_look_at_is_not_applicable() -> None:
    """One split alone is no proof of separation."""
    with pytest.raises(NotApplicable, match="no other split"):
        list(PatientInTwoSplits().run(made()))
    with pytest.raises(NotApplicable, match="no other split"):
        list(PatientInTwoSplits().run(made(other_split([]))))


def test_equal_values_of_another_type_are_the_same_image() -> None:
    """A copy as 16-bit integers is the same content as one in floating point; another shape is not."""
    image = np.arange(16).reshape(1, 4, 4)
    assert content_digest(image.astype(np.uint16)) == content_digest(image.astype(np.float32))
    assert content_digest(image) != content_digest(image.reshape(1, 2, 8))


def test_what_is_kept_names_nobody() -> None:
    """The table behind the figure holds counts by split, no id."""
    ctx = made(other_split([4, 9]))
    list(PatientInTwoSplits().run(ctx))
    (table,) = ctx.sink.artifacts
    assert table.name == "splits_overlap"
    assert table.arrays["kind"].tolist() == ["patient", "patient, spelled differently", "case"]
    assert table.arrays["shared"].tolist() == [1, 0, 0]


def test_it_keeps_the_protocol() -> None:
    """It is deterministic and leaves its inputs alone, with and without images."""
    theirs = other_split([4, 9], images=ArrayImages(array=PIXELS[:2]))
    contexts = {"saved": lambda: made(other_split([4, 9])), "images": lambda: made(theirs, images=True)}
    assert check_probe(PatientInTwoSplits, contexts) == ("saved", "images")
