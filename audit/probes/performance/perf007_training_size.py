"""PERF007 training-size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._draws import draw, strata_of_targets, too_few_to_train
from audit.probes._retraining import Performance, Retraining, performance
from audit.probes.performance._learning import cases_needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HALVINGS = 4
FEWEST = 20


class TrainingSize(Probe):
    """Whether more training cases would make the model better, and how many were enough.

    What it measures:
        With the declared training recipe a model is trained on a sixteenth, an eighth, a quarter, half and all of the
        development cases, five times each with other seeds and other draws, and measured on the audited cohort
        (`performance` under `parameter = "400 cases"`): the AUC for two classes, its mean over classes or findings for
        several, its mean over cut points for grades, the mean absolute error for a real value. Draws keep the mix of
        classes. `gain_of_doubling` is what the last doubling gained, paired by seed and patient. Where
        `[training] target` declares a performance, `cases_to_target` is the number of cases at which the curve reaches
        it. `recipe_minus_model` is what the recipe reaches with all cases minus what the audited model reaches on the
        same patients: far from 0, the recipe is not the one that made the model, and nothing here is said of it.

    Why it matters clinically:
        A model that still gains from every doubling was trained too early, and its errors are those of too few
        patients. One that has stopped gaining needs other data, not more.

    Known problems:
        What is found is said of the recipe and the development cohort, not of the weights under audit, and intervals
        are given this cohort: another one of the same size may teach more or less. It needs 20 development patients of
        each class. Five trainings say little of how much trainings differ, and the interval is wide where they do.
        Smaller sets are drawn from the same patients as the whole one, so the curve says nothing of other hospitals.
        `cases_to_target` supposes that more cases never harm; where the target is not shown to be reached with all
        cases it has no number and says how far the recipe came, and a rule on it stays open. A recipe that needs other
        settings for fewer cases looks worse than it is. Trainings are counted and bounded, and what was not trained has
        no number.

    Example:
        The AUC is 0.71, 0.76, 0.80, 0.83 and 0.85 with 100 to 1,600 cases. For a target of 0.80 `cases_to_target` is
        400, with an interval from 210 to 730, and the last doubling still gained 0.02.

    References:
        - Cortes and others 1993, Learning curves: asymptotic values and rate of convergence, NIPS.
        - Figueroa and others 2012, Predicting sample size required for classification performance, BMC Medical
          Informatics and Decision Making 12.
        - Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bulletin 2.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF007",
        name="training-size",
        family="PERF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        access=Access.TRAINABLE,
        needs=("images",),
        metrics=("cases_to_target", "performance", "gain_of_doubling", "recipe_minus_model"),
        title="Training size",
        question="Would more training cases make it better?",
        method=(
            "The recipe trained on growing shares of the development cases, five seeds and draws each; mean over "
            "trainings with a jackknife of patients plus the variance between trainings; the number of cases from "
            "where the interval of the curve crosses the target."
        ),
        limits=(
            "Said of the recipe and its data, not of the weights under audit; it supposes that more cases never harm."
        ),
        references=(
            "Cortes and others 1993, NIPS",
            "Figueroa and others 2012, BMC Medical Informatics and Decision Making 12",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Train on growing numbers of cases; see `Probe.run`."""
        counted = performance(ctx)
        few = too_few_to_train(ctx) if ctx.training is not None else None
        if isinstance(counted, str) or few:
            reason = counted if isinstance(counted, str) else str(few)
            return (_given(ctx, metric, _absent(ctx, reason)) for metric in self.info.metrics)
        return _curve(ctx, counted)


def sizes_of(n: int) -> tuple[int, ...]:
    """Return numbers of cases, halved four times, rising; none below 20."""
    return tuple(sorted({n // 2**k for k in range(HALVINGS + 1) if k == 0 or n // 2**k >= FEWEST}))


def _absent(ctx: ProbeContext, reason: str) -> Estimate:
    return Estimate.absent(reason, method="none", n=len(ctx.cohort), n_patients=ctx.cohort.n_patients)


def _given(ctx: ProbeContext, metric: str, estimate: Estimate, **more: Any) -> Measurement:
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, **more)


def _curve(ctx: ProbeContext, counted: Performance) -> Iterator[Measurement]:
    strata = strata_of_targets(ctx)
    sizes = sizes_of(len(strata))
    again = Retraining(ctx, expected=5 * len(sizes))
    draws = [np.random.default_rng([seed, 7]) for seed in again.seeds]
    answers: dict[int, tuple[Floats, ...] | str] = {}
    # The whole first: where the budget ends, what is known of the recipe as it is matters most.
    for size in reversed(sizes):
        rows = [draw(strata, size, rng) for rng in draws]
        answers[size] = again.over_seeds(lambda seed, number, rows=rows: again.answers(rows[number], seed=seed))  # type: ignore[misc]
    found = {size: counted.estimate(ctx, answers[size]) for size in sizes}
    for size in sizes:
        yield _given(
            ctx, "performance", found[size], direction=counted.direction, condition={"parameter": f"{size} cases"}
        )
    last = sizes[-1]
    half = sizes[-2] if len(sizes) > 1 else None
    doubling = (
        _absent(ctx, f"{last} development cases are too few to halve")
        if half is None
        else counted.gain(ctx, answers[last], answers[half])
    )
    yield _given(
        ctx, "gain_of_doubling", doubling, condition={} if half is None else {"parameter": f"{half} to {last} cases"}
    )
    yield _given(ctx, "recipe_minus_model", _against_model(ctx, counted, answers[last]), direction="zero")
    target = None if ctx.training is None else ctx.training.target
    yield _given(
        ctx, "cases_to_target", cases_needed(ctx, found, target, counted), direction="lower", unit="cases",
        condition={} if target is None else {"parameter": f"{counted.name} {target:g}"},
    )  # fmt: skip
    _draw(ctx, counted, found, target)


def _against_model(ctx: ProbeContext, counted: Performance, whole: Sequence[Floats] | str) -> Estimate:
    if isinstance(whole, str):
        return counted.absent(ctx, whole)
    return counted.gain(ctx, whole, [ctx.clean.scores] * len(whole))


def _draw(ctx: ProbeContext, counted: Performance, found: dict[int, Estimate], target: float | None) -> None:
    there = [(size, e) for size, e in found.items() if e.value is not None]
    if len(there) < 2:
        return
    own = counted.statistic([ctx.clean.scores])(np.ones((1, int(counted.rows.sum()))))[0, 0]
    bounds = [e.bounds(ctx.levels.pointwise) or (e.value, e.value) for _, e in there]
    ctx.sink.artifact(
        "learning_curve",
        f"{counted.name} on the audited cohort by the number of training cases",
        {
            "cases": np.array([size for size, _ in there]), "value": np.array([e.value for _, e in there]),
            "low": np.array([b[0] for b in bounds]), "high": np.array([b[1] for b in bounds]),
            "n_patients": np.full(len(there), ctx.cohort.n_patients),
        },
        performance=counted.name, target=target, model=float(own), n=len(ctx.cohort), n_patients=ctx.cohort.n_patients,
    )  # fmt: skip
