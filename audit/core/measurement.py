"""A number with its interval, its n and its patients, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from audit.core.canonical import SPARSE
from audit.core.levels import LADDER

Scalar = str | int | float | bool | None
Curve = tuple[tuple[float, float, float], ...]
Direction = Literal["higher", "lower", "zero", "none"]
COUNT = "count"
# The stratum of a number that depends on prevalence where none is declared: it holds for this cohort's mix alone.
IN_SAMPLE = "in this sample"


def frozen(mapping: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return a read-only copy of the mapping with sorted keys."""
    return MappingProxyType({k: mapping[k] for k in sorted(mapping)})


def _finite(x: object) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


def check_curve(curve: Curve) -> None:
    """Check that a curve holds finite rungs that widen as the level falls.

    Raises:
        ValueError: A bound is not finite, low is above high, or a rung is narrower than the one before it.
    """
    previous: tuple[float, float, float] | None = None
    for level, low, high in curve:
        if not (_finite(level) and _finite(low) and _finite(high) and low <= high):
            raise ValueError(f"curve: expected finite low <= high, got {(level, low, high)}")
        if previous is not None:
            if level >= previous[0]:
                raise ValueError(f"curve: expected falling levels, got {previous[0]} then {level}")
            if low > previous[1] + 1e-12 or high < previous[2] - 1e-12:
                raise ValueError(f"curve: expected bounds that widen, got {previous} then {(level, low, high)}")
        previous = (level, low, high)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a statistical method says of some cases: a value with bounds at every rung, or why there is none.

    Args:
        value: The point estimate, finite, or None.
        curve: `(one-sided level, low, high)`, levels falling.
        method: The method's name, or "count" for a fact of this cohort.
        n: Cases in the estimate's own denominator.
        n_patients: Patients in it.
        k: Numerator, where the estimate is a proportion.
        missing: Why there is no value.
    """

    value: float | None
    curve: Curve = ()
    method: str
    n: int
    n_patients: int
    k: float | None = None
    missing: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.n_patients <= self.n:
            raise ValueError(f"expected 0 <= n_patients <= n, got n={self.n}, n_patients={self.n_patients}")
        if self.k is not None and not math.isfinite(self.k):
            raise ValueError(f"expected a finite numerator, got {self.k!r}")
        if self.value is None:
            if not self.missing:
                raise ValueError("a missing value needs its reason")
            return
        if self.missing:
            raise ValueError("a value and a reason for its absence exclude each other")
        if not _finite(self.value):
            raise ValueError(f"expected a finite value, got {self.value!r}")
        check_curve(self.curve)
        if self.method != COUNT and not self.curve:
            raise ValueError("expected an interval with every value that is not a count")

    @classmethod
    def absent(cls, reason: str, *, method: str, n: int = 0, n_patients: int = 0, k: float | None = None) -> Estimate:
        """Return an estimate without a value, for a stated reason."""
        return cls(value=None, method=method, n=n, n_patients=n_patients, k=k, missing=reason)

    @classmethod
    def counted(cls, value: float, *, n: int, n_patients: int, k: float | None = None) -> Estimate:
        """Return a fact of this cohort: no sampling error, low = high = value."""
        return cls(value=value, method=COUNT, n=n, n_patients=n_patients, k=k)

    def bounds(self, level: float) -> tuple[float, float] | None:
        """Return (low, high) at a one-sided level; between rungs the stricter (wider) rung counts.

        Args:
            level: One-sided level in (0, 0.5).

        Returns:
            The bounds, or None where there is no value or no rung at or below the level.
        """
        return bounds_at(self.value, self.curve, self.method, level)


def bounds_at(value: float | None, curve: Curve, method: str, level: float) -> tuple[float, float] | None:
    """Return the bounds that a curve gives at a one-sided level, the next stricter rung where there is none."""
    if value is None:
        return None
    if method == COUNT:
        return value, value
    for rung, low, high in sorted(curve, key=lambda r: -r[0]):
        if rung <= level * (1 + 1e-9):
            return low, high
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One number of one probe, as rules judge it and as the report prints it.

    Args:
        metric: A metric that the probe declares.
        value: Finite, or None with `missing`.
        low: Lower pointwise bound at `level`.
        high: Upper pointwise bound at `level`.
        level: Two-sided confidence of low and high.
        curve: `(one-sided level, low, high)`, levels falling, bounds widening.
        method: The interval's method; "count" for a fact of this cohort.
        k: Numerator where it is a proportion.
        n: Cases in the measurement's own denominator (positives for sensitivity).
        n_patients: Patients in it.
        unit: Unit of the value, empty for a share or an AUC.
        direction: Which way is better.
        subgroup: Level by attribute, empty for the whole cohort.
        condition: Fixed keys of DESIGN (epsilon, attack, class, stratum, n_rest, ...).
        missing: Why there is no value.
        simultaneous: Interval that holds for all subgroups together, where there is one.
        contrast: The same text on two measurements that are mirror images of one contrast.
        planned: Patients that there were to look at, where the probe could stop before all of them; its interval then
            holds whenever it stopped. None where the number of patients was fixed.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    curve: Curve = ()
    method: str
    k: float | None = None
    n: int
    n_patients: int
    unit: str = ""
    direction: Direction = "none"
    subgroup: Mapping[str, Scalar] = field(default_factory=dict)
    condition: Mapping[str, Scalar] = field(default_factory=dict)
    missing: str | None = None
    simultaneous: tuple[float, float] | None = None
    contrast: str | None = None
    planned: int | None = field(default=None, metadata=SPARSE)

    def __post_init__(self) -> None:
        if self.planned is not None and self.planned < self.n_patients:
            raise ValueError(f"{self.metric}: expected at most {self.planned} patients, got {self.n_patients}")
        object.__setattr__(self, "subgroup", frozen(self.subgroup))
        object.__setattr__(self, "condition", frozen(self.condition))
        for key, value in self.condition.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"condition {key}: expected a finite number, got {value}")
        self.estimate()
        if self.value is None:
            if self.low is not None or self.high is not None:
                raise ValueError("a missing value has no interval")
            return
        if self.low is None or self.high is None or not (_finite(self.low) and _finite(self.high)):
            raise ValueError(f"{self.metric}: expected a finite interval, got {self.low} to {self.high}")
        if self.low > self.high:
            raise ValueError(f"{self.metric}: expected low <= high, got {self.low} to {self.high}")
        if self.method == COUNT and not self.low == self.high == self.value:
            raise ValueError(f"{self.metric}: a count has low = high = value")
        if self.method != COUNT and not set(LADDER) <= {rung[0] for rung in self.curve}:
            raise ValueError(f"{self.metric}: expected a curve with every rung of the ladder")
        if self.simultaneous is not None:
            least, most = self.simultaneous
            if not (_finite(least) and _finite(most) and least <= most):
                raise ValueError(f"{self.metric}: expected a finite simultaneous interval with low <= high")

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        *,
        metric: str,
        level: float,
        unit: str = "",
        direction: Direction = "none",
        subgroup: Mapping[str, Scalar] | None = None,
        condition: Mapping[str, Scalar] | None = None,
        simultaneous: tuple[float, float] | None = None,
        contrast: str | None = None,
        planned: int | None = None,
    ) -> Measurement:
        """Return the measurement of a metric from an estimate.

        Args:
            estimate: Value, curve and counts.
            metric: The metric's name.
            level: Two-sided confidence of the pointwise interval.
            unit: Unit of the value.
            direction: Which way is better.
            subgroup: Level by attribute.
            condition: Fixed condition keys.
            simultaneous: Interval that holds for all subgroups together.
            contrast: Key shared with this measurement's mirror image.
            planned: Patients that there were to look at, where the probe could stop early.
        """
        bounds = estimate.bounds((1 - level) / 2)
        low, high = bounds if bounds is not None else (None, None)
        return cls(
            metric=metric, value=estimate.value, low=low, high=high, level=level, curve=estimate.curve,
            method=estimate.method, k=estimate.k, n=estimate.n, n_patients=estimate.n_patients, unit=unit,
            direction=direction, subgroup=subgroup or {}, condition=condition or {}, missing=estimate.missing,
            simultaneous=simultaneous, contrast=contrast, planned=planned,
        )  # fmt: skip

    def estimate(self) -> Estimate:
        """Return the statistical part, whose invariants it checks."""
        return Estimate(
            value=self.value, curve=self.curve, method=self.method, n=self.n, n_patients=self.n_patients,
            k=self.k, missing=self.missing,
        )  # fmt: skip

    def with_condition(self, **condition: Scalar) -> Measurement:
        """Return the same measurement under further condition keys."""
        return replace(self, condition={**self.condition, **condition})


def contrast_key(attribute: str, levels: Iterable[str], metric: str) -> str:
    """Return the key that the two mirror images of a two-level contrast share."""
    return f"{metric}:{attribute}:" + "|".join(sorted(levels))
