"""The curves behind the numbers of localisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.core import ProbeContext
from audit.explain import CONTROLS, controls_of, plain_name
from audit.probes.explanation._localise import Localised
from audit.stats import RATES, froc_curve, froc_sensitivity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = 3
_RESAMPLES = 400


def keep_curves(ctx: ProbeContext, found: Localised, methods: Sequence[str]) -> None:
    """Keep the FROC curve of every sound method and of the controls, with intervals for the first methods.

    Args:
        ctx: The probe's context.
        found: Where maps point.
        methods: The sound methods.
    """
    names = found.complete()
    drawn = [m for m in methods if m in names]
    bounded = drawn[:_MOST]
    untrained = [c for c in controls_of(drawn[0], dict.fromkeys(names)) if c not in CONTROLS] if drawn else []
    shown = [*drawn, *CONTROLS, *untrained]
    rows = np.arange(len(found.cases))
    columns: dict[str, list[NDArray[np.float64]]] = {"sensitivity": [], "low": [], "high": []}
    for name in shown:
        value, low, high = _curve(ctx, found, name, rows, bounded=name in bounded)
        for key, values in zip(columns, (value, low, high), strict=True):
            columns[key].append(values)
    size = len(RATES)
    ctx.sink.artifact(
        "froc_curve",
        "Lesions found by the peaks of explanations, against false marks a case",
        {
            "name": np.repeat(np.array([plain_name(n) for n in shown], dtype=np.str_), size),
            "kind": np.repeat(np.array(['method' if n in drawn else 'control' for n in shown], dtype=np.str_), size),
            "rate": np.tile(np.array(RATES), len(shown)),
            **{key: np.concatenate(values) for key, values in columns.items()},
        },
        radius=found.on.words, cases=len(found.cases), lesions=int(sum(found.counts)), empty=found.empty,
        n_patients=int(np.unique(ctx.cohort.patients[np.array(found.cases)]).size),
    )  # fmt: skip


def _curve(
    ctx: ProbeContext, found: Localised, name: str, rows: NDArray[np.int64], *, bounded: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return sensitivities at the rates, with bounds where they are asked for and can be had, else NaN."""
    marks = found.marks(name, rows)
    low, high = np.full(len(RATES), np.nan), np.full(len(RATES), np.nan)
    patients = ctx.cohort.patients[np.array(found.cases)]
    for i, rate in enumerate(RATES if bounded else ()):
        estimate = froc_sensitivity(
            marks, patients, ctx.levels, ctx.rng, rates=(rate,), resamples=min(_RESAMPLES, ctx.budget.resamples)
        )
        bounds = estimate.bounds(ctx.levels.pointwise)
        if bounds is not None:
            low[i], high[i] = bounds
    return froc_curve(marks), low, high
