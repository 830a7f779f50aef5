"""Rows that say how much better a method is than the best of its controls, or why nothing can be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext, Scalar
from audit.explain import Paired, advantage, controls_of, plain_name, untrained_control
from audit.probes.explanation._collect import has_blank
from audit.probes.explanation._maps import Explainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_MAP = "the method gave no map"
NO_BLANK = "the untrained network has no map by this method, so one of the controls is missing"
NO_NUMBER = "the model gave no number on a changed image"
METHOD = "paired difference to the closest control"
RESOLUTION = 1e-4
"""Difference below which two scores, of a scale of 1, are the same but for the arithmetic of float32."""

LEAST_FALL = 0.02
"""Mean fall of the score below which curves are flat: in probability, or in standard deviations of the value."""
FLAT = "replacing pixels hardly changes the decision, in whatever order: the curves are flat"
UNTESTED = "the metric failed its self-test: it does not rank known pixels above the controls on these images"
NOTHING = "nothing to explain: every mask is empty"


def advantage_row(
    ctx: ProbeContext, explainer: Explainer, metric: str, values: Mapping[str, NDArray[np.float64]], method: str,
    patients: NDArray[np.int64], *, lower_is_better: bool, reason: str = "", scale: float = 1.0,
    paired: Paired | None = None, planned: int | None = None, **condition: Scalar,
) -> Measurement:  # fmt: skip
    """Return one advantage of a method over its controls.

    Args:
        ctx: The probe's context.
        explainer: Knows why a method has no map.
        metric: The metric's name.
        values: (n,) by map, methods and controls; a map without a value of every case is not among them.
        method: The method.
        patients: (n,) patient codes.
        lower_is_better: Which way is better.
        reason: Why there is no number whatever the values are; "" where there is one.
        scale: What counts as 1 of the values' unit.
        paired: How differences are bounded, by default for a fixed number of patients.
        planned: Patients that there were to look at, where the probe could stop early.
        condition: Further condition keys.
    """
    reason = why_absent(explainer, values, method) or reason
    if reason:
        n, n_patients = int(patients.size), int(np.unique(patients).size)
        estimate = Estimate.absent(reason, method=METHOD, n=n, n_patients=n_patients)
    else:
        controls = {name: values[name] for name in controls_of(method, values)}
        estimate, _ = advantage(
            values[method], controls, patients, ctx.levels, lower_is_better=lower_is_better,
            resolution=RESOLUTION * scale, paired=paired,
        )  # fmt: skip
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction="higher",
        condition={"attribution": method, **condition}, planned=planned,
    )  # fmt: skip


def why_absent(explainer: Explainer, values: Mapping[str, NDArray[np.float64]], method: str) -> str:
    """Return why a method cannot be held against its controls, "" where it can."""
    if method in explainer.refused:
        return explainer.refused[method]
    if method not in values:
        return NO_MAP
    if has_blank(explainer, method) and untrained_control(method) not in values:
        return NO_BLANK
    used = (method, *controls_of(method, values))
    return "" if all(np.isfinite(values[name]).all() for name in used) else NO_NUMBER


def margins(
    ctx: ProbeContext, values: Mapping[str, NDArray[np.float64]], method: str, patients: NDArray[np.int64], *,
    lower_is_better: bool, paired: Paired | None = None,
) -> dict[str, NDArray[np.generic]]:  # fmt: skip
    """Return columns of the difference to each control on its own, NaN where there is none."""
    names: Sequence[str] = controls_of(method, values)
    rows = []
    for name in names:
        estimate, _ = advantage(
            values[method], {name: values[name]}, patients, ctx.levels, lower_is_better=lower_is_better, paired=paired
        )
        bounds = estimate.bounds((1 - ctx.levels.confidence) / 2) or (np.nan, np.nan)
        rows.append((np.nan if estimate.value is None else estimate.value, *bounds, estimate.n_patients))
    table = np.array(rows, dtype=np.float64)
    return {
        "control": np.array([plain_name(name) for name in names]), "difference": table[:, 0], "low": table[:, 1],
        "high": table[:, 2], "n_patients": table[:, 3].astype(np.int64),
    }  # fmt: skip
