"""Bounds of weighted quantities of follow-up: patient bootstrap, with the caution that few events ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._auc import Area, area_bounds
from audit.stats._bootstrap import MAX_LOST, MIN_BEYOND, bootstrap_bounds
from audit.stats._common import MIN_PATIENTS, Bounds, Floats, Patients, alphas, clipped, estimate
from audit.stats._kernel import chunk_rows, patient_weights
from audit.stats._survival import FollowUp

Scale = Literal["area", "plain", "difference", "ratio", "positive", "share"]
SUPPORT: Mapping[Scale, tuple[float | None, float | None]] = {
    "area": (0.0, 1.0), "plain": (None, None), "difference": (-1.0, 1.0), "ratio": (0.0, None),
    "positive": (0.0, 1.0), "share": (0.0, 1.0),
}  # fmt: skip
METHODS: Mapping[Scale, str] = {
    "area": "patient bootstrap with censoring re-estimated, logit scale",
    "plain": "patient bootstrap with censoring re-estimated",
    "difference": "patient bootstrap with censoring re-estimated, the wider of two scales",
    "ratio": "patient bootstrap with censoring re-estimated, log scale",
    "positive": "patient bootstrap with censoring re-estimated, the wider of two scales",
    "share": "Clopper-Pearson at the effective n of a patient bootstrap",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of weighted cases.

    Args:
        name: Its name.
        of: From (b, n) weights, and those handed on by the censored, to (b,) numbers, NaN where there is none.
        scale: Where its bounds are made.
        level: Of a difference: from (b, n) weights to what is taken off.
        parts: Weight, which may be negative, and name of the shares that it is the sum of, where bounds allow for
            theirs.
        paired: The parts are of the same cases and no shares that exclude each other: their correlation counts.
    """

    name: str
    of: Callable[[Floats, Floats], Floats]
    scale: Scale
    level: Callable[[Floats], Floats] | None = None
    parts: tuple[tuple[float, str], ...] = ()
    paired: bool = False

    @property
    def method(self) -> str:
        """What the interval is called."""
        return METHODS[self.scale]


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """What the patients say of each side of the question.

    Args:
        events: Effective patients with the event by the horizon.
        free: Effective patients known to be free of it.
        patients: All patients.
    """

    events: int
    free: int
    patients: Patients

    @property
    def fewer(self) -> int:
        """Effective patients of the rarer side; a standard error knows no more degrees of freedom than they give."""
        return max(min(self.events, self.free), MIN_PATIENTS)


def estimates(
    quantities: Sequence[Quantity], follow_up: FollowUp, worth: Worth, levels: Levels, rng: np.random.Generator, *,
    resamples: int,
) -> Mapping[str, Estimate]:  # fmt: skip
    """Estimate several quantities from the same resamples of whole patients.

    Args:
        quantities: What is estimated.
        follow_up: Of the n cases.
        worth: What the patients are worth.
        levels: Levels of the bounds.
        rng: Generator.
        resamples: Number of resamples.

    Returns:
        Estimates by name; absent where one cannot be computed on all cases or on more than 1 % of the resamples, and
        where it does not vary.
    """
    n, code = len(worth.patients.code), worth.patients.code
    once = np.ones((1, n))

    def table(weights: Floats) -> Floats:
        shares = follow_up.shares(weights)
        return np.stack([q.of(weights, shares) for q in quantities], axis=1)

    values = table(once)[0]
    rows = chunk_rows(n)
    draws = np.concatenate([
        table(weights[:, code]) for weights in patient_weights(worth.patients.count, resamples, rng, rows=rows)
    ])  # fmt: skip
    found = {
        q.name: _one(q, float(values[j]), draws[:, j], worth, levels, float(q.level(once)[0]) if q.level else 0.0)
        for j, q in enumerate(quantities)
    }
    spread = {q.name: float(np.nanstd(draws[:, j])) for j, q in enumerate(quantities) if found[q.name].curve}
    return {q.name: _allowing(q, found, spread) for q in quantities}


