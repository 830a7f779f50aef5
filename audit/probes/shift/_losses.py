"""Performance under a changed acquisition, and its paired change against the acquisition as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import CLASSIFICATION, ClassView, Direction, Estimate, ModelCard, ProbeContext, class_views, scores
from audit.probes._shared import NO_OPERATING_POINT, count_patients
from audit.probes._unanswered import Answers, either_way, unanswered, unbounded, widened, worst_ranking
from audit.probes.shift._simulated import TOLERANCE, before
from audit.probes.shift._stopping import Early

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Measure = Callable[[Floats], Estimate]

CHANCE = "on these cases the model as it is cannot be told from chance, so there is nothing that a change could cost"
LOST = "the model gives no number for {count} of the changed images, and no error is too large for them to have"


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One number of performance.

    Args:
        stratum: auc, sensitivity, specificity, mae or dice; the specificity of a segmentation is the share of cases
            without anything to mark in which nothing is marked.
        condition: Condition keys, for example the class.
        higher: Whether higher is better.
        unit: Unit of the number.
        value: From raw outputs to the number.
        change: From raw outputs to the number minus that of the acquisition as it was, paired.
        reason: Why a loss would mean nothing; empty where it means what it says.
        least: Smallest possible change.
        most: Largest possible change.
        planned: Patients of its denominator that there were to look at, where the probe could stop early.
    """

    stratum: str
    condition: dict[str, Any]
    higher: bool
    unit: str = ""
    value: Measure
    change: Measure
    reason: str = ""
    least: float
    most: float
    planned: int | None = None

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return "higher" if self.higher else "lower"


def quantities(ctx: ProbeContext, early: Early | None = None) -> Iterator[Quantity]:
    """Give the numbers of performance of a task, each with the reason why its loss would mean nothing, if there is one.

    Args:
        ctx: The context of the cases that are changed.
        early: What was fixed beforehand, where the probe could stop before all cases were changed.
    """
    if ctx.card.task in CLASSIFICATION:
        for index in range(len(ctx.clean.views)):
            yield from _of_class(ctx, index, early)
    elif ctx.card.task == "regression":
        yield _error(ctx)
    else:
        yield _overlap(ctx)
        yield from _silence(ctx)


def steady(quantity: Quantity, repeated: float) -> Quantity:
    """Return a quantity whose change means nothing where unchanged images are answered otherwise than before.

    Args:
        quantity: The number.
        repeated: Largest difference of the answers to unchanged images from those given before.
    """
    if repeated <= TOLERANCE or quantity.reason:
        return quantity
    why = f"unchanged images are answered otherwise than before (largest difference {repeated:.2g})"
    return replace(quantity, reason=why)


def unusable(raw: Floats, card: ModelCard) -> NDArray[np.bool_]:
    """Return (m,) bool, answers that are no number, or no probability where one was declared."""
    bad = ~np.isfinite(raw).all(axis=1)
    if card.output == "probabilities":
        bad |= ~((raw >= 0) & (raw <= 1)).all(axis=1)
    return np.asarray(bad, dtype=np.bool_)


def view_of(ctx: ProbeContext, index: int, raw: Floats) -> ClassView:
    """Return one class's question as these outputs answer it; what is no answer is the worst one."""
    lost = unusable(raw, ctx.card)
    filled = np.where(lost[:, None], ctx.clean.raw, raw)
    view = class_views(scores(filled, ctx.card), ctx.clean.targets, ctx.card)[index]
    if not lost.any():
        return view
    low, high = view.scores.min() - 1, view.scores.max() + 1
    ranked = np.where(lost, np.where(view.labels, low, high), view.scores)
    decided = None if view.decisions is None else np.where(lost, ~view.labels, view.decisions)
    return replace(view, scores=ranked, decisions=decided)


