"""Intervals must hold the truth as often as they say, with several cases a patient."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Levels
from audit.session.validation._check import Check

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DRAWS, _PATIENTS, _EACH, _CONFIDENCE = 400, 120, 2, 0.95
_SAYS = "A 95 % interval holds the true value in at least 95 % of cohorts, but for the chance of the simulation."
# Three standard errors of a share of 400 draws below 95 %: a sound method falls under it once in about 700 times.
_LEAST = _CONFIDENCE - 3 * math.sqrt(_CONFIDENCE * (1 - _CONFIDENCE) / _DRAWS)
Draw = Callable[[np.random.Generator], tuple[Estimate, float]]


def interval_checks() -> tuple[Check, ...]:
    """Return a check of coverage for a share, an AUC and a gap of shares."""
    return (
        _check("share of 240 cases of 120 patients, true value 0.8", _share),
        _check("AUC of 240 cases of 120 patients, true value 0.822", _area),
        _check("gap between two groups of 60 patients each, true value 0", _gap),
    )


def _check(name: str, draw: Draw) -> Check:
    def run(folder: Path) -> tuple[bool, str]:
        del folder
        rng = np.random.default_rng(11)
        held = 0
        for _ in range(_DRAWS):
            estimate, truth = draw(rng)
            bounds = estimate.bounds((1 - _CONFIDENCE) / 2)
            held += bounds is not None and bounds[0] <= truth <= bounds[1]
        return held / _DRAWS >= _LEAST, f"{held} of {_DRAWS} held the truth ({held / _DRAWS:.3f})"

    return Check(
        requirement=_SAYS, check=f"coverage: {name}", run=run,
        expected=f"at least {math.ceil(_LEAST * _DRAWS)} of {_DRAWS} drawn cohorts",
    )  # fmt: skip


def _patients() -> NDArray[np.int64]:
    return np.repeat(np.arange(_PATIENTS), _EACH)


def _within(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return unit normals that two cases of one patient share by half."""
    shared = np.repeat(rng.normal(size=_PATIENTS), _EACH)
    out: NDArray[np.float64] = math.sqrt(0.5) * shared + math.sqrt(0.5) * rng.normal(size=_PATIENTS * _EACH)
    return out


def _share(rng: np.random.Generator) -> tuple[Estimate, float]:
    from audit.stats import proportion

    hits = _within(rng) < NormalDist().inv_cdf(0.8)
    return proportion(hits, _patients(), Levels(confidence=_CONFIDENCE)), 0.8


def _area(rng: np.random.Generator) -> tuple[Estimate, float]:
    from audit.stats import auc

    labels = np.repeat(np.arange(_PATIENTS) % 2 == 1, _EACH)
    scores = _within(rng) + 1.305 * labels
    return auc(scores, labels, _patients(), Levels(confidence=_CONFIDENCE)), NormalDist().cdf(1.305 / math.sqrt(2))


def _gap(rng: np.random.Generator) -> tuple[Estimate, float]:
    from audit.stats import proportion_gap

    members = np.repeat(np.arange(_PATIENTS) % 2 == 1, _EACH)
    hits = _within(rng) < NormalDist().inv_cdf(0.8)
    return proportion_gap(hits, members, _patients(), Levels(confidence=_CONFIDENCE)), 0.0
