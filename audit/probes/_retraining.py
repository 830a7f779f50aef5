"""What probes that train have in common: answers of trained models to the audited cases, and their performance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    CLASSIFICATION,
    Direction,
    Estimate,
    ImagingModel,
    NotApplicable,
    ProbeContext,
    TrainingsSpent,
    class_views,
    scores,
)
from audit.errors import ModelError
from audit.probes._draws import SMALLEST
from audit.probes._images import batch_size
from audit.probes._shared import count_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]

SEEDS = 5
LARGEST_HELD = 2**26
"""Numbers of images of the audited cohort that are kept between trainings, 256 MB."""
OF_RECIPE = "It is said of the recipe and its data, not of the weights under audit."


class Retraining:
    """Trains models and asks them about the audited cases.

    Args:
        ctx: The probe's context.
        expected: Trainings that are expected, for the progress.
    """

    def __init__(self, ctx: ProbeContext, *, expected: int = 0) -> None:
        if ctx.training is None:
            raise NotApplicable("no training recipe is declared under [training]")
        if ctx.cohort.images is None:
            raise NotApplicable("the audited cohort has no images to ask a newly trained model about")
        self.ctx, self.training, self._expected = ctx, ctx.training, expected
        self._images: NDArray[np.float32] | None = None
        self.seeds = tuple(int(s) for s in ctx.rng.integers(0, 2**31 - 1, size=SEEDS))

    def answers(
        self, rows: Rows, *, seed: int, targets: NDArray[Any] | None = None, weights: Floats | None = None
    ) -> Floats:
        """Return what a model that is trained on some cases says of the audited ones, as scores (n, ...).

        Args:
            rows: (m,) cases of the development cohort.
            seed: Seed of the recipe.
            targets: (m, ...) targets in place of the cohort's own.
            weights: (m,) weights of the cases.

        Raises:
            TrainingsSpent: The probe has spent what it may.
            ModelError: The recipe fails, or its model gives what is no score.
        """
        return self.said_of_audited(self.model(rows, seed=seed, targets=targets, weights=weights))

    def model(
        self, rows: Rows, *, seed: int, targets: NDArray[Any] | None = None, weights: Floats | None = None
    ) -> ImagingModel:
        """Return a model that is trained on some cases; see `answers`."""
        made = self.training.fit(rows, targets, seed=seed, weights=weights)
        done = self.training.meter.done
        self.ctx.sink.progress(done, max(done, self._expected))
        return made

    def said_of_audited(self, model: ImagingModel) -> Floats:
        """Return scores of the audited cases."""
        return self._said(model, self._batches(range(len(self.ctx.cohort))))

    def said_of_development(self, model: ImagingModel, rows: Rows) -> Floats:
        """Return scores of some cases of the development cohort."""
        step = self.ctx.budget.batch_size
        return self._said(model, (self.training.images(rows[i : i + step]) for i in range(0, len(rows), step)))

    def _said(self, model: ImagingModel, batches: Iterable[NDArray[np.float32]]) -> Floats:
        raw = np.concatenate([model.predict(batch) for batch in batches])
        found = scores(raw, model.card)
        if not np.isfinite(found).all():
            raise ModelError("a model of the training recipe answers NaN or infinity", expected="finite numbers")
        if model.card.output == "probabilities" and (found.min() < 0 or found.max() > 1):
            raise ModelError(
                "a model of the training recipe answers outside [0, 1] though probabilities were declared",
                expected="what [model] output declares", got=f"{found.min():.3g} to {found.max():.3g}",
            )  # fmt: skip
        return found

    def _batches(self, rows: Sequence[int]) -> Iterable[NDArray[np.float32]]:
        source = self.ctx.cohort.images
        if source is None:  # pragma: no cover - the constructor has seen images
            raise NotApplicable("the cohort has no images")
        first = np.asarray(source.load(0), dtype=np.float32)
        step = batch_size(first, self.ctx.budget.batch_size)
        if self._images is None and first.size * len(rows) <= LARGEST_HELD:
            self._images = np.stack([np.asarray(source.load(i), dtype=np.float32) for i in rows])
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            held = self._images
            yield (
                np.stack([np.asarray(source.load(i), dtype=np.float32) for i in part])
                if held is None
                else held[start : start + step]
            )

    def over_seeds(self, train: Callable[[int, int], Floats]) -> tuple[Floats, ...] | str:
        """Return one training's answers a seed, or why there are fewer than all of them.

        Args:
            train: From the seed and its number to the answers.
        """
        found = []
        for number, seed in enumerate(self.seeds):
            try:
                found.append(train(seed, number))
            except TrainingsSpent as spent:
                return spent.reason
        return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Performance:
    """How good answers are, as one number of weighted cases.

    Args:
        name: In words, for example "AUC".
        direction: Which way is better.
        support: Smallest and largest possible value.
        rarer: Patients of the rarest class that the number rests on; None for an error of a real value.
        unit: Unit of the number.
        of: From scores and (b, n) weights to (b,) numbers.
        rows: (n,) bool, the cases that it is taken over.
    """

    name: str
    direction: Direction
    support: tuple[float | None, float | None]
    rarer: int | None
    of: Callable[[Floats], Callable[[Floats], Floats]]
    rows: NDArray[np.bool_]
    unit: str = ""

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.direction == "higher" else -1

    def statistic(self, answers: Sequence[Floats]) -> Callable[[Floats], Floats]:
        """Return the function from (b, m) weights of `rows` to (b, s) numbers, one a training."""
        each = [self.of(said) for said in answers]
        return lambda weights: np.stack([one(weights) for one in each], axis=1)

    def estimate(self, ctx: ProbeContext, answers: Sequence[Floats] | str) -> Estimate:
        """Return the mean over trainings, or the reason why there is none."""
        from audit.stats import over_trainings

        if isinstance(answers, str):
            return self.absent(ctx, answers)
        return over_trainings(
            self.statistic(answers), ctx.cohort.patients[self.rows], ctx.levels, rarer=self.rarer, support=self.support
        )

    def gain(self, ctx: ProbeContext, better: Sequence[Floats] | str, worse: Sequence[Floats] | str) -> Estimate:
        """Return how much better the first answers are than the second, paired by training and patient.

        A positive number is a gain, whichever way the performance counts.
        """
        from audit.stats import over_trainings

        if isinstance(better, str):
            return self.absent(ctx, better)
        if isinstance(worse, str):
            return self.absent(ctx, worse)
        if self.rarer is not None and self.rarer < SMALLEST:
            return self.absent(ctx, f"fewer than {SMALLEST} patients of a class: {self.rarer}")
        first, second = self.statistic(better), self.statistic(worse)
        return over_trainings(
            lambda w: self.sign * (first(w) - second(w)), ctx.cohort.patients[self.rows], ctx.levels,
            support=(None, None) if self.rarer is None else (-1.0, 1.0),
        )  # fmt: skip

    def absent(self, ctx: ProbeContext, reason: str) -> Estimate:
        """Return an estimate without a value."""
        n_patients = count_patients(ctx.cohort.patients, self.rows)
        return Estimate.absent(reason, method="none", n=int(self.rows.sum()), n_patients=n_patients)


def performance(ctx: ProbeContext, rows: NDArray[np.bool_] | None = None) -> Performance | str:
    """Return how the performance of a task is counted on some cases, or why it cannot be.

    AUC for two classes; its plain mean over classes or findings, each against the rest, for several; its plain mean
    over cut points of the expected grade for grades; the mean absolute error for a real value.

    Args:
        ctx: The probe's context.
        rows: (n,) bool, all cases by default.
    """
    inside = np.ones(len(ctx.cohort), dtype=bool) if rows is None else rows
    targets = ctx.cohort.targets[inside]
    if ctx.card.task == "regression":
        reference = np.asarray(targets, dtype=np.float64)

        def error(said: Floats) -> Callable[[Floats], Floats]:
            off = np.abs(said[inside] - reference)
            return lambda weights: weights @ off / weights.sum(axis=1)

        return Performance(
            name="mean absolute error", direction="lower", support=(0.0, None), rarer=None, of=error, rows=inside
        )
    if ctx.card.task not in CLASSIFICATION:
        return f"performance of task {ctx.card.task} is not counted for newly trained models"
    questions = _questions(ctx, targets)
    alike = [name for name, labels in questions.values() if labels.all() or not labels.any()]
    if alike:
        return f"no AUC of {', '.join(alike)}: the cases are all of it or none is"
    patients = ctx.cohort.patients[inside]
    rarer = min(
        min(int(np.unique(patients[q]).size), int(np.unique(patients[~q]).size)) for _, q in questions.values()
    )  # fmt: skip

    def area(said: Floats) -> Callable[[Floats], Floats]:
        from audit.stats import Ranking

        ranks = [
            Ranking(_column(ctx, said[inside], index), np.flatnonzero(labels), np.flatnonzero(~labels))
            for index, (_, labels) in questions.items()
        ]
        return lambda weights: np.mean([one.area(weights) for one in ranks], axis=0)

    several = {"binary": "AUC", "ordinal": "mean AUC over cut points"}.get(ctx.card.task, "mean AUC over classes")
    return Performance(name=several, direction="higher", support=(0.0, 1.0), rarer=rarer, of=area, rows=inside)


def _questions(ctx: ProbeContext, targets: NDArray[Any]) -> dict[int, tuple[str, NDArray[np.bool_]]]:
    """Return name and labels (m,) by column, or by cut point for grades."""
    if ctx.card.task == "ordinal":
        top = max(len(ctx.card.classes), int(targets.max(initial=0)) + 1)
        return {cut: (f"grade {cut} or more", targets >= cut) for cut in range(1, top)}
    empty = np.zeros((len(targets), *ctx.clean.scores.shape[1:]))
    return {i: (view.name or "cases", view.labels) for i, view in enumerate(class_views(empty, targets, ctx.card))}


def _column(ctx: ProbeContext, said: Floats, index: int) -> Floats:
    """Return (m,) the scores of one question: of its class, or the expected grade for any cut point."""
    if ctx.card.task == "binary":
        return said
    if ctx.card.task == "ordinal":
        return said @ np.arange(said.shape[1], dtype=np.float64)
    return said[:, index]
