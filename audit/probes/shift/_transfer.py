"""Ways to use cases of other protocols beside a few of the target's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Rows = NDArray[np.int64]

TARGET_CASES = 40
"""Cases of the target protocol that are supposed to have a reference standard, at most."""
LARGEST_SOURCE = 1000
"""Cases of other protocols that a support vector machine learns from."""
ROUNDS = 3
SVM_ROUNDS = 10
ARMS = ("source only", "pooled", "target only", "weighted", "reweighted")


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """Training cases of one repetition, the source's first.

    Args:
        source: (s,) development cases of other protocols.
        target: (t,) development cases of the target protocol.
    """

    source: Rows
    target: Rows

    @property
    def both(self) -> Rows:
        """(s + t,) all of them."""
        return np.concatenate([self.source, self.target])

    def weights(self) -> Floats:
        """Return (s + t,) weights of mean 1 under which source and target weigh the same."""
        s, t = len(self.source), len(self.target)
        each = np.concatenate([np.full(s, 0.5 / s), np.full(t, 0.5 / t)])
        return each * (s + t)

    def lightened(self, weights: Floats, wrong: Bools, rounds: int) -> Floats:
        """Return weights after source cases that the model gets wrong have lost some.

        The factor is that of TrAdaBoost, 1 / (1 + sqrt(2 ln s / rounds)). The target's weights stay.

        Args:
            weights: (s + t,) weights so far.
            wrong: (s,) bool, source cases that the model puts into another class.
            rounds: Rounds in all.
        """
        s = len(self.source)
        factor = 1 / (1 + math.sqrt(2 * math.log(max(s, 2)) / rounds))
        out = weights.copy()
        out[:s] = np.where(wrong, factor * weights[:s], weights[:s])
        scaled: Floats = out * (len(out) / out.sum())
        return scaled


def svm_arms(
    features: Floats, targets: NDArray[np.int64], asked: Floats, draws: list[Draw]
) -> dict[str, tuple[Floats, ...]]:
    """Return what support vector machines say of some cases, by way of training and repetition.

    Args:
        features: (m, p) of the development cases.
        targets: (m,) 0 or 1.
        asked: (n, p) of the audited cases.
        draws: Training cases of each repetition.

    Returns:
        By name of `ARMS`, as many (n,) scores as there are draws; those that need target cases are absent without any.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    known, new = (features - mean) / scale, (asked - mean) / scale
    found: dict[str, list[Floats]] = {}
    for draw in draws:
        for name, said in _one(known, targets, new, draw).items():
            found.setdefault(name, []).append(said)
    return {name: tuple(said) for name, said in found.items()}


def _one(known: Floats, targets: NDArray[np.int64], new: Floats, draw: Draw) -> dict[str, Floats]:
    def fit(rows: Rows, weights: Floats | None = None) -> Callable[[Floats], Floats]:
        from sklearn.svm import SVC

        made = SVC(C=1.0, gamma="scale").fit(known[rows], targets[rows], sample_weight=weights)
        return lambda asked: np.asarray(made.decision_function(asked), dtype=np.float64)

    out = {"source only": fit(draw.source)(new)}
    if not len(draw.target):
        return out
    weights = draw.weights()
    one = fit(draw.both, weights)
    out |= {"pooled": fit(draw.both)(new), "target only": fit(draw.target)(new), "weighted": one(new)}
    for _ in range(SVM_ROUNDS):
        wrong = (one(known[draw.source]) > 0) != (targets[draw.source] == 1)
        weights = draw.lightened(weights, wrong, SVM_ROUNDS)
        one = fit(draw.both, weights)
    return {**out, "reweighted": one(new)}
