"""Ways to learn from many labelled voxels of one protocol and few of another.

Built after van Opbroek and others (MLMI 2012; IEEE TMI 2015) and, for boosting, Dai and others (ICML 2007). The kernel
machine is ours: random Fourier features (Rahimi and Recht, NIPS 2007) and a linear support vector machine, one tissue
against the others, so that ten thousand voxels cost a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TISSUES = 3
WAVES = 200
GAMMA = 0.1
COST = 10.0
ROUNDS = 10
TARGET_SHARE = 0.5
"""Of all weight, what the target's voxels have in the weighted machine at least, however few they are."""
SOURCE_VOXEL = 0.2
"""Weight of a source voxel at most, that of a target voxel being 1."""
NEIGHBOURS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Voxels:
    """Labelled voxels.

    Attributes:
        features: (n, p).
        tissue: (n,) 0 to 2.
    """

    features: Floats
    tissue: Ints

    def __len__(self) -> int:
        return len(self.tissue)


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """A trained machine.

    Attributes:
        mean: (p,) of the voxels that it learnt from.
        scale: (p,) their standard deviations.
        waves: (p, w) frequencies.
        phases: (w,).
        weights: (3, w) of each tissue against the others.
        offsets: (3,).
    """

    mean: Floats
    scale: Floats
    waves: Floats
    phases: Floats
    weights: Floats
    offsets: Floats

    def decide(self, features: Floats) -> Floats:
        """Return (n, 3) signed distances; the largest is the answer."""
        return lifted(self, features) @ self.weights.T + self.offsets


def lifted(machine: Machine, features: Floats) -> Floats:
    """Return (n, w) random Fourier features."""
    return _lift((features - machine.mean) / machine.scale, machine.waves, machine.phases)


def _lift(known: Floats, waves: Floats, phases: Floats) -> Floats:
    out: Floats = np.sqrt(2 / waves.shape[1]) * np.cos(known @ waves + phases)
    return out


def fit(voxels: Voxels, *, seed: int, weights: Floats | None = None) -> Machine:
    """Train a machine.

    Args:
        voxels: At least one of every tissue.
        seed: Of the random features.
        weights: (n,) weights of the voxels, of mean 1.
    """
    from sklearn.svm import LinearSVC

    mean = np.average(voxels.features, axis=0, weights=weights)
    spread = np.sqrt(np.average((voxels.features - mean) ** 2, axis=0, weights=weights))
    scale = np.where(spread > 0, spread, 1.0)
    rng = np.random.default_rng(seed)
    waves = np.sqrt(2 * GAMMA) * rng.standard_normal((voxels.features.shape[1], WAVES))
    phases = rng.uniform(0, 2 * np.pi, WAVES)
    known = _lift((voxels.features - mean) / scale, waves, phases)
    # The penalty is per voxel, so that few voxels are held back as much as many.
    cost = COST * 1000 / len(voxels)
    found, offsets = np.zeros((TISSUES, WAVES)), np.zeros(TISSUES)
    for code in range(TISSUES):
        one = LinearSVC(C=cost, dual=False, max_iter=2000, tol=1e-3, random_state=0)
        one.fit(known, voxels.tissue == code, sample_weight=weights)
        found[code], offsets[code] = one.coef_[0], float(one.intercept_[0])
    return Machine(mean=mean, scale=scale, waves=waves, phases=phases, weights=found, offsets=offsets)


def both(source: Voxels, target: Voxels) -> Voxels:
    """Return the source's voxels and then the target's."""
    return Voxels(
        features=np.concatenate([source.features, target.features]),
        tissue=np.concatenate([source.tissue, target.tissue]),
    )


def even_weights(source: int, target: int) -> Floats:
    """Return (source + target,) weights of mean 1: the target's voxels weigh more, each, and half of all at least."""
    of_source = min(SOURCE_VOXEL, (1 - TARGET_SHARE) / TARGET_SHARE * target / source)
    each = np.concatenate([np.full(source, of_source), np.ones(target)])
    out: Floats = each * (len(each) / each.sum())
    return out


def beta(source: int, rounds: int = ROUNDS) -> float:
    """Return the factor of TrAdaBoost on the weight of a source voxel that is wrong, below 1."""
    return 1 / (1 + math.sqrt(2 * math.log(max(source, 2)) / rounds))