def _one(quantity: Quantity, value: float, draws: Floats, worth: Worth, levels: Levels, level: float) -> Estimate:
    n, count, method = len(worth.patients.code), worth.patients.count, quantity.method

    def absent(reason: str) -> Estimate:
        return Estimate.absent(reason, method=method, n=n, n_patients=count)

    if not np.isfinite(value):
        return absent("it cannot be computed on these cases")
    kept = draws[np.isfinite(draws)]
    lost = 1 - len(kept) / len(draws)
    if lost > MAX_LOST:
        return absent(f"it cannot be computed on {lost:.0%} of the resamples: too few patients of a kind")
    flat = np.ptp(kept) <= 1e-12 * max(1.0, abs(value))
    if flat and not (quantity.scale in ("share", "area") and value in (0.0, 1.0)):
        return absent("no interval: it does not vary between resamples")
    bounds = _bounds(quantity.scale, value, kept, worth, alphas(levels), level)
    held = clipped(bounds, SUPPORT[quantity.scale])
    return estimate(value, held, levels, method=method, n=n, n_patients=count)


def _bounds(scale: Scale, value: float, draws: Floats, worth: Worth, alpha: Floats, level: float) -> Bounds:
    if scale == "area":
        return _area(value, draws, worth, alpha)
    if scale == "share":
        return _share(value, draws, worth, alpha)
    if scale == "ratio":
        return _log(value, draws, worth, alpha)
    plain = bootstrap_bounds(value, draws, worth.fewer, alpha)
    if scale == "positive":
        return _wider(plain, _log(value, draws, worth, alpha))
    if scale == "difference":
        return _wider(plain, _difference(value, draws, worth, alpha, level))
    return plain


def _allowing(quantity: Quantity, found: Mapping[str, Estimate], spread: Mapping[str, float]) -> Estimate:
    """Return an estimate whose bounds are no narrower than variance estimates recovered from its parts make them.

    A net benefit is as skewed as the few events among those who are acted on, or spared, and where there happens to be
    none its resamples do not know that there might be. Parts that exclude each other are negatively correlated: the
    arms are longer by what the spread of the sum exceeds that of independent parts.
    """
    whole = found[quantity.name]
    if whole.value is None or not quantity.parts:
        return whole
    parts = [(weight, found[name]) for weight, name in quantity.parts]
    for _, part in parts:
        if part.value is None:
            reason = part.missing or "missing"
            return Estimate.absent(reason, method=whole.method, n=whole.n, n_patients=whole.n_patients)
    if quantity.paired:
        return _of_pairs(whole, parts, [abs(w) * spread[name] for w, name in quantity.parts], spread[quantity.name])
    alone = float(np.hypot.reduce([weight * spread[name] for weight, name in quantity.parts]))
    more = max(1.0, spread[quantity.name] / alone) if alone > 0 else 1.0
    curve = []
    for level, low, high in whole.curve:
        arms = [_arms(weight, part, level) for weight, part in parts]
        down, up = (more * float(np.hypot.reduce([arm[side] for arm in arms])) for side in (0, 1))
        curve.append((level, min(low, whole.value - down), max(high, whole.value + up)))
    return replace(whole, curve=tuple(curve), method=f"{whole.method}, no narrower than exact shares allow")


def _of_pairs(whole: Estimate, parts: list[tuple[float, Estimate]], spread: list[float], of_whole: float) -> Estimate:
    """Return a sum of two correlated parts with bounds no narrower than those recovered from theirs (Zou 2007)."""
    covered = float(np.prod(spread))
    r = float(np.clip((of_whole**2 - np.sum(np.square(spread))) / (2 * covered), -1, 1)) if covered > 0 else 0.0
    curve, value = [], whole.value or 0.0
    least, most = value, value
    for level, low, high in whole.curve:
        a, b = (_arms(weight, part, level) for weight, part in parts)
        down, up = (float(np.sqrt(max(0.0, a[i] ** 2 + b[i] ** 2 + 2 * r * a[i] * b[i]))) for i in (0, 1))
        # Skewed arms of nearly equal parts may cancel more at a rarer level; bounds never narrow.
        least, most = min(least, low, value - down), max(most, high, value + up)
        curve.append((level, max(-1.0, least), min(1.0, most)))
    return replace(whole, curve=tuple(curve), method=f"{whole.method}, no narrower than bounds of both allow")


