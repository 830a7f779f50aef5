"""Metrics of fairlearn and scikit-learn by name: of a level minus the rest, or of all levels together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext, Scalar
from audit.metrics import DECIDED, DISPARITIES, FAIRLEARN_PREFIX, RATES, VALUED, base_of
from audit.probes._shared import (
    NO_OPERATING_POINT,
    SINGLE_LEVEL,
    Contrast,
    Level,
    contrast_levels,
    count_patients,
    levels_of,
    share_contrast,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 5
RESAMPLES = 400
ALL_LEVELS = "(all levels)"
ALIKE = "no interval: all cases of a class were decided alike on one side, so that resampling sees no error"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """Reference and answer of every case, as a metric takes them.

    Args:
        labels: (n,) 0 or 1, or the target of a real value.
        scores: (n,) score of the class, or the value.
        decisions: (n,) 0 or 1, or None where no operating point is declared.
        condition: Condition keys.
    """

    labels: NDArray[Any]
    scores: NDArray[np.float64]
    decisions: NDArray[Any] | None
    condition: dict[str, Scalar]

    def answers(self, name: str) -> NDArray[Any] | None:
        """Return what a metric compares with the reference."""
        return self.decisions if name in DECIDED else self.scores


def named_metrics(ctx: ProbeContext, attribute: Attribute) -> Iterator[Measurement]:
    """Give the metrics that the run asks for by fairlearn's or scikit-learn's name."""
    for name in ctx.fairlearn_metrics:
        for asked in _questions(ctx, base_of(name)[0][0]):
            if name in DISPARITIES:
                yield _disparity(ctx, attribute, asked, name)
            else:
                yield from contrast_levels(ctx, attribute, _contrast(ctx, asked, name))


def _questions(ctx: ProbeContext, name: str) -> Iterator[_Asked]:
    """Give each class, or the real value; nothing where the metric is of another task."""
    if name in VALUED:
        if ctx.card.task == "regression":
            yield _Asked(
                labels=np.asarray(ctx.clean.targets, dtype=np.float64), scores=ctx.clean.scores, decisions=None,
                condition={},
            )  # fmt: skip
        return
    for view in ctx.clean.views:
        decisions = None if view.decisions is None else view.decisions.astype(np.int64)
        yield _Asked(
            labels=view.labels.astype(np.int64), scores=view.scores, decisions=decisions, condition=view.condition
        )


def _contrast(ctx: ProbeContext, asked: _Asked, name: str) -> Contrast:
    """Return the contrast of a level with the rest, by the closed interval where there is one."""
    metric = f"{FAIRLEARN_PREFIX}{name}"
    if name in RATES:
        rows, hits = _share(asked, name)
        return share_contrast(ctx, metric, rows, hits, condition=asked.condition)
    everyone = np.ones(len(asked.labels), dtype=bool)
    return Contrast(
        metric=metric, denominator=everyone, condition=asked.condition,
        estimate=lambda members: _gap(ctx, asked, name, members),
    )  # fmt: skip


def _share(asked: _Asked, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return the denominator and the hits of a rate."""
    labels, everyone = asked.labels == 1, np.ones(len(asked.labels), dtype=bool)
    if asked.decisions is None:
        return everyone, None
    called = asked.decisions == 1
    shares = {
        "true_positive_rate": (labels, called), "recall_score": (labels, called),
        "false_negative_rate": (labels, ~called), "true_negative_rate": (~labels, ~called),
        "false_positive_rate": (~labels, called), "selection_rate": (everyone, called),
        "accuracy_score": (everyone, called == labels), "zero_one_loss": (everyone, called != labels),
        "precision_score": (called, labels),
    }  # fmt: skip
    return shares[name]


def _gap(ctx: ProbeContext, asked: _Asked, name: str, members: NDArray[np.bool_]) -> Estimate:
    from audit.stats import auc_gap, bootstrap, mean_gap

    patients, levels = ctx.cohort.patients, ctx.levels
    n, n_patients = int(members.sum()), count_patients(patients, members)
    if asked.answers(name) is None:
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=n_patients)
    if ctx.card.output == "value" and name in ("log_loss", "brier_score_loss"):
        return Estimate.absent("the scores are no probabilities", method="none", n=n, n_patients=n_patients)
    if name == "roc_auc_score":
        return auc_gap(asked.scores, asked.labels == 1, members, patients, levels)
    values = _by_case(asked, name)
    if values is not None:
        return mean_gap(values, members, patients, levels)
    reason = _too_poor(ctx, asked, name, members)
    if reason:
        return Estimate.absent(reason, method="none", n=n, n_patients=n_patients)
    of = function(name)

    def statistic(weights: NDArray[np.float64]) -> float | None:
        sides = [of(asked, name, weights * side) for side in (members, ~members)]
        return None if sides[0] is None or sides[1] is None else sides[0] - sides[1]

    found = bootstrap(statistic, patients, levels, ctx.rng, resamples=_resamples(ctx), method="patient bootstrap")
    return replace(found, n=n, n_patients=n_patients)


