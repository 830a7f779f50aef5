"""The gap of a quantity at equal case mix: direct standardisation over strata of declared attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Attribute, Estimate, ProbeContext, Scalar
from audit.probes._shared import Contrast, count_patients, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

FIFTHS = 5
NO_STRATUM = "no stratum of {of} has enough patients both in the level and in the rest"


def standardised(
    ctx: ProbeContext, metric: str, rows: NDArray[np.bool_], codes: NDArray[np.int64],
    gap: Callable[[NDArray[np.bool_], NDArray[np.bool_]], Estimate], *, of: str, condition: dict[str, Scalar],
    absent: str = "", least: float = 0.0, unit: str = "", overlap: bool = False,
) -> Contrast:  # fmt: skip
    """Return the contrast of a quantity at equal case mix.

    The gaps within strata are weighted by the share of all cases of the denominator in the stratum. Strata where a
    side has too few patients carry no weight, and the method says how much was compared.

    Args:
        ctx: The probe's context.
        metric: The metric's name.
        rows: (n,) bool, the denominator.
        codes: (n,) stratum of each case.
        gap: From the rows (n,) of a stratum and the members (n,) of a level to the gap there.
        of: What the strata are made of, in words.
        condition: Condition keys.
        absent: Why there is no such quantity at all, if so.
        least: Share of the denominator that must be compared; with less there is no number.
        unit: Unit of the quantity.
        overlap: True where the gaps of different strata rest on the same cases.
    """

    def estimate(members: Bools) -> Estimate:
        own = members & rows
        n, n_patients = int(own.sum()), count_patients(ctx.cohort.patients, own)
        if absent:
            return Estimate.absent(absent, method="none", n=n, n_patients=n_patients)
        parts, used = [], np.zeros(len(own), dtype=bool)
        for code in np.unique(codes[rows]):
            here = rows & (codes == code)
            found = gap(here, members)
            if found.value is not None:
                parts.append((float(here.sum()), found))
                used |= here
        compared = float(used.sum()) / max(1, int(rows.sum()))
        if not parts or compared < least:
            reason = NO_STRATUM.format(of=of) if not parts else f"only {compared:.0%} of the cases share a stratum"
            return Estimate.absent(reason, method="none", n=n, n_patients=n_patients)
        shared = overlap or _in_several(ctx.cohort.patients, codes, used)
        method = f"directly standardised over {len(parts)} strata that hold {compared:.0%} of the cases, MOVER"
        weighted = [(weight / used.sum(), part) for weight, part in parts]
        whose = count_patients(ctx.cohort.patients, own & used)
        return weighted_sum(weighted, shared=shared, method=method, n_patients=whose)

    return Contrast(metric=metric, denominator=rows, estimate=estimate, condition=condition, unit=unit)


def _in_several(patients: NDArray[np.int64], codes: NDArray[np.int64], used: NDArray[np.bool_]) -> bool:
    """Return whether a patient has cases in several strata."""
    pairs = np.unique(np.stack([patients[used], codes[used]], axis=1), axis=0)
    return len(pairs) > count_patients(patients, used)


def strata_codes(attributes: Sequence[Attribute], rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n,) codes of the combinations of levels that several attributes have.

    Args:
        attributes: Attributes of the cohort. A number without bins is cut into fifths of `rows`; unknown values are a
            stratum of their own.
        rows: (n,) bool, the cases that the fifths are taken over.
    """
    codes = np.zeros(len(rows), dtype=np.int64)
    for attribute in attributes:
        own = _codes(attribute, rows)
        codes = np.unique(np.stack([codes, own], axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes


def _codes(attribute: Attribute, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    numbers = attribute.numbers
    if numbers is None or attribute.spec.bins or np.unique(attribute.levels).size <= FIFTHS:
        return np.unique(attribute.levels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    known = np.isfinite(numbers)
    if not (known & rows).any():
        return np.where(known, 0, -1)
    edges = np.quantile(numbers[known & rows], np.linspace(0, 1, FIFTHS + 1)[1:-1])
    return np.where(known, np.searchsorted(edges, np.where(known, numbers, 0.0), side="right"), -1)
