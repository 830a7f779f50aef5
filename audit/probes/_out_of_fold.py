"""Predictions for every patient by a small model that never saw that patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.probes._newton import Design, Scale, blocks, logistic_fit, newton

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.probes._metadata import Columns

    Floats = NDArray[np.float64]
    Rows = Floats | Columns
    Learner = Callable[[Any, NDArray[Any], Any, NDArray[np.int64], np.random.Generator], Floats]

__all__ = [
    "CLASSIFIERS", "FOLDS", "INNER", "LEAST", "REGRESSORS", "OutOfFold", "folds_of", "lacking", "log_odds_out_of_fold",
    "logistic_fit", "values_out_of_fold",
]  # fmt: skip
FOLDS, INNER = 5, 3
LEAST = 20
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
    x: Rows, labels: NDArray[np.bool_], patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str,
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
    x: Rows, target: Floats, patients: NDArray[np.int64], rng: np.random.Generator, *, learner: str
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


def _scaled(x: Rows, new: Rows) -> tuple[Floats, Floats]:
    """Return both tables with unknown cells at the mean, columns of mean 0 and variance 1 by the first."""
    scale = Scale.of(x)
    return scale(np.asarray(x, dtype=np.float64)), scale(np.asarray(new, dtype=np.float64))


def _logistic(x: Rows, y: NDArray[Any], new: Rows, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Fit a logistic regression; with six columns or more its penalty is chosen on inner folds by the log loss."""

    def fitted(a: Rows, b: NDArray[Any], at: Rows, penalties: Sequence[float]) -> list[Floats]:
        scale = Scale.of(a)
        design, truth = Design(a, scale), np.asarray(b, dtype=np.float64)
        betas = [newton(design, truth, penalty) for penalty in penalties]
        parts = [[block @ beta[1:] + beta[0] for beta in betas] for block in (scale(x) for _, x in blocks(at))]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def loss(truth: NDArray[Any], raw: Floats) -> float:
        return float(np.logaddexp(0, np.where(truth, -raw, raw)).sum())

    few = x.shape[1] < NESTED
    penalty = 1.0 if few else _chosen(fitted, loss, x, y, np.asarray(y), patients, rng)
    return fitted(x, y, new, [penalty])[0]


def _ridge(x: Rows, y: Floats, new: Rows, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Fit a ridge regression whose penalty is chosen on inner folds by the squared error."""
    from sklearn.linear_model import Ridge

    def fitted(a: Rows, b: NDArray[Any], at: Rows, penalties: Sequence[float]) -> list[Floats]:
        first, second = _scaled(a, at)
        return [Ridge(alpha=1 / penalty).fit(first, b).predict(second) for penalty in penalties]

    def loss(truth: NDArray[Any], found: Floats) -> float:
        return float(((truth - found) ** 2).sum())

    return fitted(x, y, new, [_chosen(fitted, loss, x, y, y > np.median(y), patients, rng)])[0]


def _chosen(
    fitted: Callable[[Rows, NDArray[Any], Rows, Sequence[float]], list[Floats]],
    loss: Callable[[NDArray[Any], Floats], float],
    x: Rows, y: NDArray[Any], groups: NDArray[Any], patients: NDArray[np.int64], rng: np.random.Generator,
) -> float:  # fmt: skip
    losses = np.zeros(len(PENALTIES))
    for train, test in _splits(folds_of(patients, groups, INNER, rng)):
        losses += [loss(y[test], found) for found in fitted(x[train], y[train], x[test], PENALTIES)]
    return PENALTIES[int(np.argmin(losses))]


def _boosted(x: Rows, y: NDArray[Any], new: Rows, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    del patients
    first, second = _several(x, new)
    with _one_thread():
        out: Floats = HistGradientBoostingClassifier(**_shape(rng)).fit(first, y).decision_function(second)
    return out


def _boosted_values(x: Rows, y: Floats, new: Rows, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor

    del patients
    first, second = _several(x, new)
    with _one_thread():
        out: Floats = HistGradientBoostingRegressor(**_shape(rng)).fit(first, y).predict(second)
    return out


def _one_thread() -> Any:
    # Trees on few rows are a thousand short loops, at whose ends threads wait for each other: minutes in place of
    # seconds where anything else runs on the machine. The library must be loaded before this is asked.
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def _several(x: Rows, new: Rows) -> tuple[Floats, Floats]:
    """Return the columns with two known values at least in the first table; the library cannot bin the others."""
    first, second = np.asarray(x, dtype=np.float64), np.asarray(new, dtype=np.float64)
    several = np.array([np.unique(c[np.isfinite(c)]).size > 1 for c in first.T])
    # Where none varies in this fold the first one stands for all of them, as a constant.
    kept = several if several.any() else np.arange(first.shape[1]) == 0
    return (first, second) if kept.all() else (first[:, kept], second[:, kept])


def _shape(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "max_iter": 60, "max_depth": 3, "min_samples_leaf": 10, "early_stopping": False,
        "random_state": int(rng.integers(2**31)),
    }  # fmt: skip


def _linear_probe(x: Rows, y: NDArray[Any], new: Rows, patients: NDArray[np.int64], rng: np.random.Generator) -> Floats:
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