def _arms(weight: float, part: Estimate, level: float) -> tuple[float, float]:
    """Return how far a weighted part may lie below and above its value."""
    value, (low, high) = part.value or 0.0, part.bounds(level) or (0.0, 1.0)
    arms = abs(weight) * (value - low), abs(weight) * (high - value)
    return arms if weight >= 0 else (arms[1], arms[0])


def _wider(one: Bounds, other: Bounds) -> Bounds:
    return np.minimum(one[0], other[0]), np.maximum(one[1], other[1])


def _log(value: float, draws: Floats, worth: Worth, alpha: Floats) -> Bounds:
    """Return bounds on the log scale; a resample at 0 counts as the smallest that is above it."""
    inside = draws[draws > 0]
    held = np.log(np.maximum(draws, inside.min()))
    low, high = bootstrap_bounds(float(np.log(value)), held, worth.fewer, alpha)
    return np.exp(low), np.exp(high)


def _difference(value: float, draws: Floats, worth: Worth, alpha: Floats, level: float) -> Bounds:
    """Return bounds of observed minus expected from those of their ratio, and of the ratio of their complements.

    Where events, or their absence, are rare, the difference is as skewed as a rare count, which its plain t interval
    does not know.
    """
    parts = []
    for base, sign in ((level, 1.0), (1 - level, -1.0)):
        ratio = 1 + sign * value / base if base > 0 else 0.0
        if ratio > 0:
            low, high = _log(ratio, 1 + sign * draws / base, worth, alpha)
            ends = base * (low - 1), base * (high - 1)
            parts.append(ends if sign > 0 else (-ends[1], -ends[0]))
    return _wider(parts[0], parts[-1])


def _area(value: float, draws: Floats, worth: Worth, alpha: Floats) -> Bounds:
    area = Area(
        value=value, variance=float(np.var(draws, ddof=1)), positive_patients=max(worth.events, 2),
        negative_patients=max(worth.free, 2), patients=worth.patients, of_positives=np.zeros(0),
        of_negatives=np.zeros(0),
    )  # fmt: skip
    found = area_bounds(area, alpha)
    if found is None:
        return np.full_like(alpha, np.nan), np.full_like(alpha, np.nan)
    low, high = found[0].copy(), found[1].copy()
    for i in np.flatnonzero(alpha * len(draws) >= MIN_BEYOND):
        low[i] = min(low[i], float(np.quantile(draws, alpha[i], method="lower")))
        high[i] = max(high[i], float(np.quantile(draws, 1 - alpha[i], method="higher")))
    return low, high


def _share(value: float, draws: Floats, worth: Worth, alpha: Floats) -> Bounds:
    from scipy.special import betaincinv

    spread, count = float(np.var(draws, ddof=1)), float(worth.patients.count)
    if value in (0.0, 1.0):
        # Nobody but those who were followed to the horizon, or had the event, says that there are no others.
        n_eff = float(worth.free if value == 0 else worth.events)
    else:
        n_eff = min(count, value * (1 - value) / spread)
    hits, misses = value * n_eff, (1 - value) * n_eff
    low = betaincinv(hits, misses + 1, alpha) if hits > 0 else np.zeros_like(alpha)
    high = 1 - betaincinv(misses, hits + 1, alpha) if misses > 0 else np.ones_like(alpha)
    return np.asarray(low), np.asarray(high)
