"""The margins of `_objectives` on arrays, for attacks that only ask the model; torch is not needed for them."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._case_objectives import CandidateMargin
from audit.attacks._objectives import (
    BinaryMargin,
    GradeMargin,
    Objective,
    RunnerUpMargin,
    ToleranceMargin,
    threshold_log_odds,
)
from audit.core import NotApplicable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INFO = np.finfo(np.float64)
_PLAIN = (BinaryMargin, RunnerUpMargin, GradeMargin, ToleranceMargin)


@singledispatch
def array_margin(objective: Objective, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) margins of raw outputs, as `Objective.margin` gives them in float64.

    Args:
        objective: The objective; one without a formula here is asked through torch.
        raw: (n, k[, *spatial]) raw outputs.
        target: (n[, *spatial]) targets.

    Returns:
        Margins; what is no number stays none.

    Raises:
        NotApplicable: The objective has no formula here and torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise NotApplicable("the margin of this task needs torch, which is not installed") from error
    with torch.no_grad():
        out: NDArray[np.float64] = objective.margin(torch.as_tensor(raw), torch.as_tensor(target)).double().numpy()
    return out


def exact_margin(objective: Objective, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    """Return (n,) margins as `Objective.margin` gives them in float64, to the bit.

    Sums and choices are the same on arrays, which saves the way through torch; logarithms are not, to the last bit.

    Args:
        objective: The objective.
        raw: (n, k[, *spatial]) raw outputs.
        target: (n[, *spatial]) targets.
    """
    card = getattr(objective, "card", None)
    if isinstance(objective, _PLAIN) and (card is None or card.output in ("logits", "value")):
        with np.errstate(invalid="ignore"):
            return array_margin(objective, raw, target)
    import torch

    tensor, wanted = torch.as_tensor(raw), torch.as_tensor(target)
    out: NDArray[np.float64] = objective.margin(tensor, wanted).double().numpy()
    return out


@array_margin.register(BinaryMargin)
def _binary(objective: BinaryMargin, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    kind, limit = objective.card.output, objective.threshold
    if objective.column is not None or raw.shape[1] == 1:
        z = _crossing(raw[:, objective.column or 0], kind, limit)
    elif kind == "value":
        z = raw[:, 1] - limit
    else:
        every = raw if kind == "logits" else _log(raw)
        z = every[:, 1] - every[:, 0] - threshold_log_odds(limit)
    out: NDArray[np.float64] = np.where(target == 1, z, -z)
    return out


@array_margin.register(RunnerUpMargin)
def _runner_up(objective: RunnerUpMargin, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    return _apart(raw if objective.card.output == "logits" else _log(raw), target, 0.0)


@array_margin.register(GradeMargin)
def _grade(objective: GradeMargin, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    return _apart(raw if objective.card.output == "logits" else _log(raw), target, objective.within)


@array_margin.register(CandidateMargin)
def _candidate(objective: CandidateMargin, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    z = _crossing(raw, objective.card.output, objective.threshold)
    top = z.max(axis=1)
    standing = np.where(top > 0, np.maximum(z, 0).mean(axis=1), top)
    out: NDArray[np.float64] = np.where(target == 1, standing, -top)
    return out


@array_margin.register(ToleranceMargin)
def _tolerance(objective: ToleranceMargin, raw: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    error = raw[:, 0] - target
    out: NDArray[np.float64] = objective.tolerance - (error if objective.upward else -error)
    return out


def _apart(z: NDArray[np.float64], target: NDArray[Any], within: float) -> NDArray[np.float64]:
    """Return (n,) the best of the classes near the target minus the best of the others."""
    near = np.abs(np.arange(z.shape[1]) - np.asarray(target)[:, None]) <= within
    out: NDArray[np.float64] = np.where(near, z, -np.inf).max(axis=1) - np.where(near, -np.inf, z).max(axis=1)
    return out


def _crossing(one: NDArray[np.float64], output: str, threshold: float) -> NDArray[np.float64]:
    if output == "value":
        return one - threshold
    return (one if output in ("logits", "mask_logits") else _log_odds(one)) - threshold_log_odds(threshold)


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.log(np.maximum(p, _INFO.tiny)) - np.log1p(-np.minimum(p, 1 - _INFO.eps / 2))
    return out


def _log(p: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.log(np.maximum(p, _INFO.tiny))
    return out