def _by_case(asked: _Asked, name: str) -> NDArray[np.float64] | None:
    """Return (n,) values whose mean the metric is, or None where it is no mean over cases."""
    labels, scores = np.asarray(asked.labels, dtype=np.float64), asked.scores
    if name == "mean_prediction":
        return scores
    if name in ("brier_score_loss", "mean_squared_error"):
        return (scores - labels) ** 2
    if name == "mean_absolute_error":
        return np.abs(scores - labels)
    if name == "log_loss":
        least = np.finfo(np.float64).eps
        inside = np.clip(scores, least, 1 - least)
        loss: NDArray[np.float64] = -np.where(labels == 1, np.log(inside), np.log1p(-inside))
        return loss
    return None


def _too_poor(ctx: ProbeContext, asked: _Asked, name: str, members: NDArray[np.bool_]) -> str:
    """Return why resampling would say too much of a side: too few patients, or no error in a class."""
    for side, rows in (("subgroup", members), ("rest", ~members)):
        kinds = (rows,) if name in VALUED else (rows & (asked.labels == 1), rows & (asked.labels == 0))
        for kind in kinds:
            if count_patients(ctx.cohort.patients, kind) < SMALLEST:
                return f"{side}: fewer than {SMALLEST} patients of a kind that an interval needs"
            if name in DECIDED and asked.decisions is not None and np.ptp(asked.decisions[kind]) == 0:
                return f"{side}: {ALIKE}"
    return ""


def function(name: str) -> Callable[[_Asked, str, NDArray[np.float64]], float | None]:
    """Return the library's function by name, from weighted cases to a number, None where it is undefined."""
    import fairlearn.metrics
    import sklearn.metrics

    of = getattr(fairlearn.metrics, name, None) or getattr(sklearn.metrics, name)

    def value(asked: _Asked, which: str, weights: NDArray[np.float64]) -> float | None:
        used = weights > 0
        labels, answers = asked.labels[used], asked.answers(which)
        # The libraries give 0 or a warning where a class is absent; here there is then no number.
        if answers is None or not used.any() or (which not in VALUED and np.ptp(labels) == 0):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = float(of(labels, answers[used], sample_weight=weights[used]))
        return found if np.isfinite(found) else None

    return value


def _disparity(ctx: ProbeContext, attribute: Attribute, asked: _Asked, name: str) -> Measurement:
    levels = levels_of(attribute)
    return Measurement.of(
        _over_levels(ctx, levels, asked, name), metric=f"{FAIRLEARN_PREFIX}{name}", level=ctx.levels.confidence,
        subgroup={attribute.name: ALL_LEVELS}, condition=asked.condition,
    )  # fmt: skip


def _over_levels(ctx: ProbeContext, levels: Sequence[Level], asked: _Asked, name: str) -> Estimate:
    from audit.stats import bootstrap

    patients, (bases, end) = ctx.cohort.patients, base_of(name)
    n, n_patients = len(patients), int(np.unique(patients).size)
    reason = SINGLE_LEVEL if len(levels) < 2 else ""
    if any(asked.answers(base) is None for base in bases):
        reason = NO_OPERATING_POINT
    for level in levels:
        kinds = [level.members] if bases[0] in VALUED else [level.members & (asked.labels == k) for k in (0, 1)]
        if not reason and min(count_patients(patients, kind) for kind in kinds) < SMALLEST:
            reason = f"{level.name}: fewer than {SMALLEST} patients of a kind that a rate needs"
    if reason:
        return Estimate.absent(reason, method="none", n=n, n_patients=n_patients)
    functions = {base: function(base) for base in bases}

    def statistic(weights: NDArray[np.float64]) -> float | None:
        made = []
        for base, of in functions.items():
            values = [of(asked, base, weights * level.members) for level in levels]
            known = [v for v in values if v is not None]
            if len(known) < len(values):
                return None
            made.append(together(known, end))
        defined = [v for v in made if v is not None]
        if len(defined) < len(made):
            return None
        return min(defined) if end == "ratio" else max(defined)

    method = "fairlearn over all levels, patient bootstrap; a largest difference is above 0 in every sample"
    return bootstrap(statistic, patients, ctx.levels, ctx.rng, resamples=_resamples(ctx), method=method)


def together(values: Sequence[float], end: str) -> float | None:
    """Return one number for all levels, as fairlearn does; a ratio of zeros is undefined."""
    least, most = min(values), max(values)
    if end == "difference":
        return most - least
    if end == "ratio":
        return least / most if most > 0 else None
    return least if end == "group_min" else most


def _resamples(ctx: ProbeContext) -> int:
    # The libraries' functions take a millisecond a call; rarer rungs have the wider t interval anyway.
    return min(ctx.budget.resamples, RESAMPLES)
