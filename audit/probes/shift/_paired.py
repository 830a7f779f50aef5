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
ALIKE = "every case of the cohort gets the same answer, so that none could turn"
TOO_FEW = f"{{count}} patients were examined under this protocol and another, fewer than {FEWEST}"


def paired(ctx: ProbeContext, attribute: Attribute, view: ClassView, logit: Floats | None) -> Iterator[Measurement]:
    """Give, for each level that shares patients with the rest, what changes within these patients.

    Pairs are patients who have cases of one label on both sides, and among several classes of one class. Without any
    there is nothing to give: nobody was examined twice, and gaps are differences between patients. Where some levels
    have pairs, each gives its numbers, or that it has too few.

    Args:
        ctx: The probe's context.
        attribute: The protocol.
        view: The question of one class.
        logit: (n,) scores on the logit scale, or None where they have none.
    """
    from audit.stats import mean

    patients, labels = ctx.cohort.patients, view.labels
    # The other classes of a question are not one kind: what one of them wins another loses.
    kinds = ctx.clean.targets if ctx.card.task == "multiclass" else labels
    found = [(level, _Pairs(patients, kinds, labels, level.members)) for level in levels_of(attribute)]
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
            shift = pairs.apart(logit)
            offset = mean(shift, pairs.patients, ctx.levels)
            yield Measurement.of(offset, metric="paired_score_offset", unit="logit", direction="zero", **common)
        if view.decisions is None:
            flips = Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=whose)
        elif view.decisions.all() or not view.decisions.any():
            flips = Estimate.absent(ALIKE, method="none", n=n, n_patients=whose)
        else:
            flips = _rate(pairs.unlike(view.decisions), pairs.patients, ctx)
        yield Measurement.of(flips, metric="paired_flip_rate", direction="lower", **common)


def _condition(view: ClassView) -> dict[str, Scalar]:
    return {**view.condition, "stratum": SAME_PATIENTS}


def _rate(unlike: Floats, patients: NDArray[np.int64], ctx: ProbeContext) -> Estimate:
    from audit.stats import mean, proportion

    whole = np.isin(unlike, (0.0, 1.0))
    if whole.all():
        return proportion(unlike == 1.0, patients, ctx.levels)
    return mean(unlike, patients, ctx.levels, support=(0.0, 1.0))


class _Pairs:
    """Patients with cases of one kind inside and outside a level.

    Attributes:
        patients: (pairs,) patient of each row; a row is a patient and a label, over which kinds count alike.
    """

    def __init__(
        self, patients: NDArray[np.int64], kinds: NDArray[Any], labels: Bools, inside: Bools
    ) -> None:  # fmt: skip
        codes = np.unique(kinds, return_inverse=True)[1].reshape(-1)
        keys, group = np.unique(patients * (codes.max() + 1) + codes, return_inverse=True)
        group = group.reshape(-1)
        sides = [np.bincount(group[rows], minlength=len(keys)) > 0 for rows in (inside, ~inside)]
        both = sides[0] & sides[1]
        place = np.cumsum(both) - 1
        self._group, self._inside, self._count = np.where(both[group], place[group], -1), inside, int(both.sum())
        owner = np.zeros(len(keys), dtype=np.int64)
        owner[group] = 2 * patients + labels
        rows, self._row = np.unique(owner[both], return_inverse=True)
        self.patients = rows // 2

    def apart(self, values: Floats) -> Floats:
        """Return (pairs,) how much higher (n,) values lie inside than outside."""
        return self._over_kinds(self._means(values, inside=True) - self._means(values, inside=False))

    def unlike(self, decisions: Bools) -> Floats:
        """Return (pairs,) the share of pairs of cases, one from each side, that get different answers.

        Not whether the majority of a patient's cases turns: a protocol that turns four cases of ten turns no majority.
        """
        called = decisions.astype(np.float64)
        here, there = self._means(called, inside=True), self._means(called, inside=False)
        return self._over_kinds(here * (1 - there) + (1 - here) * there)

    def _means(self, values: Floats, *, inside: bool) -> Floats:
        rows = (self._group >= 0) & (self._inside == inside)
        sums = np.bincount(self._group[rows], values[rows], minlength=self._count)
        out: Floats = sums / np.bincount(self._group[rows], minlength=self._count)
        return out

    def _over_kinds(self, values: Floats) -> Floats:
        row = self._row.reshape(-1)
        out: Floats = np.bincount(row, values, minlength=len(self.patients)) / np.bincount(
            row, minlength=len(self.patients)
        )
        return out
