"""Estimators of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from audit.core import Access, InputSpec, ModelSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models import load_model
from tests.models.test_torch import Bomb

pytest.importorskip("skops")
RNG = np.random.default_rng(5)
IMAGES = RNG.uniform(0, 255, (60, 1, 4, 4)).astype(np.float32)
LABELS = (IMAGES.mean(axis=(1, 2, 3)) > 127).astype(int)
INPUT = InputSpec(range=(0, 255), size=(4, 4), mean=(0.5,), std=(0.25,))
TABLE = ((IMAGES / np.float32(255) - np.float32(0.5)) / np.float32(0.25)).reshape(60, -1)


def spec(task="binary", output="probabilities", classes=("no", "yes")):
    """Return the declaration of the file that `write` makes."""
    return ModelSpec(kind="sklearn", task=task, output=output, classes=classes, input=INPUT, path="model.skops")


def write(estimator, folder):
    """Write an estimator the safe way."""
    from skops import io

    io.dump(estimator, folder / "model.skops")


def estimators():
    """Return an estimator for each kind of output, with its declaration and method."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    three = np.digitize(IMAGES[:, 0, 0, 0], [85, 170])
    two = np.stack([LABELS, IMAGES[:, 0, 0, 0] > 127], axis=1).astype(int)
    forest = RandomForestClassifier(n_estimators=5, random_state=0)
    return {
        "two probabilities": (forest.fit(TABLE, LABELS), spec(), (60, 2)),
        "single logit": (LogisticRegression().fit(TABLE, LABELS), spec(output="logits"), (60, 1)),
        "three probabilities": (
            make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, three),
            spec("multiclass", classes=("a", "b", "c")),
            (60, 3),
        ),
        "multilabel": (
            MultiOutputClassifier(LogisticRegression()).fit(TABLE, two),
            spec("multilabel", classes=("a", "b")),
            (60, 2),
        ),
        "value": (Ridge().fit(TABLE, LABELS), spec("regression", "value", ()), (60, 1)),
    }


@pytest.mark.parametrize("name", ["multilabel", "single logit", "three probabilities", "two probabilities", "value"])
def test_every_output_comes_back(name, tmp_path):
    """Each kind of output answers prepared, flattened images like the estimator itself."""
    estimator, declared, shape = estimators()[name]
    write(estimator, tmp_path)
    model = load_model(declared, tmp_path)
    raw = model.predict(IMAGES)
    assert raw.shape == shape
    assert model.card.access == Access.QUERY
    if name == "multilabel":
        expected = np.stack([p[:, 1] for p in estimator.predict_proba(TABLE)], axis=1)
    else:
        method = {"logits": "decision_function", "value": "predict"}.get(declared.output, "predict_proba")
        expected = getattr(estimator, method)(TABLE).reshape(shape)
    np.testing.assert_allclose(raw, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["three probabilities", "two probabilities"])
def test_the_digest_is_that_of_what_was_learned(name, tmp_path):
    """Loading twice gives one digest, and a changed number another one."""
    estimator, declared, _ = estimators()[name]
    write(estimator, tmp_path)
    one, two = load_model(declared, tmp_path), load_model(declared, tmp_path)
    assert one.card.digest == two.card.digest == one.state_digest()
    one.predict(IMAGES)
    assert one.state_digest() == one.card.digest
    inner = one._estimator[-1].coef_ if name.startswith("three") else one._estimator.estimators_[0].tree_.value
    inner[0] += 0.25
    assert one.state_digest() != one.card.digest


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pickle"])
def test_pickles_are_refused(suffix, tmp_path):
    """A pickle is refused by its name, nothing of it runs, and the message says what it wanted."""
    import dataclasses

    target = tmp_path / "boom"
    (tmp_path / f"model{suffix}").write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(UnsafeModelError, match="system"):
        load_model(dataclasses.replace(spec(), path=f"model{suffix}"), tmp_path)
    assert not target.exists()


def test_a_pickle_called_skops_is_no_skops(tmp_path):
    """The suffix does not open a door to pickle."""
    target = tmp_path / "boom"
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(ModelError, match="no readable skops"):
        load_model(spec(), tmp_path)
    assert not target.exists()


@pytest.mark.parametrize("field, value", [("left_child", 999), ("left_child", 0), ("feature", 16)])
def test_a_tree_that_points_outside_itself_is_refused(field, value, tmp_path):
    """The code of trees follows its indices without a look, so they are checked before."""
    estimator = estimators()["two probabilities"][0]
    tree = estimator.estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    write(estimator, tmp_path)
    with pytest.raises(UnsafeModelError, match="points outside"):
        load_model(spec(), tmp_path)


def test_types_that_are_not_trusted_are_named(tmp_path):
    """An estimator that carries a function of somebody's own is refused with its name."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    write(make_pipeline(FunctionTransformer(stranger), LogisticRegression()).fit(TABLE, LABELS), tmp_path)
    with pytest.raises(UnsafeModelError, match="stranger"):
        load_model(spec(), tmp_path)


def stranger(x):
    """Stand for a function that somebody wrote into an estimator."""
    return x


def test_an_estimator_without_the_method_is_a_message(tmp_path):
    """A ridge regression has no probabilities, and images of another size fit no estimator."""
    from sklearn.linear_model import LogisticRegression, Ridge

    write(Ridge().fit(TABLE, LABELS), tmp_path)
    with pytest.raises(ModelError, match="predict_proba"):
        load_model(spec(), tmp_path)
    write(LogisticRegression().fit(TABLE, LABELS), tmp_path)
    with pytest.raises(ModelError, match="fails on a batch"):
        load_model(spec(), tmp_path).predict(np.zeros((2, 1, 3, 3)))