def _of_class(ctx: ProbeContext, index: int, early: Early | None = None) -> Iterator[Quantity]:
    from audit.stats import auc, auc_difference, proportion, rate_difference

    patients, levels = ctx.cohort.patients, ctx.levels
    clean, gone = ctx.clean.views[index], unanswered(ctx)

    def area(raw: Floats) -> Estimate:
        view = view_of(ctx, index, raw)
        found = auc(view.scores, view.labels, patients, levels)
        if early is not None:
            return early.other(found, 0.0, 1.0)
        if not gone.failures:
            return found
        return widened(found, auc(*worst_ranking(ctx, view, gone), levels), gone.failures)

    def area_change(raw: Floats) -> Estimate:
        found = auc_difference(view_of(ctx, index, raw).scores, clean.scores, clean.labels, patients, levels)
        return found if early is None else early.other(found, -1.0, 1.0)

    def rate(raw: Floats, positives: bool) -> Estimate:
        def share(answers: Answers) -> Estimate:
            rows = answers.labels if positives else ~answers.labels
            if answers.decisions is None:
                n, who = int(rows.sum()), count_patients(answers.patients, rows)
                return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=who)
            hits, own = (answers.decisions == answers.labels)[rows], answers.patients[rows]
            if early is not None:
                return early.share(hits, own, levels, early.patients(index, positives=positives))
            return proportion(hits, own, levels)

        view = view_of(ctx, index, raw)
        return either_way(ctx, view, view.decisions, share)

    def rate_change(raw: Floats, positives: bool) -> Estimate:
        rows = clean.labels if positives else ~clean.labels
        view = view_of(ctx, index, raw)
        if view.decisions is None or clean.decisions is None:
            n, who = int(rows.sum()), count_patients(patients, rows)
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=n, n_patients=who)
        now, then = view.decisions == clean.labels, clean.decisions == clean.labels
        if early is not None:
            planned = early.patients(index, positives=positives)
            return early.change(now[rows], then[rows], patients[rows], levels, planned)
        return rate_difference(now[rows], then[rows], patients[rows], levels)

    reasons = _reasons_of(early.whole, index) if early is not None else None
    if reasons is None:
        ranks = _chance(ctx, area(ctx.clean.raw), 0.5)
        either = [rate(ctx.clean.raw, side) for side in (True, False)]
        decides = ranks or _both(ctx, either)
        reasons = (ranks, *(decides or _room(ctx, as_it_is, 0.0) for as_it_is in either))
    yield Quantity(
        stratum="auc", condition=clean.condition, higher=True, value=area, change=area_change, reason=reasons[0],
        least=-1.0, most=1.0, planned=None if early is None else early.whole.cohort.n_patients,
    )  # fmt: skip
    for name, side, reason in (("sensitivity", True, reasons[1]), ("specificity", False, reasons[2])):
        planned = None if early is None else int(np.unique(early.patients(index, positives=side)).size)
        yield Quantity(
            stratum=name, condition=clean.condition, higher=True, least=-1.0, most=1.0, planned=planned,
            value=lambda raw, side=side: rate(raw, side),  # type: ignore[misc]
            change=lambda raw, side=side: rate_change(raw, side),  # type: ignore[misc]
            reason=reason,
        )  # fmt: skip


def _reasons_of(whole: ProbeContext, index: int) -> tuple[str, ...]:
    """Return why losses would mean nothing as all cases tell, whose clean answers are known before any is changed."""
    return tuple(quantity.reason for quantity in _of_class(whole, index))


def _chance(ctx: ProbeContext, found: Estimate, floor: float) -> str:
    """Return why a loss of a number means nothing: it is not shown to be above its floor, or too near to it."""
    bounds = found.bounds(ctx.levels.pointwise)
    if found.value is None or bounds is None:
        return f"as it is: {found.missing or 'no interval'}"
    return CHANCE if bounds[0] <= floor else _room(ctx, found, floor)


def _room(ctx: ProbeContext, found: Estimate, floor: float) -> str:
    """Return why a number cannot fall by what is tolerated, empty where it can."""
    tolerated = ctx.envelope.tolerated_drop
    if found.value is None or tolerated is None or found.value - floor > tolerated:
        return ""
    return f"it is {found.value:.3g} as it is and cannot fall by more than the tolerated {tolerated:g}"


def _both(ctx: ProbeContext, rates: Sequence[Estimate]) -> str:
    """Return why a loss of sensitivity or specificity means nothing: the decisions do not follow the label."""
    bounds = [rate.bounds(ctx.levels.pointwise) for rate in rates]
    known = [b for b in bounds if b is not None]
    if len(known) < 2:
        return ""
    return CHANCE if known[0][0] + known[1][0] <= 1 else ""


