"""SETUP004: the model is the one that was trained."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.setup import GoldenBatch
from audit.testing import check_probe
from tests.probes.setup.conftest import faults, with_fault

IMAGES = np.random.default_rng(4).normal(size=(5, 1, 8, 8))


def golden(shift=0.0, outputs=None, images=IMAGES):
    """Return a recorded batch of the healthy model."""
    right = with_fault().model.predict(IMAGES) + shift
    return {"images": images, "outputs": right if outputs is None else outputs}


def test_golden_batch_keeps_the_protocol():
    """It is deterministic and leaves model and images as they were."""
    assert check_probe(GoldenBatch, {"recorded": lambda: with_fault(golden=golden())}) == ("recorded",)


def test_a_batch_that_matches_is_silent():
    """Recorded answers within the tolerance raise no fault, whether outputs have one axis or two."""
    assert faults(GoldenBatch, with_fault(golden=golden(5e-5))) == {"shape": 0, "outputs": 0}
    flat = golden()["outputs"][:, 0]
    assert faults(GoldenBatch, with_fault(golden=golden(outputs=flat))) == {"shape": 0, "outputs": 0}


def test_a_batch_that_does_not_match_is_found():
    """Another answer, another number of outputs and a NaN are faults."""
    assert faults(GoldenBatch, with_fault(golden=golden(0.01))) == {"shape": 0, "outputs": 1}
    assert faults(GoldenBatch, with_fault(golden=golden(outputs=np.zeros((5, 2))))) == {"shape": 1, "outputs": 1}
    hole = golden()["outputs"].copy()
    hole[2] = np.nan
    assert faults(GoldenBatch, with_fault(golden=golden(outputs=hole)))["outputs"] == 1


def test_the_declared_tolerance_counts():
    """The tolerance is the declared one, as an absolute difference."""
    assert faults(GoldenBatch, with_fault(golden=golden(0.01), golden_tolerance=0.02))["outputs"] == 0


def test_an_image_without_channel_axis_gets_it():
    """Planes of one channel may be recorded without their axis."""
    assert faults(GoldenBatch, with_fault(golden=golden(images=IMAGES[:, 0]))) == {"shape": 0, "outputs": 0}


def test_without_a_batch_there_is_no_answer():
    """No golden batch, and an empty one, are not applicable."""
    with pytest.raises(NotApplicable, match="no golden batch"):
        GoldenBatch().run(with_fault())
    empty = {"images": IMAGES[:0], "outputs": np.zeros((0, 1))}
    with pytest.raises(NotApplicable, match="no image"):
        GoldenBatch().run(with_fault(golden=empty))


def test_a_golden_image_belongs_to_no_patient():
    """n counts recorded images; none of them is a patient of the cohort."""
    first = next(iter(GoldenBatch().run(with_fault(golden=golden()))))
    assert (first.n, first.n_patients) == (5, 0)