Answer = Callable[["Floats"], "Ints"]


def _answer(machine: Machine) -> Answer:
    return lambda features: np.asarray(machine.decide(features).argmax(axis=1), dtype=np.int64)


def source_only(source: Voxels, target: Voxels, seed: int) -> Answer:
    """Learn from the source alone."""
    del target
    return _answer(fit(source, seed=seed))


def target_only(source: Voxels, target: Voxels, seed: int) -> Answer:
    """Learn from the target's few voxels alone."""
    del source
    return _answer(fit(target, seed=seed))


def pooled(source: Voxels, target: Voxels, seed: int) -> Answer:
    """Learn from both, each voxel alike."""
    return _answer(fit(both(source, target), seed=seed))


def weighted_machine(source: Voxels, target: Voxels, seed: int) -> Machine:
    """Return the weighted support vector machine: the target's voxels weigh more, each, than the source's."""
    return fit(both(source, target), seed=seed, weights=even_weights(len(source), len(target)))


def weighted(source: Voxels, target: Voxels, seed: int) -> Answer:
    """Learn from both, the target's voxels weighing more."""
    return _answer(weighted_machine(source, target, seed))


def reweighted(source: Voxels, target: Voxels, seed: int) -> Answer:
    """Learn from both; source voxels that the machine gets wrong lose weight, round after round."""
    s, factor = len(source), beta(len(source))
    weights, together = even_weights(s, len(target)), both(source, target)
    machine = fit(together, seed=seed, weights=weights)
    for _ in range(ROUNDS):
        wrong = _answer(machine)(source.features) != source.tissue
        weights[:s] = np.where(wrong, factor * weights[:s], weights[:s])
        weights *= len(weights) / weights.sum()
        machine = fit(together, seed=seed, weights=weights)
    return _answer(machine)


def boosted(source: Voxels, target: Voxels, seed: int) -> Answer:
    """TrAdaBoost: source voxels that are wrong lose weight, target voxels that are wrong gain it; later rounds vote."""
    s, factor, together = len(source), beta(len(source)), both(source, target)
    weights, votes = even_weights(s, len(target)), []
    for _ in range(ROUNDS):
        machine = fit(together, seed=seed, weights=weights)
        wrong = _answer(machine)(together.features) != together.tissue
        error = float(np.average(wrong[s:], weights=weights[s:]))
        error = min(max(error, 1e-3), 0.499)
        gain = error / (1 - error)
        votes.append((machine, math.log(1 / gain)))
        weights[:s] = np.where(wrong[:s], factor * weights[:s], weights[:s])
        weights[s:] = np.where(wrong[s:], weights[s:] / gain, weights[s:])
        weights *= len(weights) / weights.sum()
    later = votes[ROUNDS // 2 :]

    def say(features: Floats) -> Ints:
        counts = np.zeros((len(features), TISSUES))
        for machine, strength in later:
            counts[np.arange(len(features)), _answer(machine)(features)] += strength
        return np.asarray(counts.argmax(axis=1), dtype=np.int64)

    return say


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Features of the same places of the same patients under both protocols; nobody labelled them.

    Attributes:
        source: (m, p).
        target: (m, p), row by row the same places.
    """

    source: Floats
    target: Floats


def transformed(source: Voxels, pairs: Pairs, seed: int, target: Voxels | None = None) -> Answer:
    """Feature-space transformation: source voxels are moved to where unlabelled pairs say that they lie in the target.

    Each takes the mean step of its nearest pairs. With labelled target voxels the moved ones are their source in the
    weighted machine.
    """
    from sklearn.neighbors import NearestNeighbors

    mean, scale = pairs.source.mean(axis=0), pairs.source.std(axis=0)
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit((pairs.source - mean) / scale)
    rows = near.kneighbors((source.features - mean) / scale, return_distance=False)
    moved = Voxels(features=source.features + (pairs.target - pairs.source)[rows].mean(axis=1), tissue=source.tissue)
    if target is None:
        return _answer(fit(moved, seed=seed))
    return weighted(moved, target, seed)


WAYS: dict[str, Callable[[Voxels, Voxels, int], Answer]] = {
    "source only": source_only, "target only": target_only, "pooled": pooled, "weighted SVM": weighted,
    "reweighted SVM": reweighted, "TrAdaBoost": boosted,
}  # fmt: skip
