"""Numbers of two runs on the same cases, each with the paired interval that fits it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.core import (
    CLASSIFICATION,
    IN_SAMPLE,
    MIXED,
    ClassView,
    Difference,
    Direction,
    Estimate,
    Levels,
    Measurement,
    ModelCard,
    Scalar,
    StoredPredictions,
    class_views,
    scores,
)
from audit.judge.comparison._pair import Side, aligned

if TYPE_CHECKING:
    from audit.stats import Ranking

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_RESAMPLES = 2000
_SEED = 20_261_126
LOWER = ("brier", "mae", "rmse", "hd95", "absolute_volume_error", "false_lesions_per_case")
NO_POINT = "no operating point is declared for both models"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Both runs on some cases.

    Args:
        a: The candidate's raw outputs (n, k).
        b: The baseline's, of the same cases.
        cards: The cards of both.
        targets: (n, ...) targets.
        patients: (n,) patient codes.
        outputs: Names of the columns of raw outputs.
        levels: Levels of the bounds.
        subgroup: Level by attribute, empty for all cases.
    """

    a: Floats
    b: Floats
    cards: tuple[ModelCard, ModelCard]
    targets: NDArray[Any]
    patients: NDArray[np.int64]
    outputs: tuple[str, ...]
    levels: Levels
    subgroup: Mapping[str, Scalar] = field(default_factory=dict)

    def part(self, rows: Bools, subgroup: Mapping[str, Scalar]) -> Pair:
        """Return the pair on some of the cases."""
        return Pair(
            a=self.a[rows], b=self.b[rows], cards=self.cards, targets=self.targets[rows], patients=self.patients[rows],
            outputs=self.outputs, levels=self.levels, subgroup=subgroup,
        )  # fmt: skip

    def columns(self, name: str) -> tuple[Floats, Floats]:
        """Return one named output of both."""
        k = self.outputs.index(name)
        return self.a[:, k], self.b[:, k]


@dataclass(frozen=True, kw_only=True)
class _Found:
    metric: str
    values: tuple[float | None, float | None]
    estimate: Estimate
    condition: Mapping[str, Scalar] = field(default_factory=dict)
    unit: str = ""


def differences(candidate: Side, baseline: Side, confidence: float) -> tuple[Difference, ...]:
    """Return what differs between two runs that are paired, on all cases and by each level of the attributes.

    Args:
        candidate: The run that is judged.
        baseline: The run that it is held against.
        confidence: Two-sided confidence of the intervals.
    """
    mine, theirs = candidate.stored, baseline.stored
    if mine is None or theirs is None:
        return ()
    whole = _pair(candidate, baseline, mine, theirs, Levels(confidence=confidence))
    found = [_difference(whole, f) for f in _measure(whole)]
    for name, level, rows in _groups(candidate, mine):
        part = whole.part(rows, {name: level})
        found += [_difference(part, f) for f in _measure(part)]
    return tuple(found)


def _pair(candidate: Side, baseline: Side, mine: StoredPredictions, theirs: StoredPredictions, levels: Levels) -> Pair:
    order = aligned(mine, theirs)
    return Pair(
        a=mine.clean.raw, b=theirs.clean.raw[order], cards=(candidate.card, baseline.card),
        targets=mine.clean.targets, patients=mine.clean.codes, outputs=mine.outputs, levels=levels,
    )  # fmt: skip


def _groups(side: Side, stored: StoredPredictions) -> Iterator[tuple[str, str, Bools]]:
    """Give the levels of the attributes that people are compared by; a single level is the whole cohort again."""
    for a in side.evidence.cohort.get("attributes") or ():
        levels = stored.clean.levels.get(str(a["name"]))
        listed = [str(row["level"]) for row in a.get("levels") or ()]
        if levels is None or len(listed) < 2 or not {"protected", "confounder", "protocol"} & set(a["roles"]):
            continue
        for level in listed:
            yield str(a["name"]), level, levels == level


def _difference(pair: Pair, found: _Found) -> Difference:
    direction: Direction = "lower" if found.metric in LOWER else "higher"
    mixed = found.metric in MIXED
    condition = {**found.condition, **({"stratum": IN_SAMPLE} if mixed else {})}
    measurement = Measurement.of(
        found.estimate, metric=f"{found.metric}_difference", level=pair.levels.confidence, unit=found.unit,
        direction=direction, subgroup=pair.subgroup, condition=condition,
    )  # fmt: skip
    there = measurement.value is not None
    a, b = found.values if there else (None, None)
    return Difference(metric=found.metric, candidate=a, baseline=b, measurement=measurement, mixed=mixed)


