"""The same patients under several protocols: only here may a difference be put down to the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, ClassView, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._shared import NO_OPERATING_POINT, levels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

FEWEST = 5
SAME_PATIENTS = "same patients"
TOO_FEW = f"{{count}} patients were examined under this protocol and another, fewer than {FEWEST}"


def paired(ctx: ProbeContext, attribute: Attribute, view: ClassView, logit: Floats | None) -> Iterator[Measurement]:
    """Give, for each level that shares patients with the rest, what changes within these patients.

    Pairs are patients who have cases of one label on both sides. Without any there is nothing to give: nobody was
    examined twice, and gaps are differences between patients. Where some levels have pairs, each gives its numbers, or
    that it has too few.

    Args:
        ctx: The probe's context.
        attribute: The protocol.
        view: The question of one class.
        logit: (n,) scores on the logit scale, or None where they have none.
    """
    from audit.stats import mean, proportion

    found = [(level, _pairs(ctx.cohort.patients, view.labels, level.members)) for level in levels_of(attribute)]
    if all(len(np.unique(pairs.patients)) < FEWEST for _, pairs in found):
        return
    for level, pairs in found:
        n, whose = len(pairs.patients), len(np.unique(pairs.patients))
        common: dict[str, Any] = {
            "level": ctx.levels.confidence,
            "subgroup": level.subgroup,
            "condition": _condition(view),
        }
        if whose < FEWEST:
            few = Estimate.absent(TOO_FEW.format(count=whose), method="none", n=n, n_patients=whose)
            if logit is not None:
                yield Measurement.of(few, metric="paired_score_offset", unit="logit", direction="zero", **common)
            yield Measurement.of(few, metric="paired_flip_rate", direction="lower", **common)
            continue
        if logit is not None:
            shift = pairs.means(logit, inside=True) - pairs.means(logit, inside=False)
            offset = mean(shift, pairs.patients, ctx.levels)
            yield Measurement.of(offset, metric="paired_score_offset", unit="logit", direction="zero", **common)
        if view.decisions is None:
            flips = Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=whose)
        else:
            called = view.decisions.astype(np.float64)
            # A patient who is called ill in most images of one protocol and in few of the other has two answers.
            turned = (pairs.means(called, inside=True) >= 0.5) != (pairs.means(called, inside=False) >= 0.5)
            flips = proportion(turned, pairs.patients, ctx.levels)
        yield Measurement.of(flips, metric="paired_flip_rate", direction="lower", **common)


def _condition(view: ClassView) -> dict[str, Scalar]:
    return {**view.condition, "stratum": SAME_PATIENTS}


class _Pairs:
    """Patients with cases of one label inside and outside a level, a row for each patient and label."""

    def __init__(self, group: NDArray[np.int64], inside: Bools, keys: NDArray[np.int64]) -> None:
        self._group, self._inside, self._count = group, inside, len(keys)
        self.patients = keys

    def means(self, values: Floats, *, inside: bool) -> Floats:
        """Return (pairs,) mean of (n,) values on one side."""
        rows = (self._group >= 0) & (self._inside == inside)
        sums = np.bincount(self._group[rows], values[rows], minlength=self._count)
        out: Floats = sums / np.bincount(self._group[rows], minlength=self._count)
        return out


def _pairs(patients: NDArray[np.int64], labels: Bools, inside: Bools) -> _Pairs:
    keys, group = np.unique(2 * patients + labels, return_inverse=True)
    group = group.reshape(-1)
    both = (np.bincount(group[inside], minlength=len(keys)) > 0) & (
        np.bincount(group[~inside], minlength=len(keys)) > 0
    )
    place = np.cumsum(both) - 1
    return _Pairs(np.where(both[group], place[group], -1), inside, keys[both] // 2)
