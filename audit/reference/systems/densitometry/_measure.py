"""What densitometry can tell and what it cannot, on lungs of which everything is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from audit.core.levels import Levels
from audit.reference._system import Figure
from audit.reference.phantoms import PATTERNS, ParenchymaScans, alike, matched_pair, render_parenchyma
from audit.reference.systems.densitometry.nets import MEASURES, ra950
from audit.reference.systems.emphysema._data import stored
from audit.reference.systems.emphysema._measure import rank_correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core.measurement import Estimate
    from audit.reference.systems.emphysema._data import Scans

LEVELS = Levels(confidence=0.95)
_STREAM = 9_020
RESAMPLES = 1000
BREATHS = (0.9, 1.1)


def of_presence(scans: Scans, words: str) -> list[Figure]:
    """Return the AUC of presence of each measure, and its rank correlation with the planted extent."""
    from audit.stats import auc, bootstrap

    people, rows = np.arange(len(scans)), []
    for name, measure in MEASURES.items():
        said = measure(scans.images)
        rows.append(_figure(f"auc, presence, {name}, {words}", auc(said, scans.extents > 0, people, LEVELS)))
        found = bootstrap(
            partial(_ranked, said, scans.extents), people, LEVELS, np.random.default_rng(0),
            resamples=RESAMPLES, method="patient bootstrap",
        )  # fmt: skip
        rows.append(_figure(f"r_s with planted extent, {name}, {words}", found))
    return rows


def _ranked(a: NDArray[np.float64], b: NDArray[np.float64], weights: NDArray[np.float64]) -> float | None:
    picked = np.repeat(np.arange(len(a)), weights.astype(np.int64))
    return rank_correlation(a[picked], b[picked])


def of_patterns(pairs: int, seed: int) -> list[Figure]:
    """Return the AUC of telling two patterns apart whose lungs have one histogram: 0.5 for whatever counts voxels."""
    from audit.stats import auc

    rows = []
    for which, (one, other) in enumerate(combinations(PATTERNS, 2)):
        cohort = ParenchymaScans(n=pairs, seed=(_STREAM, seed, which), ill=(True,) * pairs)
        images = []
        for i in range(pairs):
            rng = np.random.default_rng([_STREAM, seed, which, i, 99])
            base, scan = cohort.patient(i), cohort.scan(i)
            drawn = [alike(base, pattern=p, extent=base.extent, anatomy=int(rng.integers(2**62))) for p in (one, other)]
            pair = matched_pair(drawn[0], drawn[1], scan, cohort.knobs, noise=int(rng.integers(2**62)))
            images += [stored(image)[None] for _, image in pair]
        said, is_other = ra950(np.stack(images)), np.arange(2 * pairs) % 2 == 1
        name = f"auc, {one} against {other}, RA950, matched histograms"
        # All pairs are tied, so that nothing varies between them; as patients of their own they have an interval.
        rows.append(_figure(name, auc(said, is_other, np.arange(2 * pairs), LEVELS)))
    return rows


def of_breath(n: int, seed: int) -> list[Figure]:
    """Return by how many points RA950 rises from 0.9 to 1.1 of full inspiration in the same patients."""
    from audit.stats import paired_difference

    cohort, rows = ParenchymaScans(n=n, seed=(_STREAM, seed, 9), ill=(False,) * n), []
    people = [cohort.patient(i) for i in range(n)]
    shallow, deep = (
        np.stack([
            stored(render_parenchyma(p, replace(cohort.scan(i), inspiration=breath), cohort.knobs).image)[None]
            for i, p in enumerate(people)
        ])
        for breath in BREATHS
    )  # fmt: skip
    for name, measure in MEASURES.items():
        found = paired_difference(measure(deep), measure(shallow), np.arange(n), LEVELS)
        unit = "HU" if name == "Perc15" else "points"
        rows.append(_figure(f"change of {name} with a breath deeper by a fifth, healthy lungs, {unit}", found))
    return rows


def _figure(name: str, found: Estimate) -> Figure:
    low, high = found.bounds(LEVELS.pointwise) or (None, None)
    return Figure(
        name=name, value=found.value, low=low, high=high, n=found.n, n_patients=found.n_patients, method=found.method,
        missing=found.missing or "",
    )  # fmt: skip
