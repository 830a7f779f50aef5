"""Net benefit of acting on risks at a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._calibration import probabilities
from audit.stats._common import Bools, Floats
from audit.stats._horizon import Followed, estimated, share_ill
from audit.stats._horizon_bounds import Quantity

BENEFIT = ("net_benefit", "net_benefit_over_all")


def benefit_at_horizon(
    cases: Followed, levels: Levels, rng: np.random.Generator, *, resamples: int, threshold: float
) -> Mapping[str, Estimate]:
    """Estimate the net benefit of acting on the cases at or above a threshold of risk.

    Kaplan-Meier risk at the horizon among these cases, times their share, less the odds of the threshold times the
    share of those who stay free of it (Vickers and others 2008). Censoring is estimated among these cases alone.

    Args:
        cases: Risks in [0, 1] and follow-up.
        levels: Levels of the bounds.
        rng: Generator; equal generators give equal results.
        resamples: Number of resamples, at least 100.
        threshold: Risk in (0, 1) from which on acting is right.

    Returns:
        `net_benefit`, over acting on nobody, and `net_benefit_over_all`, in true positives a case; absent as in
        `ranking_at_horizon`, and where nobody or everybody is at or above the threshold. Where few of those acted on,
        or of those spared, had the event, bounds allow for exact binomial ones of that share.

    Raises:
        ValueError: A risk is outside [0, 1], or the threshold outside (0, 1).

    References:
        Vickers, Cronin, Elkin and Gonen 2008, Extensions to decision curve analysis, a novel method for evaluating
        diagnostic tests, prediction models and molecular markers, BMC Medical Informatics and Decision Making 8.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: expected a risk in (0, 1), got {threshold}")
    acted, odds = probabilities(cases.risk) >= threshold, threshold / (1 - threshold)
    if acted.all() or not acted.any():
        everybody = "every case" if acted.all() else "no case"
        reason = f"{everybody} has a risk of {threshold:g} or more, so the threshold tells nobody apart"
        return estimated(cases, [Quantity(name, _nothing, "plain") for name in BENEFIT], levels, rng, resamples, reason)
    parts, failed = _Parts(cases, acted), cases.follow_up.failed

    def benefit(w: Floats, _: Floats) -> Floats:
        return parts.share(w, 0) - odds * parts.share(w, 1)

    def over_all(w: Floats, v: Floats) -> Floats:
        observed = share_ill(w, v, failed)
        return benefit(w, v) - (observed - odds * (1 - observed))

    hits, alarms, missed, quiet = _Parts.NAMES
    quantities = (
        Quantity("net_benefit", benefit, "plain", parts=((1.0, hits), (-odds, alarms))),
        Quantity("net_benefit_over_all", over_all, "plain", parts=((-1.0, missed), (odds, quiet))),
        *(Quantity(name, partial(parts.column, k), "share") for k, name in enumerate(_Parts.NAMES)),
    )  # fmt: skip
    found = estimated(cases, quantities, levels, rng, resamples)
    return {name: found[name] for name in BENEFIT}


class _Parts:
    """Shares of all cases that are called or spared and ill or well, censoring estimated among either alone."""

    NAMES = ("called, ill", "called, well", "spared, ill", "spared, well")

    def __init__(self, cases: Followed, acted: Bools) -> None:
        self._sides = [(rows, cases.of(rows).follow_up) for rows in (acted, ~acted)]
        self._last: tuple[Floats, list[Floats]] | None = None

    def share(self, weights: Floats, k: int) -> Floats:
        """Return (b,) shares of one part; those of the weights seen last are kept, since all parts come together."""
        if self._last is None or self._last[0] is not weights:
            total, found = weights.sum(axis=1), []
            for rows, follow_up in self._sides:
                shares = follow_up.shares(weights[:, rows])
                found += [shares @ which.astype(float) / total for which in (follow_up.failed, follow_up.free)]
            self._last = weights, found
        return self._last[1][k]

    def column(self, k: int, weights: Floats, _: Floats) -> Floats:
        """Return one part as a quantity."""
        return self.share(weights, k)


def _nothing(weights: Floats, _: Floats) -> Floats:
    return np.full(len(weights), np.nan)
