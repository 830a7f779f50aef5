"""DATA011 label-noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Direction, Estimate, Measurement, Probe, ProbeContext, ProbeInfo
from audit.probes._draws import too_few_to_train
from audit.probes._retraining import Performance, Retraining, performance
from audit.probes.data._noise import DELETED, FLIPS, GROUPS, coarser, flipped, overlooked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Answers = tuple[Floats, ...] | str

_WORDS = {
    "flips": "labels wrong at random", "overlooked": "the mildest ill called healthy", "coarser": "coarser labels",
}  # fmt: skip


class LabelNoise(Probe):
    """How much worse the model would be, had the labels that it learnt from been worse.

    What it measures:
        The declared recipe is trained five times on the development cases as they are, and again with errors put into
        their labels; each model is measured on the audited cohort with its labels as they are (`performance`), and
        `noise_cost` is what the errors cost, paired by seed and patient. Three kinds of error, in `parameter`: "flips",
        10 to 40 % of the labels wrong at random (a real value is that of another case); "overlooked", 20, 40 and 60 %
        of the ill called healthy, the mildest first, by the attribute of role severity where the development cohort has
        one that is a number, else by the score of a model that did not learn from them; and "coarser", grades merged
        with their neighbours to half as many and to two, a real value rounded to six and to three groups.

    Why it matters clinically:
        Labels come from reports, from registries and from readers in a hurry. A recipe that forgives some random errors
        may still learn to overlook what its readers overlooked, and no test against the same readers would show it.

    Known problems:
        What is found is said of the recipe and its data, not of the weights under audit, and the errors come on top of
        those that the labels already have: how many these are is not known from here. The audited labels are taken as
        right. Fewer than 20 development patients of a class give no number. An overlooked share that follows the score
        of a model is easier to learn than one that follows a reader. With five trainings the interval is wide where
        trainings differ. Ranking can be untouched where calibration is not, and only the former is measured. Classes
        without an order have no milder or coarser form.

    Example:
        The AUC is 0.88 with the labels as they are, 0.87 with 20 % of them flipped and 0.79 with the mildest 40 % of
        the ill called healthy: `noise_cost` is 0.01 and 0.09.

    References:
        - Frenay and Verleysen 2014, Classification in the presence of label noise: a survey, IEEE Transactions on
          Neural Networks and Learning Systems 25.
        - Karimi and others 2020, Deep learning with noisy labels: exploring techniques and remedies in medical image
          analysis, Medical Image Analysis 65.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA011",
        name="label-noise",
        family="DATA",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression"),
        access=Access.TRAINABLE,
        needs=("images",),
        metrics=("noise_cost", "performance"),
        title="Label noise",
        question="What would errors in the training labels cost?",
        method=(
            "The recipe trained on labels with errors put in and without, five seeds each, measured on the audited "
            "labels; mean over trainings with a jackknife of patients plus the variance between trainings."
        ),
        limits=(
            "Said of the recipe and its data, not of the weights under audit; errors come on top of those there are."
        ),
        references=(
            "Frenay and Verleysen 2014, IEEE Transactions on Neural Networks and Learning Systems 25",
            "Karimi and others 2020, Medical Image Analysis 65",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Train on labels with errors of each kind; see `Probe.run`."""
        again, counted = Retraining(ctx, expected=55), performance(ctx)
        few = too_few_to_train(ctx)
        if isinstance(counted, str) or few:
            reason = counted if isinstance(counted, str) else str(few)
            absent = Estimate.absent(reason, method="none", n=len(ctx.cohort), n_patients=ctx.cohort.n_patients)
            return (_given(ctx, metric, absent, "lower") for metric in self.info.metrics)
        return _Noise(ctx=ctx, again=again, counted=counted).rows()


def _given(ctx: ProbeContext, metric: str, estimate: Estimate, direction: Direction, **condition: Any) -> Measurement:
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction=direction, condition=condition
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One amount of one kind of error.

    Args:
        name: What it is called.
        place: Where it stands on the axis.
        make: From the seed to labels with errors, or why there are none.
    """

    name: str
    place: float
    make: Callable[[int], NDArray[Any]] | str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Noise:
    """The errors of every kind, and what they cost."""

    ctx: ProbeContext
    again: Retraining
    counted: Performance

    @cached_property
    def targets(self) -> NDArray[Any]:
        return np.asarray(self.again.training.cohort.targets)

    @cached_property
    def everyone(self) -> NDArray[np.int64]:
        return np.arange(len(self.targets))

    @property
    def classes(self) -> int:
        """Number of classes or grades; 0 for a real value and for findings."""
        task = self.ctx.card.task
        if task in ("multilabel", "regression"):
            return 0
        return 2 if task == "binary" else max(len(self.ctx.card.classes), int(self.targets.max()) + 1)

    def rows(self) -> Iterator[Measurement]:
        ctx, counted = self.ctx, self.counted
        clean = self._trained(lambda _: self.targets)
        first = counted.estimate(ctx, clean)
        yield _given(ctx, "performance", first, counted.direction, parameter="labels as they are")
        for kind, steps in self._kinds():
            drawn: list[tuple[float, Estimate]] = []
            for step in steps:
                answers = step.make if isinstance(step.make, str) else self._trained(step.make)
                found = counted.estimate(ctx, answers)
                yield _given(ctx, "performance", found, counted.direction, parameter=step.name)
                yield _given(ctx, "noise_cost", counted.gain(ctx, clean, answers), "lower", parameter=step.name)
                drawn.append((step.place, found))
            self._draw(kind, first, drawn, [step.name for step in steps])

    def _trained(self, make: Callable[[int], NDArray[Any]]) -> Answers:
        return self.again.over_seeds(lambda seed, _: self.again.answers(self.everyone, seed=seed, targets=make(seed)))

    def _kinds(self) -> Iterator[tuple[str, list[Step]]]:
        """Give each kind of error with its steps."""
        yield (
            "flips",
            [
                Step(name=f"flips of {100 * share:.0f} %", place=share, make=partial(self._flipped, share))
                for share in FLIPS
            ],
        )
        subtle = self._subtle()
        if isinstance(subtle, str):
            yield "overlooked", [Step(name="overlooked", place=0.0, make=subtle)]
        else:
            by, values = subtle
            yield "overlooked", [
                Step(
                    name=f"overlooked {100 * share:.0f} % by {by}", place=share,
                    make=partial(self._overlooked, share, values),
                )
                for share in DELETED
            ]  # fmt: skip
        yield "coarser", self._coarser()

    def _flipped(self, share: float, seed: int) -> NDArray[Any]:
        return flipped(self.targets, share, self.classes, np.random.default_rng([seed, 11]))

    def _overlooked(self, share: float, subtle: dict[int, Floats], seed: int) -> NDArray[Any]:
        return overlooked(self.targets, share, subtle[seed])

    def _merged(self, count: int, _: int) -> NDArray[Any]:
        return coarser(self.targets, count, self.classes)

    def _coarser(self) -> list[Step]:
        groups: tuple[int, ...] = ()
        if self.ctx.card.task == "regression":
            groups = GROUPS
        elif self.ctx.card.task == "ordinal" and self.classes > 2:
            groups = tuple(sorted({-(-self.classes // 2), 2}, reverse=True))
        if not groups:
            return [Step(name="coarser", place=0.0, make="only grades and real values can be coarser")]
        return [
            Step(name=f"coarser: {count} groups", place=float(count), make=partial(self._merged, count))
            for count in groups
        ]

    def _subtle(self) -> tuple[str, dict[int, Floats]] | str:
        """Return by what cases are overlooked first, and that by seed; or why nobody is."""
        if self.ctx.card.task not in ("binary", "ordinal", "multilabel"):
            return "it is not known which cases of this task look healthy"
        numbers = [a.numbers for a in self.again.training.cohort.by_role("severity") if a.numbers is not None]
        if numbers and self.targets.ndim == 1 and np.isfinite(numbers[0][self.targets > 0]).all():
            return "severity", dict.fromkeys(self.again.seeds, numbers[0])
        found = self.again.over_seeds(lambda seed, _: self._out_of_half(seed))
        return found if isinstance(found, str) else ("score", dict(zip(self.again.seeds, found, strict=True)))

    def _out_of_half(self, seed: int) -> Floats:
        """Return the score of every development case from a model that learnt from the patients of the other half."""
        patients = self.again.training.cohort.patients
        codes = np.unique(patients)
        chosen = np.random.default_rng([seed, 12]).permutation(codes)[: len(codes) // 2]
        inside, out = np.isin(patients, chosen), np.zeros(self.targets.shape)
        for half in (inside, ~inside):
            said = self.again.said_of_development(
                self.again.model(self.everyone[~half], seed=seed), self.everyone[half]
            )
            grades = self.ctx.card.task == "ordinal"
            out[half] = said @ np.arange(said.shape[1], dtype=np.float64) if grades else said
        return out

    def _draw(self, kind: str, first: Estimate, found: Sequence[tuple[float, Estimate]], names: Sequence[str]) -> None:
        every = [(0.0, first), *found]
        if sum(e.value is not None for _, e in every) < 2:
            return
        shown = [
            (place, e, said)
            for (place, e), said in zip(every, ["as they are", *names], strict=True)
            if e.value is not None
        ]
        bounds = [e.bounds(self.ctx.levels.pointwise) or (e.value, e.value) for _, e, _ in shown]
        arrays = {
            "place": np.array([place for place, _, _ in shown]), "value": np.array([e.value for _, e, _ in shown]),
            "low": np.array([b[0] for b in bounds]), "high": np.array([b[1] for b in bounds]),
            "n_patients": np.full(len(shown), self.ctx.cohort.n_patients),
        }  # fmt: skip
        self.ctx.sink.artifact(
            "noise_curve", f"{self.counted.name} after training on {_WORDS[kind]}", arrays, kind=kind,
            names="|".join(said for _, _, said in shown), performance=self.counted.name,
            n_training=len(self.targets), n=len(self.ctx.cohort), n_patients=self.ctx.cohort.n_patients,
        )  # fmt: skip