def _error(ctx: ProbeContext) -> Quantity:
    from audit.stats import mean, paired_difference

    target, patients, levels = np.asarray(ctx.clean.targets, dtype=np.float64), ctx.cohort.patients, ctx.levels
    then, gone = np.abs(ctx.clean.scores - target), unanswered(ctx)

    def lost(raw: Floats) -> Estimate | None:
        count = int((~np.isfinite(raw[:, 0])).sum())
        if not count:
            return None
        n = len(target)
        return Estimate.absent(LOST.format(count=count), method="none", n=n, n_patients=ctx.cohort.n_patients)

    def error(raw: Floats) -> Estimate:
        found = lost(raw) or mean(np.abs(raw[:, 0] - target), patients, levels, support=(0.0, None))
        return unbounded(found, gone.failures)

    def change(raw: Floats) -> Estimate:
        return lost(raw) or paired_difference(np.abs(raw[:, 0] - target), then, patients, levels)

    knows_nothing = np.abs(np.median(target) - target) if target.size else target
    better = paired_difference(knows_nothing, then, patients, levels)
    bounds = better.bounds(levels.pointwise)
    return Quantity(
        stratum="mae", condition={}, higher=False, value=error, change=change,
        reason="" if bounds is not None and bounds[0] > 0 else CHANCE,
        least=-float(then.max(initial=0.0)), most=float(np.finfo(np.float32).max),
    )  # fmt: skip


def _overlap(ctx: ProbeContext) -> Quantity:
    from audit.stats import mean, paired_difference

    patients, levels = ctx.cohort.patients, ctx.levels
    then = before(ctx, np.arange(len(ctx.cohort)))[:, 0]
    there, gone = np.isfinite(then), unanswered(ctx)
    failed = int((gone.declined & there).sum()) + int(gone.known.sum())

    def overlap(raw: Floats) -> Estimate:
        now = raw[:, 0]
        found = mean(now[there], patients[there], levels, support=(0.0, 1.0))
        if not failed:
            return found
        worst = gone.with_known(np.where(gone.declined & there, 0.0, now), 0.0)
        rows = np.isfinite(worst)
        return widened(found, mean(worst[rows], gone.patients_of(ctx)[rows], levels, support=(0.0, 1.0)), failed)

    def change(raw: Floats) -> Estimate:
        return paired_difference(raw[there, 0], then[there], patients[there], levels, support=(-1.0, 1.0))

    return Quantity(
        stratum="dice", condition={}, higher=True, value=overlap, change=change, least=-1.0, most=1.0,
        reason=_chance(ctx, overlap(then[:, None]), 0.0),
    )  # fmt: skip


def _silence(ctx: ProbeContext) -> Iterator[Quantity]:
    """Give the share of cases without anything to mark in which nothing is marked, where there are such cases."""
    from audit.stats import proportion, rate_difference

    patients, levels = ctx.cohort.patients, ctx.levels
    then = before(ctx, np.arange(len(ctx.cohort)))
    empty, gone = np.isnan(then[:, 0]), unanswered(ctx)
    if then.shape[1] < 2 or not empty.any():
        return
    failed = int((gone.declined & empty).sum()) + int(gone.known.sum())

    def share(raw: Floats) -> Estimate:
        silent = raw[:, 1] == 0
        found = proportion(silent[empty], patients[empty], levels)
        if not failed:
            return found
        # Whether there was anything to mark in a case that was set aside is not known, and the worst is assumed.
        worst, rows = gone.with_known(silent & ~gone.declined, False), gone.with_known(empty, True)
        return widened(found, proportion(worst[rows], gone.patients_of(ctx)[rows], levels), failed)

    def change(raw: Floats) -> Estimate:
        return rate_difference((raw[:, 1] == 0)[empty], (then[:, 1] == 0)[empty], patients[empty], levels)

    yield Quantity(
        stratum="specificity", condition={}, higher=True, value=share, change=change, least=-1.0, most=1.0,
        reason=_room(ctx, share(then), 0.0),
    )  # fmt: skip
