"""Predictions for every patient by a small model that never saw that patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Learner = Callable[[Floats, NDArray[Any], Floats, NDArray[np.int64], np.random.Generator], Floats]

FOLDS, INNER = 5, 3
LEAST = 20
STEPS, SMALLEST_STEP = 50, 1e-6
NESTED = 6
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


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """What small models say of patients whom they were not trained on.

    Args:
        values: (n,) log odds or values; only those of one fold come from one fit and can be ranked together.
        fold: (n,) fold of each case.
    """

    values: Floats
    fold: NDArray[np.int64]


def log_odds_out_of_fold(
    x: Floats, labels: NDArray[np.bool_], patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str,
) -> OutOfFold:  # fmt: skip
    """Return log odds out of fold.

    Args:
        x: (n, p) columns, NaN where unknown.
        labels: (n,) bool.
        patients: (n,) patient codes; a patient is in one fold.
        rng: Draws folds and seeds.
        learner: One of `CLASSIFIERS`.
    """
    fold = folds_of(patients, labels, FOLDS, rng)
    out = np.zeros(len(labels))
    for train, test in _splits(fold):
        out[test] = CLASSIFIERS[learner](x[train], labels[train], x[test], patients[train], rng)
    return OutOfFold(values=out, fold=fold)


def values_out_of_fold(
    x: Floats, target: Floats, patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str
) -> OutOfFold:
    """Return predicted values out of fold; see `log_odds_out_of_fold`."""
    fold = folds_of(patients, target > np.median(target), FOLDS, rng)
    out = np.zeros(len(target))
    for train, test in _splits(fold):
        out[test] = REGRESSORS[learner](x[train], target[train], x[test], patients[train], rng)
    return OutOfFold(values=out, fold=fold)


def _splits(fold: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for i in np.unique(fold):
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
    """Fit a logistic regression; with six columns or more its penalty is chosen on inner folds by the log loss."""

    def fitted(a: Floats, b: NDArray[Any], at: Floats, penalty: float) -> Floats:
        first, second = _scaled(a, at)
        beta = logistic_fit(first, np.asarray(b, dtype=np.float64), penalty)
        out: Floats = second @ beta[1:] + beta[0]
        return out

    def loss(truth: NDArray[Any], raw: Floats) -> float:
        return float(np.logaddexp(0, np.where(truth, -raw, raw)).sum())

    few = x.shape[1] < NESTED
    return fitted(x, y, new, 1.0 if few else _chosen(fitted, loss, x, y, np.asarray(y), patients, rng))


def logistic_fit(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return intercept and coefficients of a ridge logistic regression, by Newton's method with halved steps.

    scikit-learn's Newton solver gives up on indicators that add up to 1, and its other solvers take ten times as long
    for the hundreds of small fits that nested folds need; it is the oracle in the tests.

    Args:
        x: (n, p) finite.
        y: (n,) 0 or 1.
        penalty: Inverse strength of the ridge on the coefficients, as scikit-learn's C; the intercept has none.

    Returns:
        (1 + p,).
    """
    table = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    ridge = np.full(table.shape[1], 1 / penalty)
    ridge[0] = 1e-9

    def loss(beta: Floats) -> float:
        raw = table @ beta
        return float(np.logaddexp(0, raw).sum() - raw @ y + 0.5 * ridge @ beta**2)

    beta = np.zeros(table.shape[1])
    here = loss(beta)
    for _ in range(STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * (table @ beta)))
        slope = table.T @ (y - p) - ridge * beta
        curve = (table * (p * (1 - p))[:, None]).T @ table + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        size, there = 1.0, loss(beta + step)
        while there > here and size > SMALLEST_STEP:
            size /= 2
            there = loss(beta + size * step)
        beta, here = beta + size * step, there
        if np.abs(step).max() < 1e-6 or size <= SMALLEST_STEP:
            break
    return beta


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
    splits = list(_splits(folds_of(patients, groups, INNER, rng)))
    losses = [
        sum(loss(y[test], fitted(x[train], y[train], x[test], penalty)) for train, test in splits)
        for penalty in PENALTIES
    ]
    return PENALTIES[int(np.argmin(losses))]


def _boosted(x: Floats, y: NDArray[Any], new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    del patients
    kept = _varying(x)
    out: Floats = HistGradientBoostingClassifier(**_shape(rng)).fit(x[:, kept], y).decision_function(new[:, kept])
    return out


def _boosted_values(x: Floats, y: Floats, new: Floats, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor

    del patients
    kept = _varying(x)
    out: Floats = HistGradientBoostingRegressor(**_shape(rng)).fit(x[:, kept], y).predict(new[:, kept])
    return out


def _varying(x: Floats) -> NDArray[np.bool_]:
    """Return (p,) bool, the columns with two known values at least; the library cannot bin the others."""
    several = [np.unique(c[np.isfinite(c)]).size > 1 for c in x.T]
    # Where none varies in this fold the first one stands for all of them, as a constant.
    return np.array(several) if any(several) else np.arange(x.shape[1]) == 0


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
