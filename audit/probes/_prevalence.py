"""From a cohort's own mix of classes to the declared prevalence of the intended use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from audit.core import IN_SAMPLE as IN_SAMPLE
from audit.core import Estimate, Prevalence, ProbeContext, Scalar
from audit.probes._shared import weighted_sum

NO_PREVALENCE = "no prevalence is declared for the intended use"
NOT_BINARY = "the declared prevalence is that of a binary task"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One prevalence at which a number is given.

    Args:
        prevalence: Share of positives, in (0, 1).
        condition: Condition keys of its measurements.
    """

    prevalence: float
    condition: dict[str, Scalar]


def settings(ctx: ProbeContext) -> tuple[Setting, ...]:
    """Return the declared prevalence and the ends of its declared range, none where nothing is declared.

    The three carry different conditions, so a rule that names none of them must hold over the whole declared range.
    """
    declared = ctx.intended_use.prevalence
    if declared is None or ctx.card.task != "binary":
        return ()
    return tuple(
        Setting(prevalence=value, condition={"parameter": f"prevalence {value:g}"}) for value in _values(declared)
    )


def _values(declared: Prevalence) -> tuple[float, ...]:
    given = (declared.value, declared.low, declared.high)
    return tuple(dict.fromkeys(value for value in given if value is not None and 0 < value < 1))


# Designs in which as many are ill as among those whom the sample stands for.
REPRESENTATIVE = ("consecutive", "random")


def sample_stratum(ctx: ProbeContext) -> str:
    """Return the stratum of a number in the mix of the cohort itself: by its design, or of this sample alone."""
    return f"{ctx.cohort.design} sample" if ctx.cohort.design in REPRESENTATIVE else IN_SAMPLE


def why_not(ctx: ProbeContext) -> str:
    """Return why nothing can be given at a declared prevalence."""
    return NO_PREVALENCE if ctx.intended_use.prevalence is None else NOT_BINARY


def predictive_value(
    right: Estimate, other: Estimate, share: float, *, shared: bool, n_patients: int, method: str
) -> Estimate:
    """Return a predictive value at a prevalence by Bayes' theorem.

    With `right` the sensitivity, `other` the specificity and `share` the prevalence it is the positive predictive
    value; with the two exchanged and one minus the prevalence, the negative one. Its odds are the prior odds times a
    likelihood ratio right / (1 - other). The interval is that of the ratio's logarithm by variance estimates recovery
    (Zou and Donner 2008); at a rate of exactly 0 or 1, and where the two rates share patients, both rates are taken at
    half the level instead, which holds under any dependence (Bonferroni).

    Args:
        right: Rate of right decisions in the class that the value is about.
        other: Rate of right decisions in the other class.
        share: Share of the class that the value is about, in (0, 1).
        shared: True where patients have cases of both classes.
        n_patients: Patients of both classes.
        method: What the interval is called.
    """
    n = right.n + other.n
    for part in (right, other):
        if part.value is None:
            return Estimate.absent(part.missing or "missing", method=method, n=n, n_patients=n_patients)
    a, b = right.value or 0.0, other.value or 0.0
    if a == 0 and b == 1:
        reason = "no case is decided this way, so there is no predictive value"
        return Estimate.absent(reason, method=method, n=n, n_patients=n_patients)
    rectangle = shared or a == 0 or b == 1
    bounds = _rectangle if rectangle else _recovered
    curve = tuple((level, *bounds(right, other, share, level)) for level, _, _ in right.curve)
    return Estimate(value=_bayes(a, b, share), curve=curve, method=method, n=n, n_patients=n_patients)


def _bayes(right: float, other: float, share: float) -> float:
    hits, false = share * right, (1 - share) * (1 - other)
    return hits / (hits + false)


def _rectangle(right: Estimate, other: Estimate, share: float, level: float) -> tuple[float, float]:
    """Return the extreme values over the rectangle of both rates at half the level."""
    a, b = right.bounds(level / 2), other.bounds(level / 2)
    if a is None or b is None:
        # Beyond the strictest rung of the rates nothing is known, and that is what the bounds then say.
        return 0.0, 1.0
    # 0 / 0 at the corner where nothing is decided this way: any value is possible there.
    low = _bayes(a[0], b[0], share) if a[0] > 0 or b[0] < 1 else 0.0
    high = _bayes(a[1], b[1], share) if a[1] > 0 or b[1] < 1 else 1.0
    return low, high


def _recovered(right: Estimate, other: Estimate, share: float, level: float) -> tuple[float, float]:
    a, b = right.bounds(level), other.bounds(level)
    if a is None or b is None or right.value is None or other.value is None:
        return 0.0, 1.0
    centre = _log_odds(right.value, other.value, share)
    down = math.hypot(_log(right.value) - _log(a[0]), _log(1 - b[0]) - _log(1 - other.value))
    up = math.hypot(_log(a[1]) - _log(right.value), _log(1 - other.value) - _log(1 - b[1]))
    return _expit(centre - down), _expit(centre + up)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _log_odds(right: float, other: float, share: float) -> float:
    return math.log(share / (1 - share)) + _log(right) - _log(1 - other)


def _expit(x: float) -> float:
    if math.isinf(x):
        return 0.0 if x < 0 else 1.0
    return 0.5 * (1 + math.tanh(0.5 * x))


def at_prevalence(
    positives: Estimate, negatives: Estimate, prevalence: float, *, shared: bool, n_patients: int, method: str
) -> Estimate:
    """Return a mean over cases re-weighted to a prevalence: prevalence x positives + (1 - prevalence) x negatives."""
    parts = ((prevalence, positives), (1 - prevalence, negatives))
    return weighted_sum(parts, shared=shared, method=method, n_patients=n_patients)
