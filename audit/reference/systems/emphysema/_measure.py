"""How well an emphysema grader does on patients of whom everything is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Figure
from audit.reference.phantoms import GRADES, MIDPOINTS, grade_of
from audit.reference.systems.emphysema._fit import answers, maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from audit.core.measurement import Estimate
    from audit.reference.systems.emphysema._data import Scans

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 1000
MAPPED = 0.5
"""A voxel of the map is called diseased from here on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """A grader's answers.

    Attributes:
        shares: (n,) predicted, 0 to 1.
        overlap: (n,) Dice of the map with what was planted, NaN in the healthy; None without a map.
    """

    shares: Floats
    overlap: Floats | None


def answered(net: nn.Module, scans: Scans) -> Answered:
    """Ask a grader, and look at its map if it has one."""
    shares = answers(net, scans.images)
    if not hasattr(net, "attention_map"):
        return Answered(shares=shares, overlap=None)
    from audit.metrics import dice

    mapped = maps(net, scans.images) > MAPPED
    overlap = [dice(a, b) if b.any() else None for a, b in zip(mapped, scans.emphysema, strict=True)]
    return Answered(shares=shares, overlap=np.array([np.nan if d is None else d for d in overlap]))


def values(got: Answered, scans: Scans) -> dict[str, float | None]:
    """Return the figures without intervals: of one cell of a grid, whose scatter is that between trainings."""
    from audit.core.levels import Levels
    from audit.metrics import icc, weighted_kappa
    from audit.stats import auc

    true, said = scans.extents, got.shares
    grades, people = graded(said), np.arange(len(scans))
    return {
        "icc": icc(np.stack([said, true], axis=1), form="2,1"),
        "icc_second_observer": icc(np.stack([said, np.array(MIDPOINTS)[scans.grades[:, 1]]], axis=1), form="2,1"),
        "auc": auc(said, true > 0, people, Levels(confidence=CONFIDENCE)).value,
        "r_s": rank_correlation(said, true),
        "six_class_agreement": float((grades == graded(true)).mean()),
        "weighted_kappa": weighted_kappa(grades, graded(true), len(GRADES)),
        "mae": float(np.abs(said - true).mean()),
        "dice": None if got.overlap is None else float(np.nanmean(got.overlap)),
    }


def graded(shares: Floats) -> NDArray[np.int64]:
    """Return (n,) grades."""
    return np.array([grade_of(share) for share in shares], dtype=np.int64)


def rank_correlation(a: Floats, b: Floats) -> float | None:
    """Return Spearman's correlation, None where a side does not vary."""
    from scipy.stats import rankdata

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def figures(got: Answered, scans: Scans, matched: Scans, of_matched: Floats) -> tuple[Figure, ...]:
    """Return the figures of a trained grader with intervals, one patient a scan.

    Args:
        got: Its answers on the scans.
        scans: Test patients.
        matched: Test patients in pairs of one histogram, healthy and ill.
        of_matched: (n,) its answers on these.
    """
    from audit.core.levels import Levels
    from audit.stats import AbsoluteIcc, Kappa, agreement, auc, mean, proportion

    levels, people = Levels(confidence=CONFIDENCE), np.arange(len(scans))
    true, said = scans.extents, got.shares
    second = np.array(MIDPOINTS)[scans.grades[:, 1]]
    # The two of a pair share every intensity, so that they count as one patient.
    pairs = np.arange(len(matched)) // 2
    grades, planted = graded(said), graded(true)
    centred = AbsoluteIcc(centre=float(true.mean()), name="ICC(A,1), two fixed raters")
    rows = [
        _figure("icc, planted extent", agreement(centred, said, true, people, levels)),
        _figure("icc, second observer", agreement(centred, said, second, people, levels)),
        _figure("auc, presence", auc(said, true > 0, people, levels)),
        _figure("auc, presence, matched histograms", auc(of_matched, matched.extents > 0, pairs, levels)),
        _figure("r_s, planted extent", _resampled(lambda w: _ranked(said, true, w), people, levels)),
        _figure("six-class agreement", proportion(grades == planted, people, levels)),
        _figure(
            "weighted kappa of six classes", agreement(Kappa(categories=len(GRADES)), grades, planted, people, levels)
        ),
        _figure("mean absolute error, share of the lung", mean(np.abs(said - true), people, levels)),
    ]
    if got.overlap is not None:
        ill = np.isfinite(got.overlap)
        rows.append(_figure("dice of the map, patients with emphysema", mean(got.overlap[ill], people[ill], levels)))
    return tuple(rows)


def scaled_figure(said: Floats, scans: Scans, learned: Floats, graded_scans: Scans) -> Figure:
    """Return the ICC of answers that were put on the scale of a few graded patients by isotonic regression.

    Args:
        said: (n,) answers on the test patients.
        scans: The test patients.
        learned: (m,) answers on the patients that the scale is taken from.
        graded_scans: These patients, with the first observer's grades.
    """
    from sklearn.isotonic import IsotonicRegression

    from audit.core.levels import Levels
    from audit.stats import AbsoluteIcc, agreement

    middles = np.array(MIDPOINTS)[graded_scans.grades[:, 0]]
    scaled = IsotonicRegression(out_of_bounds="clip").fit(learned, middles).predict(said)
    measure = AbsoluteIcc(centre=float(scans.extents.mean()), name="ICC(A,1), two fixed raters")
    found = agreement(measure, scaled, scans.extents, np.arange(len(scans)), Levels(confidence=CONFIDENCE))
    return _figure(f"icc, planted extent, scaled on {len(learned)} graded patients", found)


def _ranked(a: Floats, b: Floats, weights: Floats) -> float | None:
    picked = np.repeat(np.arange(len(a)), weights.astype(np.int64))
    return rank_correlation(a[picked], b[picked])


def _resampled(statistic: Callable[[Floats], float | None], people: NDArray[np.int64], levels: Any) -> Estimate:
    from audit.stats import bootstrap

    return bootstrap(
        statistic, people, levels, np.random.default_rng(0), resamples=RESAMPLES, method="patient bootstrap"
    )


def _figure(name: str, found: Estimate) -> Figure:
    low, high = found.bounds((1 - CONFIDENCE) / 2) or (None, None)
    return Figure(
        name=name, value=found.value, low=low, high=high, n=found.n, n_patients=found.n_patients, method=found.method,
        missing=found.missing or "",
    )  # fmt: skip
