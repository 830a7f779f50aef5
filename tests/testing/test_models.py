"""Planted faults are what their names say."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit.core import ImagingModel
from audit.errors import InputError, ModelError, ReadError
from audit.testing import FAULTS, ArrayImages, context, planted, saved_context, small_cohort, tiny_cohort


@pytest.fixture(scope="module")
def cohort():
    """Return 4,000 cases of which sex and scanner tell nothing."""
    return tiny_cohort(np.random.default_rng(0), n=4000)


@pytest.mark.parametrize("fault", ["healthy", *FAULTS])
def test_every_fault_is_a_model(fault, cohort):
    """Each answers with one finite column."""
    model = planted(fault)
    raw = model.predict(np.stack([cohort.images.load(i) for i in range(8)]))
    assert isinstance(model, ImagingModel)
    assert raw.shape == (8, 1)
    assert np.isfinite(raw).all()


def test_healthy_model_is_as_good_as_the_lesions_allow(cohort):
    """AUC is that of a shift of 1.3 standard deviations, 0.821, in women and men alike."""
    scores = context(planted(), cohort).clean.scores
    for level in ("female", "male"):
        rows = cohort.attributes["sex"].levels == level
        assert roc_auc_score(cohort.targets[rows], scores[rows]) == pytest.approx(0.821, abs=0.03)


def test_healthy_model_is_calibrated(cohort):
    """In every third of the scores the mean score is the share of positives, within 0.03."""
    scores = context(planted(), cohort).clean.scores
    third = np.searchsorted(np.quantile(scores, [1 / 3, 2 / 3]), scores)
    for index in range(3):
        rows = third == index
        assert scores[rows].mean() == pytest.approx(cohort.targets[rows].mean(), abs=0.03)


def test_weights_drift_only_where_planted():
    """The digest changes by being asked only in the model whose weights drift."""
    images = np.zeros((2, 1, 8, 8))
    for fault, moves in (("healthy", False), ("weights-drift", True)):
        model = planted(fault)
        before = model.state_digest()
        model.predict(images)
        assert (model.state_digest() != before) is moves


def test_dropout_answers_twice_differently():
    """The model that is left in training mode does not repeat itself."""
    images = np.zeros((4, 1, 8, 8))
    model = planted("dropout-left-on")
    assert not np.array_equal(model.predict(images), model.predict(images))


def test_unknown_fault_lists_those_that_are():
    """A name that is not planted is a user's mistake with the choices in the message."""
    with pytest.raises(InputError, match="leans-on-sex"):
        planted("invisible")


def test_saved_predictions_answer_for_no_image():
    """A saved model refuses to predict."""
    ctx = saved_context(np.array([0.1, 0.9]), small_cohort(np.array([0, 1])))
    with pytest.raises(ModelError):
        ctx.model.predict(np.zeros((1, 1, 8, 8)))


def test_a_context_needs_images_or_outputs():
    """Without either there is nothing to audit."""
    with pytest.raises(ValueError, match="got neither"):
        context(planted(), small_cohort(np.array([0, 1])))


def test_broken_images_raise_their_reason():
    """A planted unreadable image gives its reason, without a path."""
    source = ArrayImages(array=np.zeros((2, 1, 8, 8)), broken={1: "truncated file"})
    assert source.load(0).shape == (1, 8, 8)
    with pytest.raises(ReadError, match="truncated file"):
        source.load(1)


def test_cases_of_a_patient_share_label_and_attributes():
    """With three cases a patient the patient is the unit: label, sex and scanner are the same in all three."""
    cohort = tiny_cohort(np.random.default_rng(2), n=90, per_patient=3)
    assert cohort.n_patients == 30
    for values in (cohort.targets, cohort.attributes["sex"].levels, cohort.attributes["scanner"].levels):
        assert all(len(set(values[cohort.patients == p])) == 1 for p in range(30))


def test_testing_needs_no_torch():
    """Importing the kit loads neither torch nor scikit-learn."""
    code = "import sys, audit.testing; print([m for m in ('torch', 'sklearn', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