def _measure(pair: Pair) -> Iterator[_Found]:
    task = pair.cards[0].task
    if task in CLASSIFICATION:
        yield from _classification(pair)
    elif task == "regression":
        yield from _values(pair)
    elif task == "segmentation":
        yield from _masks(pair)


def _classification(pair: Pair) -> Iterator[_Found]:
    both = [class_views(scores(raw, card), pair.targets, card) for raw, card in zip((pair.a, pair.b), pair.cards,
            strict=True)]  # fmt: skip
    for one, two in zip(*both, strict=True):
        yield from _ranked(pair, one, two)
        yield from _decided(pair, one, two)
        yield from _probable(pair, one, two)
    if len(both[0]) > 1:
        yield _macro(pair, both[0], both[1])
    if pair.cards[0].task in ("multiclass", "ordinal"):
        named = [scores(raw, card).argmax(axis=1) for raw, card in zip((pair.a, pair.b), pair.cards, strict=True)]
        yield _share(pair, "accuracy", named[0] == pair.targets, named[1] == pair.targets, {})
        if pair.cards[0].task == "ordinal":
            yield _kappa(pair, named[0], named[1])


def _ranked(pair: Pair, one: ClassView, two: ClassView) -> Iterator[_Found]:
    from audit.stats import auc_difference

    estimate = auc_difference(one.scores, two.scores, one.labels, pair.patients, pair.levels)
    known = bool(one.labels.any() and not one.labels.all())
    weights = np.ones((1, len(one.labels)))
    values = (float(_ranks(one).area(weights)[0]), float(_ranks(two).area(weights)[0])) if known else (None, None)
    yield _Found(metric="auc", values=values, estimate=estimate, condition=one.condition)


def _decided(pair: Pair, one: ClassView, two: ClassView) -> Iterator[_Found]:
    for metric, rows in (("sensitivity", one.labels), ("specificity", ~one.labels)):
        if one.decisions is None or two.decisions is None:
            count = int(np.unique(pair.patients[rows]).size)
            absent = Estimate.absent(NO_POINT, method="none", n=int(rows.sum()), n_patients=count)
            yield _Found(metric=metric, values=(None, None), estimate=absent, condition=one.condition)
            continue
        right = (one.decisions == one.labels)[rows], (two.decisions == one.labels)[rows]
        yield _share(pair, metric, *right, one.condition, patients=pair.patients[rows])
    if pair.cards[0].task == "binary" and one.decisions is not None and two.decisions is not None:
        yield _share(pair, "accuracy", one.decisions == one.labels, two.decisions == one.labels, {})


def _probable(pair: Pair, one: ClassView, two: ClassView) -> Iterator[_Found]:
    from audit.stats import paired_difference

    if any(card.output == "value" for card in pair.cards):
        return
    truth = one.labels.astype(np.float64)
    a, b = (one.scores - truth) ** 2, (two.scores - truth) ** 2
    estimate = paired_difference(a, b, pair.patients, pair.levels, support=(-1.0, 1.0))
    yield _Found(metric="brier", values=_means(a, b), estimate=estimate, condition=one.condition)


def _share(
    pair: Pair, metric: str, one: Bools, two: Bools, condition: Mapping[str, Scalar],
    patients: NDArray[np.int64] | None = None,
) -> _Found:  # fmt: skip
    from audit.stats import rate_difference

    whose = pair.patients if patients is None else patients
    estimate = rate_difference(one, two, whose, pair.levels)
    return _Found(metric=metric, values=_means(one, two), estimate=estimate, condition=condition)


def _macro(pair: Pair, one: tuple[ClassView, ...], two: tuple[ClassView, ...]) -> _Found:
    labels = [view.labels for view in one]
    if any(not known.any() or known.all() for known in labels):
        return _none(pair, "auc_macro", "one of the classes has no case, or all of them")
    ranks = [[_ranks(view) for view in views] for views in (one, two)]

    def areas(weights: Floats) -> Floats:
        return np.stack([np.mean([r.area(weights) for r in side], axis=0) for side in ranks], axis=1)

    return _bootstrapped(pair, "auc_macro", areas)


def _ranks(view: ClassView) -> Ranking:
    from audit.stats import Ranking

    return Ranking(view.scores, np.flatnonzero(view.labels), np.flatnonzero(~view.labels))


