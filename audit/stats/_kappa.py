"""Cohen's kappa with patients as the unit of sampling, and the measures of agreement that readers are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Floats, Ints, Patients, alphas, estimate, finite, same_length, too_few
from audit.stats._jackknife import Jackknife, fisher_bounds, jackknife, patient_sums

Table = NDArray[np.float64]
KappaWeights = Literal["none", "linear", "quadratic"]


class Measure(Protocol):
    """A measure of agreement as a function of sums over cases, so that leaving out a patient is a subtraction."""

    @property
    def name(self) -> str:
        """What the measure is called."""
        ...

    @property
    def bounded(self) -> bool:
        """True where it lies between -1 and 1, so that Fisher's z applies."""
        ...

    def rows(self, a: NDArray[Any], b: NDArray[Any]) -> Table:
        """Return (n, q) contributions of the cases of two raters."""
        ...

    def value(self, sums: Table) -> Floats:
        """Return (m,) values from (m, q) sums, NaN where it cannot be computed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kappa:
    """Cohen's kappa; the second rater may be undecided between categories.

    Args:
        categories: Number of categories, those that nobody chose included.
        weights: How a disagreement counts: "none" (every one alike), "linear" or "quadratic" in its distance.
        bounded: It lies between -1 and 1.
    """

    categories: int
    weights: KappaWeights = "quadratic"
    bounded: bool = True

    @property
    def name(self) -> str:
        """What the measure is called."""
        return "kappa" if self.weights == "none" else f"{self.weights} weighted kappa"

    @property
    def costs(self) -> Floats:
        """(categories, categories) cost of each pair of answers."""
        steps = np.arange(self.categories)
        distance = np.abs(steps[:, None] - steps[None, :]).astype(np.float64)
        any_other = (distance > 0).astype(np.float64)
        known: dict[str, Floats] = {"none": any_other, "linear": distance, "quadratic": distance**2}
        if self.weights not in known:
            raise ValueError(f"weights: expected none, linear or quadratic, got {self.weights}")
        return known[self.weights]

    def rows(self, a: NDArray[Any], b: NDArray[Any]) -> Table:
        """Return (n, categories^2) cells of the table; `b` is (n,) indices or (n, categories) shares that add to 1."""
        one, two = self._shares("a", a), self._shares("b", b)
        return (one[:, :, None] * two[:, None, :]).reshape(len(one), -1)

    def _shares(self, name: str, answers: NDArray[Any]) -> Table:
        given = finite(name, answers)
        if given.ndim == 2:
            if given.shape[1] != self.categories:
                raise ValueError(f"{name}: expected {self.categories} shares a case, got {given.shape[1]}")
            return given
        index = given.astype(np.int64)
        if given.size and (given.min() < 0 or given.max() >= self.categories or not np.array_equal(index, given)):
            raise ValueError(f"{name}: expected categories 0 to {self.categories - 1}, got others")
        shares: Table = np.eye(self.categories)[index]
        return shares

    def value(self, sums: Table) -> Floats:
        """Return kappa from tables; NaN where chance alone leaves no disagreement."""
        tables = sums.reshape(len(sums), self.categories, self.categories)
        costs, total = self.costs, tables.sum(axis=(1, 2))
        observed = np.einsum("ij,mij->m", costs, tables)
        by_chance = np.einsum("ij,mi,mj->m", costs, tables.sum(axis=2), tables.sum(axis=1))
        out = np.full(len(sums), np.nan)
        # What is left of a single category after a subtraction is rounding.
        np.divide(observed * total, by_chance, out=out, where=by_chance > 1e-9 * np.maximum(total, 1.0))
        return 1 - out


@dataclass(frozen=True, kw_only=True)
class AbsoluteIcc:
    """ICC(A,1) of two raters of a number, which a shift between them lowers.

    Args:
        centre: Taken off both before squares are summed, so that no digits are lost.
        name: What it is called.
        bounded: It lies between -1 and 1.
    """

    centre: float = 0.0
    name: str = "ICC(A,1)"
    bounded: bool = True

    def rows(self, a: NDArray[Any], b: NDArray[Any]) -> Table:
        """Return (n, 6) moments."""
        x, y = finite("a", a) - self.centre, finite("b", b) - self.centre
        return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)

    def value(self, sums: Table) -> Floats:
        """Return ICC(A,1) from moments; NaN where nothing varies or with fewer than two cases."""
        n, x, y, xx, yy, xy = sums.T
        total = x + y
        with np.errstate(invalid="ignore", divide="ignore"):
            between = ((xx + yy + 2 * xy) / 2 - total**2 / (2 * n)) / (n - 1)
            raters = (x - y) ** 2 / (2 * n)
            error = ((xx + yy - 2 * xy) / 2 - raters) / (n - 1)
            bottom = between + error + 2 * (raters - error) / n
            out: Floats = np.where((n > 1.5) & (bottom > 0), (between - error) / bottom, np.nan)
        return out


@dataclass(frozen=True, kw_only=True)
class NearnessOfNumbers:
    """Mean absolute difference with a minus sign, so that higher is better as with the other measures.

    Args:
        name: What it is called.
        bounded: It has the target's unit and no bounds.
    """

    name: str = "mean absolute difference"
    bounded: bool = False

    def rows(self, a: NDArray[Any], b: NDArray[Any]) -> Table:
        """Return (n, 2): one, and minus the absolute difference."""
        off = -np.abs(finite("a", a) - finite("b", b))
        return np.stack([np.ones(len(off)), off], axis=1)

    def value(self, sums: Table) -> Floats:
        """Return the mean."""
        out = np.full(len(sums), np.nan)
        np.divide(sums[:, 1], sums[:, 0], out=out, where=sums[:, 0] > 0.5)
        return out


def agreement(measure: Measure, a: NDArray[Any], b: NDArray[Any], patients: Ints, levels: Levels) -> Estimate:
    """Estimate an agreement between -1 and 1 by patient jackknife and t on Fisher's z scale.

    Args:
        measure: `Kappa` or `AbsoluteIcc`.
        a: (n,) one rater's answers.
        b: (n,) the other's, or (n, categories) shares for a kappa.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value of at most 1. Absent with fewer than 5 patients, where it cannot be computed, also without one of the
        patients, and where the two never disagree.

    Raises:
        ValueError: The arrays do not fit together, or an answer is outside the categories.
    """
    same_length(a=np.asarray(a), patients=patients)
    if len(b) != len(patients):
        raise ValueError(f"b: expected {len(patients)} answers, got {len(b)}")
    found, n = Patients.of(patients), len(patients)
    method = f"{measure.name}, patient jackknife on Fisher's z"
    reason = "no cases" if n == 0 else too_few(found.count)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    drawn = jackknife(patient_sums(measure.rows(a, b), found), measure.value)
    reason = why_no_interval(drawn)
    if reason:
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    return estimate(
        drawn.value, fisher_bounds(drawn, alphas(levels)), levels, method=method, n=n, n_patients=found.count
    )


def why_no_interval(drawn: Jackknife) -> str | None:
    """Return why a jackknife of an agreement carries no interval, or None."""
    if not np.isfinite(drawn.value):
        return "it cannot be computed: only one answer was given"
    if not np.isfinite(drawn.left).all():
        return "it rests on a single patient: without that one it cannot be computed"
    if drawn.value >= 1 - 1e-12:
        return "no interval: they never disagree"
    return None
