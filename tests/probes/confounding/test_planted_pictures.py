"""Readers of resolution, of a thumbnail and of the border FAIL by the rule that names them; a healthy model PASSes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from audit.core import Cohort
from audit.edits import MARKERS, TELLTALES
from audit.probes.confounding import EvidenceRemoved, MarkerInserted
from audit.testing import FunctionModel
from tests.probes.confounding import pictures as p

FLIPS, FOLLOWS = 0.1, 0.3
"""Limits of the share of decisions that change, and of the rank correlation with what a small view tells."""
Found = Mapping[tuple[str, Any], Any]


@pytest.fixture(scope="module")
def departments() -> Cohort:
    """Most controls and few cases were made on a coarser grid."""
    return p.softened(p.cohort_of(n=60, counts=((0, 0), (1, 1))))


@pytest.fixture(scope="module", params=[False, True], ids=["thumbnail", "border"])
def slope(request: pytest.FixtureRequest) -> tuple[bool, Cohort]:
    """Cases are brighter on the right: in all but the frame, or in the frame alone."""
    return request.param, p.tilted(p.cohort_of(n=120, counts=((0, 0), (1, 1))), frame=request.param)


def flips(model: FunctionModel, cohort: Cohort, kinds: tuple[str, ...], metric: str = "flip_rate") -> dict[str, str]:
    """Return what the judge says of a rule on each kind of edit."""
    found = p.measure(MarkerInserted, p.made(model, cohort))
    return {k: p.status(MarkerInserted, found.values(), metric, max=FLIPS, parameter=k) for k in kinds}


def follows(found: Found, view: str) -> str:
    """Return what the judge says of a rule on how closely the score follows a thumbnail or the border."""
    return p.status(EvidenceRemoved, found.values(), f"{view}_correlation", max=FOLLOWS)


def test_a_resolution_reader_fails_by_the_way_files_were_made(departments: Cohort) -> None:
    """A coarser grid and a JPEG, which both smooth, turn its decisions; no marker does."""
    said = flips(p.resolution_reader(), departments, (*TELLTALES, *MARKERS))
    assert said == {**dict.fromkeys(TELLTALES, "FAIL"), **dict.fromkeys(MARKERS, "PASS")}


def test_noise_of_the_same_energy_does_not_turn_a_resolution_reader(departments: Cohort) -> None:
    """What the edits change beyond their sham FAILs as well: it is the sharpness, not the amount of change."""
    said = flips(p.resolution_reader(), departments, TELLTALES, "flip_rate_excess")
    assert said == dict.fromkeys(TELLTALES, "FAIL")


def test_a_model_that_finds_the_lesion_passes_at_either_department(departments: Cohort) -> None:
    """On the same images neither the grid nor the format turns its decisions beyond the limit."""
    assert flips(p.spot_finder(), departments, TELLTALES) == dict.fromkeys(TELLTALES, "PASS")


def test_a_reader_of_a_small_view_fails_by_its_name(slope: tuple[bool, Cohort]) -> None:
    """It follows what is to be known from its view; no reader of the inside alone is blamed for the border."""
    frame, cohort = slope
    reader = p.border_reader() if frame else p.thumbnail_reader()
    found = p.measure(EvidenceRemoved, p.made(reader, cohort))
    assert found["border_auc" if frame else "thumbnail_auc", None].low > 0.6
    assert follows(found, "border" if frame else "thumbnail") == "FAIL"
    if not frame:
        assert follows(found, "border") != "FAIL"
    # Haze in controls shows where it is filled, and then what is left without evidence is open, not good.
    assert p.status(EvidenceRemoved, found.values(), "auc_without_evidence", max=0.7) in {"FAIL", "INCONCLUSIVE"}


def test_a_model_that_finds_the_lesion_follows_no_small_view(slope: tuple[bool, Cohort]) -> None:
    """On the same images, whose slope tells cases from controls, it PASSes the rule that its readers FAIL."""
    frame, cohort = slope
    found = p.measure(EvidenceRemoved, p.made(p.spot_finder(), cohort))
    assert found["auc_as_it_is", None].value > 0.97
    assert follows(found, "border" if frame else "thumbnail") == "PASS"