def _kappa(pair: Pair, one: NDArray[np.int64], two: NDArray[np.int64]) -> _Found:
    grades = max(pair.a.shape[1], 2)
    cost = np.subtract.outer(np.arange(grades), np.arange(grades)) ** 2
    target = np.asarray(pair.targets, dtype=np.int64)

    def kappa(named: NDArray[np.int64], weights: Floats) -> Floats:
        cell = target * grades + named
        out = []
        for w in weights:
            table = np.bincount(cell, weights=w, minlength=grades * grades).reshape(grades, grades)
            expected = float((cost * np.outer(table.sum(1), table.sum(0))).sum()) / table.sum()
            out.append(np.nan if expected == 0 else 1 - float((cost * table).sum()) / expected)
        return np.array(out)

    return _bootstrapped(pair, "weighted_kappa", lambda w: np.stack([kappa(one, w), kappa(two, w)], axis=1))


def _values(pair: Pair) -> Iterator[_Found]:
    from audit.stats import paired_difference

    error = np.abs(pair.a[:, 0] - pair.targets), np.abs(pair.b[:, 0] - pair.targets)
    estimate = paired_difference(*error, pair.patients, pair.levels)
    yield _Found(metric="mae", values=_means(*error), estimate=estimate)

    def roots(weights: Floats) -> Floats:
        return np.stack([np.sqrt((weights @ e**2) / weights.sum(axis=1)) for e in error], axis=1)

    yield _bootstrapped(pair, "rmse", roots)


def _masks(pair: Pair) -> Iterator[_Found]:
    """Give overlap and distance where the reference has a voxel, and false lesions over all cases."""
    held = pair.columns("volume_reference")[0] > 0
    for metric in ("dice", "surface_dice", "hd95"):
        a, b = (column[held] for column in pair.columns(metric))
        support = (None, None) if metric == "hd95" else (-1.0, 1.0)
        yield _mean(pair, metric, a, b, held, support, unit="mm" if metric == "hd95" else "")
    reference = pair.columns("volume_reference")[0][held]
    a, b = (np.abs(column[held] / reference - 1) for column in pair.columns("volume_predicted"))
    yield _mean(pair, "absolute_volume_error", a, b, held, (None, None))
    everyone = np.ones(len(held), dtype=bool)
    a, b = pair.columns("lesions_false")
    yield _mean(pair, "false_lesions_per_case", a, b, everyone, (None, None))
    yield _lesions(pair)


def _mean(
    pair: Pair, metric: str, a: Floats, b: Floats, rows: Bools, support: tuple[float | None, float | None],
    unit: str = "",
) -> _Found:  # fmt: skip
    from audit.stats import paired_difference

    lacking = int((~(np.isfinite(a) & np.isfinite(b))).sum())
    if lacking:
        # A mask that is empty has no distance; to leave its case out would favour the model that missed it.
        return _none(pair, metric, f"it is not defined on {lacking} of {len(a)} cases, where a mask is empty")
    estimate = paired_difference(a, b, pair.patients[rows], pair.levels, support=support)
    return _Found(metric=metric, values=_means(a, b), estimate=estimate, unit=unit)


def _lesions(pair: Pair) -> _Found:
    count = pair.columns("lesions_reference")[0]
    found = pair.columns("lesions_found")
    if not count.sum():
        return _none(pair, "lesion_sensitivity", "no reference mask holds a lesion")

    def shares(weights: Floats) -> Floats:
        whole = weights @ count
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([np.where(whole > 0, (weights @ f) / whole, np.nan) for f in found], axis=1)

    return _bootstrapped(pair, "lesion_sensitivity", shares)


def _bootstrapped(pair: Pair, metric: str, statistic: Callable[[Floats], Floats]) -> _Found:
    """Return the difference of any statistic of both, patients resampled together.

    Args:
        pair: Both runs.
        metric: The metric's name.
        statistic: From (b, n) weights to (b, 2) numbers, the candidate's first.
    """
    from audit.stats import bootstrap

    def gap(weights: Floats) -> Floats:
        both = statistic(weights)
        out: Floats = both[:, 0] - both[:, 1]
        return out

    estimate = bootstrap(
        gap, pair.patients, pair.levels, np.random.default_rng(_SEED), resamples=_RESAMPLES,
        method="paired patient bootstrap", vectorised=True,
    )  # fmt: skip
    values = statistic(np.ones((1, len(pair.patients))))[0] if len(pair.patients) else (np.nan, np.nan)
    known = bool(np.isfinite(values).all())
    return _Found(
        metric=metric, values=(float(values[0]), float(values[1])) if known else (None, None), estimate=estimate
    )


def _none(pair: Pair, metric: str, reason: str) -> _Found:
    n, patients = len(pair.patients), int(np.unique(pair.patients).size)
    absent = Estimate.absent(reason, method="none", n=n, n_patients=patients)
    return _Found(metric=metric, values=(None, None), estimate=absent)


def _means(a: NDArray[Any], b: NDArray[Any]) -> tuple[float | None, float | None]:
    return (float(np.mean(a)), float(np.mean(b))) if len(a) else (None, None)
