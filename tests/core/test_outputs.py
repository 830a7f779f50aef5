"""From raw outputs to scores and to binary questions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from audit.core import Access, ModelCard, Predictions, class_views, scores, sigmoid, softmax


def card(**changes) -> ModelCard:
    """Return the card of a binary model, with changes."""
    made = {"name": "m", "kind": "callable", "task": "binary", "output": "logits", "access": Access.QUERY, "digest": ""}
    return ModelCard(**{**made, **changes})


def test_sigmoid_and_softmax_agree_with_scipy():
    """Both agree with scipy to 1e-12, and neither overflows at 1000."""
    x = np.array([-1000.0, -3, 0, 2, 1000])
    np.testing.assert_allclose(sigmoid(x), expit(x), atol=1e-12)
    table = np.array([[1000.0, 0, -1000], [1, 2, 3]])
    np.testing.assert_allclose(softmax(table), reference_softmax(table, axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "raw", "expected"),
    [
        ({}, [[0.0]], [0.5]),
        ({"output": "probabilities"}, [[0.3]], [0.3]),
        ({"output": "probabilities"}, [[0.7, 0.3]], [0.3]),
        ({}, [[0.0, np.log(3)]], [0.75]),
        ({"task": "multiclass"}, [[0.0, 0.0]], [[0.5, 0.5]]),
        ({"task": "ordinal", "output": "probabilities"}, [[0.2, 0.8]], [[0.2, 0.8]]),
        ({"task": "multilabel"}, [[0.0, np.log(3)]], [[0.5, 0.75]]),
        ({"task": "multilabel", "output": "probabilities"}, [[0.9, 0.8]], [[0.9, 0.8]]),
        ({"task": "regression", "output": "value"}, [[4.5]], [4.5]),
        ({"task": "segmentation", "output": "mask_logits"}, [[0.9, 12.0]], [[0.9, 12.0]]),
    ],
)
def test_every_output_kind_becomes_a_score(changes, raw, expected):
    """Logits and probabilities, one output or several, end on the scale that metrics use."""
    np.testing.assert_allclose(scores(np.array(raw), card(**changes)), expected, atol=1e-12)


def test_a_case_at_the_operating_point_is_positive():
    """At or above the threshold is positive; without a threshold there are no decisions."""
    (view,) = class_views(np.array([0.3, 0.31, 0.5]), np.array([0, 1, 1]), card(operating_point=0.31))
    assert view.decisions.tolist() == [False, True, True]
    assert view.labels.tolist() == [False, True, True]
    assert view.condition == {}
    (view,) = class_views(np.array([0.3]), np.array([0]), card())
    assert view.decisions is None


def test_each_class_is_one_question():
    """Of several classes the largest score decides, and each class is named in the condition."""
    score = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    views = class_views(score, np.array([0, 1]), card(task="multiclass", classes=("a", "b")))
    assert [v.condition for v in views] == [{"class": "a"}, {"class": "b"}, {"class": "class 2"}]
    assert [v.decisions.tolist() for v in views] == [[True, False], [False, False], [False, True]]
    assert [v.labels.tolist() for v in views] == [[True, False], [False, True], [False, False]]


def test_findings_have_thresholds_of_their_own():
    """A multilabel task has a threshold a finding; one that has none has no decisions."""
    model = card(task="multilabel", classes=("edema", "mass"), operating_point={"mass": 0.4})
    edema, mass = class_views(np.array([[0.9, 0.4]]), np.array([[1, 0]]), model)
    assert edema.decisions is None
    assert mass.decisions.tolist() == [True]
    assert (edema.labels.tolist(), mass.labels.tolist()) == ([True], [False])


def test_other_tasks_ask_no_binary_question():
    """Regression and segmentation have no class views."""
    assert class_views(np.array([1.0]), np.array([1.0]), card(task="regression", output="value")) == ()


def test_predictions_name_their_columns():
    """Columns of a segmentation are found by name, and scores are made once."""
    made = Predictions(
        raw=np.array([[0.9, 12.0]]), card=card(task="segmentation", output="mask_logits"), targets=np.zeros(1),
        columns=("dice", "hd95"),
    )  # fmt: skip
    assert made.column("hd95").tolist() == [12.0]
    assert made.scores is made.scores
    assert made.views == ()
