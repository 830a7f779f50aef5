"""Figures of risks at a horizon: predicted against observed, and net benefit by threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.core.binning import equal_mass_bins
from audit.probes._shared import count_patients

if TYPE_CHECKING:
    from audit.stats import Followed

MOST_GROUPS = 10
EVENTS_EACH = 10
POINTS = 24
RESAMPLES = 200


def draw_calibration(ctx: ProbeContext, cases: Followed) -> None:
    """Keep the mean risk said and the Kaplan-Meier risk of groups of equal size, as many as the events allow."""
    from audit.stats import observed_risk

    failed = cases.follow_up.failed
    groups = int(np.clip(count_patients(cases.patients, failed) // EVENTS_EACH, 2, MOST_GROUPS))
    code = equal_mass_bins(cases.risk, groups)
    rows: list[dict[str, float]] = []
    for index in range(int(code.max()) + 1):
        own = cases.of(code == index)
        found = observed_risk(own, ctx.levels, ctx.rng, resamples=ctx.budget.resamples)
        if found.value is None:
            continue
        low, high = found.bounds(ctx.levels.pointwise) or (0.0, 1.0)
        rows.append({
            "predicted": float(own.risk.mean()), "observed": found.value, "low": low, "high": high, "n": found.n,
            "n_patients": found.n_patients, "events": int(own.follow_up.failed.sum()),
            "risk_from": float(own.risk.min()), "risk_to": float(own.risk.max()),
        })  # fmt: skip
    if rows:
        ctx.sink.artifact(
            "calibration_at_horizon", "Kaplan-Meier risk by the horizon against the mean risk said, groups of risk",
            {name: np.array([row[name] for row in rows]) for name in rows[0]}, horizon=cases.horizon,
            groups_without_a_number=int(code.max()) + 1 - len(rows),
        )  # fmt: skip


def draw_benefit(ctx: ProbeContext, cases: Followed, found: Mapping[str, Estimate]) -> None:
    """Keep net benefit by threshold, the measured point among them, with acting on all and on nobody."""
    from audit.stats import benefit_at_horizon

    point, observed = ctx.card.operating_point, found["observed_risk"].value
    if observed is None:
        return
    own = float(point) if isinstance(point, (int, float)) and 0 < point < 1 else None
    last = min(0.95, max(0.5, 1.5 * (own or 0.0)))
    rows = []
    for threshold in np.union1d(np.linspace(0.01, last, POINTS), [] if own is None else [own]):
        at = float(threshold)
        # The interval of a figure needs fewer resamples than one that is judged.
        here = found["net_benefit"] if at == own else benefit_at_horizon(
            cases, ctx.levels, ctx.rng, resamples=min(RESAMPLES, ctx.budget.resamples), threshold=at
        )["net_benefit"]  # fmt: skip
        bounds = here.bounds(ctx.levels.pointwise)
        if here.value is None or bounds is None:
            continue
        rows.append((at, here.value, *bounds, observed - at / (1 - at) * (1 - observed), 0.0))
    if rows:
        columns = ("threshold", "model", "low", "high", "treat_all", "treat_none")
        about: dict[str, Any] = {"horizon": cases.horizon, "operating_point": own}
        ctx.sink.artifact(
            "net_benefit_curve", "Net benefit by threshold of risk, Kaplan-Meier at the horizon",
            dict(zip(columns, np.array(rows).T, strict=True)), **about,
        )  # fmt: skip
