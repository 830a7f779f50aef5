"""Two risks of an event by a horizon, on the same patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Floats, finite, same_length
from audit.stats._horizon import Followed, estimated
from audit.stats._horizon_bounds import Quantity
from audit.stats._kernel import Ranking


def auc_difference_at_horizon(
    cases: Followed, other: Floats, levels: Levels, rng: np.random.Generator, *, resamples: int
) -> Estimate:
    """Estimate the AUC at the horizon of one risk minus that of another on the same cases.

    Both are the cumulative/dynamic AUC of `ranking_at_horizon`. Whole patients are resampled, both areas and the
    censoring estimated anew each time; the bounds are no narrower than those recovered from the bounds of both areas
    and their correlation (Zou 2007).

    Args:
        cases: Risks and follow-up.
        other: (n,) finite, the other risk, on any scale.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.

    Returns:
        Value in [-1, 1]; absent as in `ranking_at_horizon`, and where the two rank alike in every resample.

    Raises:
        ValueError: The arrays are not of one length, or a number is not finite.

    References:
        Zou 2007, Toward using confidence intervals to compare correlations, Psychological Methods 12.
    """
    same_length(risk=cases.risk, other=other)
    failed, free = np.flatnonzero(cases.follow_up.failed), np.flatnonzero(cases.follow_up.free)
    own, theirs = Ranking(cases.risk, failed, free), Ranking(finite("other", other), failed, free)
    quantities = (
        Quantity("own", lambda _, v: own.area(v), "area"),
        Quantity("theirs", lambda _, v: theirs.area(v), "area"),
        Quantity(
            "difference", lambda _, v: own.area(v) - theirs.area(v), "plain", parts=((1.0, "own"), (-1.0, "theirs")),
            paired=True,
        ),
    )  # fmt: skip
    found = estimated(cases, quantities, levels, rng, resamples)["difference"]
    return found if found.value is None else replace(found, value=float(np.clip(found.value, -1, 1)))
