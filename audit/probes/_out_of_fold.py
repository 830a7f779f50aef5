"""Predictions for every patient by a small model that never saw that patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Learner = Callable[[Floats, NDArray[Any], Floats, NDArray[np.int64], np.random.Generator], Floats]

FOLDS, INNER = 5, 3
LEAST = 20
PENALTIES = (0.01, 0.1, 1.0, 10.0)


def folds_of(patients: NDArray[np.int64], groups: NDArray[Any], folds: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return (n,) folds 0..folds-1: whole patients, each kind of patient spread evenly.

    Args:
        patients: (n,) patient codes.
        groups: (n,) what is to be spread evenly; a patient counts for the group of one of its cases.
        folds: Number of folds.
        rng: Shuffles the patients.
    """
    ids, first, code = np.unique(patients, return_index=True, return_inverse=True)
    shuffled = rng.permutation(len(ids))
    kind = np.unique(np.asarray(groups)[first], return_inverse=True)[1].reshape(-1)
    order = shuffled[np.argsort(kind[shuffled], kind="stable")]
    fold = np.empty(len(ids), dtype=np.int64)
    fold[order] = np.arange(len(ids)) % folds
    out: NDArray[np.int64] = fold[code.reshape(-1)]
    return out


def lacking(labels: NDArray[np.bool_], patients: NDArray[np.int64], what: str = "cases") -> str | None:
    """Return why nothing can be learned from so few patients of a side, or None."""
    for kind, rows in ((what, labels), ("others", ~labels)):
        count = int(np.unique(patients[rows]).size)
        if count < LEAST:
            return f"{count} patients among {kind}, fewer than the {LEAST} that learning out of fold needs"
    return None


def log_odds_out_of_fold(
    x: Floats, labels: NDArray[np.bool_], patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str,
) -> Floats:  # fmt: skip
    """Return (n,) log odds out of fold, above the share of positives that the fold's model was trained on.

    Without that share, folds with more positives to train on would rank all of their cases lower than other folds'.

    Args:
        x: (n, p) columns, NaN where unknown.
        labels: (n,) bool.
        patients: (n,) patient codes; a patient is in one fold.
        rng: Draws folds and seeds.
        learner: One of `CLASSIFIERS`.
    """
    out = np.zeros(len(labels))
    for train, test in _splits(patients, labels, FOLDS, rng):
        share = labels[train].mean()
        raw = CLASSIFIERS[learner](x[train], labels[train], x[test], patients[train], rng)
        out[test] = raw - (np.log(share) - np.log1p(-share))
    return out


def values_out_of_fold(
    x: Floats, target: Floats, patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str
) -> Floats:
    """Return (n,) predicted values out of fold; see `log_odds_out_of_fold`."""
    out = np.zeros(len(target))
    halves = target > np.median(target)
    for train, test in _splits(patients, halves, FOLDS, rng):
        out[test] = REGRESSORS[learner](x[train], target[train], x[test], patients[train], rng)
    return out


def _splits(
    patients: NDArray[np.int64], groups: NDArray[Any], folds: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    fold = folds_of(patients, groups, folds, rng)
    for i in range(folds):
        yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


def _scaled(x: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Return both tables with unknown cells at the mean, columns of mean 0 and variance 1 by the first."""
    known = np.isfinite(x)
    middle = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, x, middle)
    spread = filled.std(axis=0)
    scale = np.where(spread > 1e-12, spread, 1.0)
    return (filled - middle) / scale, (np.where(np.isfinite(new), new, middle) - middle) / scale


def _logistic(x: Floats, y: NDArray[Any], new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Fit a logistic regression whose penalty is chosen on inner folds by the log loss."""
    from sklearn.linear_model import LogisticRegression

    def fitted(a: Floats, b: NDArray[Any], at: Floats, penalty: float) -> Floats:
        first, second = _scaled(a, at)
        model = LogisticRegression(C=penalty, solver="newton-cholesky", max_iter=100)
        out: Floats = model.fit(first, b).decision_function(second)
        return out

    def loss(truth: NDArray[Any], raw: Floats) -> float:
        return float(np.logaddexp(0, np.where(truth, -raw, raw)).sum())

    penalty = _chosen(fitted, loss, x, y, np.asarray(y), patients, rng)
    return fitted(x, y, new, penalty)


def _ridge(x: Floats, y: Floats, new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Fit a ridge regression whose penalty is chosen on inner folds by the squared error."""
    from sklearn.linear_model import Ridge

    def fitted(a: Floats, b: NDArray[Any], at: Floats, penalty: float) -> Floats:
        first, second = _scaled(a, at)
        out: Floats = Ridge(alpha=1 / penalty).fit(first, b).predict(second)
        return out

    def loss(truth: NDArray[Any], found: Floats) -> float:
        return float(((truth - found) ** 2).sum())

    return fitted(x, y, new, _chosen(fitted, loss, x, y, y > np.median(y), patients, rng))


def _chosen(
    fitted: Callable[[Floats, NDArray[Any], Floats, float], Floats], loss: Callable[[NDArray[Any], Floats], float],
    x: Floats, y: NDArray[Any], groups: NDArray[Any], patients: NDArray[np.int64], rng: np.random.Generator,
) -> float:  # fmt: skip
    splits = list(_splits(patients, groups, INNER, rng))
    losses = [
        sum(loss(y[test], fitted(x[train], y[train], x[test], penalty)) for train, test in splits)
        for penalty in PENALTIES
    ]
    return PENALTIES[int(np.argmin(losses))]


def _boosted(x: Floats, y: NDArray[Any], new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    del patients
    model = HistGradientBoostingClassifier(**_shape(rng))
    out: Floats = model.fit(x, y).decision_function(new)
    return out


def _boosted_values(x: Floats, y: Floats, new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor

    del patients
    out: Floats = HistGradientBoostingRegressor(**_shape(rng)).fit(x, y).predict(new)
    return out


def _shape(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "max_iter": 60, "max_depth": 3, "min_samples_leaf": 10, "early_stopping": False,
        "random_state": int(rng.integers(2**31)),
    }  # fmt: skip


def _linear_probe(
    x: Floats, y: NDArray[Any], new: Floats, patients: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Fit the logistic regression on the leading principal components of the training cases."""
    first, second = _scaled(x, new)
    if first.shape[1] > COMPONENTS:
        _, _, axes = np.linalg.svd(first, full_matrices=False)
        first, second = first @ axes[:COMPONENTS].T, second @ axes[:COMPONENTS].T
    return _logistic(first, y, second, patients, rng)


COMPONENTS = 32
CLASSIFIERS: Mapping[str, Learner] = {
    "logistic regression": _logistic, "boosted trees": _boosted, "linear probe": _linear_probe,
}  # fmt: skip
REGRESSORS: Mapping[str, Learner] = {"ridge regression": _ridge, "boosted trees": _boosted_values}
