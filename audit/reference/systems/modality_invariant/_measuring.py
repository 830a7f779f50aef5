"""What a shared code is worth: who can read it, on what, and what it still says of the modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, Levels
from audit.probes._out_of_fold import log_odds_out_of_fold, logistic_fit
from audit.reference.phantoms import SEQUENCES
from audit.reference.systems.modality_invariant._learning import Table, codes, without

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Kept = tuple[int, ...]
COMPLETE: Kept = (0, 1, 2)
SINGLE: tuple[Kept, ...] = ((0,), (1,), (2,))
PAIRS: tuple[Kept, ...] = ((1, 2), (0, 2), (0, 1))
_PENALTY = 1.0
_RESAMPLES = 400


def words(kept: Kept) -> str:
    """Return which modalities are there, such as "T1+FLAIR"."""
    return "+".join(SEQUENCES[m] for m in kept)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A linear reader of the code.

    Attributes:
        weights: (code,).
        offset: Log odds at a code of 0.
    """

    weights: Floats
    offset: float

    def __call__(self, code: Floats) -> Floats:
        """Return (n,) log odds of a lesion."""
        out: Floats = code @ self.weights + self.offset
        return out


def fitted(code: Floats, lesion: NDArray[np.bool_]) -> Reader:
    """Return the logistic regression of the lesion on the code, its columns scaled for the penalty alone."""
    middle, spread = code.mean(axis=0), code.std(axis=0)
    scale = np.where(spread > 1e-12, spread, 1.0)
    beta = logistic_fit((code - middle) / scale, lesion.astype(np.float64), _PENALTY)
    weights = beta[1:] / scale
    return Reader(weights=weights, offset=float(beta[0] - weights @ middle))


@dataclass(frozen=True, kw_only=True, eq=False)
class Coded:
    """Codes of one table of patches by which modalities were there."""

    table: Table
    codes: Mapping[Kept, Floats]


def coded(net: Any, table: Table, wanted: Sequence[Kept]) -> Coded:
    """Return the codes of all patches, with some modalities each time."""
    return Coded(table=table, codes={k: codes(net, without(table.images, k)) for k in wanted})


def matrix(train: Coded, test: Coded) -> dict[tuple[Kept, Kept], Floats]:
    """Return the log odds of the test patches, by what the reader was trained on and what it is given."""
    readers = {kept: fitted(code, train.table.lesion) for kept, code in train.codes.items()}
    return {(a, b): readers[a](code) for a in readers for b, code in test.codes.items()}


def ranked(scores: Floats, table: Table) -> Estimate:
    """Return the AUC of a reader, patches of one patient together."""
    from audit.stats import auc

    return auc(scores, table.lesion, table.patients, Levels())


def ranked_on_average(scores: Sequence[Floats], table: Table) -> Estimate:
    """Return the mean AUC of several readers of the same patches."""
    from audit.stats import mean_auc

    return mean_auc([(s, table.lesion) for s in scores], table.patients, Levels())


def leak(test: Coded, modality: int, rng: np.random.Generator) -> Estimate:
    """Return how well one modality is told from the others by the code of each alone, out of fold by patient.

    A linear probe; 0.5 is a code that does not say which modality it came from.
    """
    from audit.stats import stratified_auc

    code = np.concatenate([test.codes[k] for k in SINGLE])
    which = np.repeat(np.arange(len(SINGLE)), len(test.table.lesion))
    patients, own = np.tile(test.table.patients, len(SINGLE)), which == modality
    found = log_odds_out_of_fold(code, own, patients, rng, learner="linear probe")
    return stratified_auc(found.values, own, found.fold, patients, Levels())


def spread(test: Coded, rng: np.random.Generator) -> dict[str, Estimate]:
    """Return whether the code has shrunk or lost directions, from single modalities.

    `sd` is the root of the mean variance of the code's numbers, `dimensions` its participation ratio (sum of
    eigenvalues of the covariance, squared, over the sum of their squares): 1 where all is on one line.
    `shared` is the share of the variance that all modalities of a patch have in common: 1 where they say the same.
    """
    each = np.stack([test.codes[k] for k in SINGLE])
    modality_free = each - each.mean(axis=1, keepdims=True)
    every, patients = np.concatenate(list(each)), test.table.patients
    tiled = np.tile(patients, len(SINGLE))
    return {
        "sd": _resampled(lambda w: float(np.sqrt(np.trace(_covariance(every, w)) / every.shape[1])), tiled, rng),
        "dimensions": _resampled(lambda w: _dimensions(_covariance(every, w)), tiled, rng),
        "shared": _resampled(lambda w: _common(modality_free, w), patients, rng),
    }


def _resampled(statistic: Callable[[Floats], float | None], patients: NDArray[np.int64], rng: Any) -> Estimate:
    from audit.stats import bootstrap

    return bootstrap(statistic, patients, Levels(), rng, resamples=_RESAMPLES)


def _covariance(rows: Floats, weights: Floats) -> Floats:
    share = weights / weights.sum()
    centred = rows - share @ rows
    out: Floats = (centred * share[:, None]).T @ centred
    return out


def _dimensions(covariance: Floats) -> float | None:
    square = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / square if square > 0 else None


def _common(each: Floats, weights: Floats) -> float | None:
    """Return the covariance of two modalities' encodings, summed over numbers and a mean over pairs, over variance."""
    share = weights / weights.sum()
    centred = each - np.einsum("n,mnc->mc", share, each)[:, None]
    products = np.einsum("n,anc,bnc->ab", share, centred, centred)
    variance, m = float(np.trace(products)) / len(each), len(each)
    if variance <= 0:
        return None
    return float((products.sum() - np.trace(products)) / (m * (m - 1)) / variance)
