"""One protocol that is left out: what is trained without it and with a few of its cases, and what that gives on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import MISSING_LEVEL, Attribute, Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._draws import SMALLEST, draw, strata_of_targets
from audit.probes._retraining import Performance, Retraining, performance
from audit.probes._shared import count_patients
from audit.probes.shift._transfer import LARGEST_SOURCE, ROUNDS, TARGET_CASES, Draw, svm_arms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Answers = tuple[Floats, ...] | str

FEWEST_OF_CLASS = 5
SVM = "SVM, "
CLASSES = ("binary", "multiclass", "ordinal")


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """One protocol that is left out.

    Args:
        ctx: The probe's context.
        again: Trains.
        attribute: The protocol attribute.
        level: Its level that is left out.
        answers: By way of training, what each repetition says of the audited cases, or why there is none.
        wrong: By seed, the source cases that the latest weighted model puts into another class.
    """

    ctx: ProbeContext
    again: Retraining
    attribute: Attribute
    level: str
    answers: dict[str, Answers] = field(default_factory=dict)
    wrong: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    @cached_property
    def counted(self) -> Performance | str:
        """How performance is counted on the audited cases of the protocol, or why it is not."""
        found = performance(self.ctx, self.attribute.levels == self.level)
        if not isinstance(found, str) and found.rarer is not None and found.rarer < SMALLEST:
            return f"fewer than {SMALLEST} audited patients of a class on {self.level}: {found.rarer}"
        return found

    @cached_property
    def unfit(self) -> str | None:
        """Why nothing can be trained, or None."""
        if isinstance(self.counted, str):
            return self.counted
        if self.attribute.name not in self.again.training.cohort.attributes:
            return f"the development cohort has no attribute {self.attribute.name}"
        cohort, (source, _) = self.again.training.cohort, self.halves
        strata = strata_of_targets(self.ctx)
        for name in np.unique(strata).tolist() or [0]:
            count = count_patients(cohort.patients, np.isin(np.arange(len(cohort)), source) & (strata == name))
            if count < SMALLEST:
                return f"fewer than {SMALLEST} development patients of a class on other protocols: {count}"
        return None

    @cached_property
    def halves(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Development cases of the other protocols, and of this one."""
        levels = self.again.training.cohort.attributes[self.attribute.name].levels
        return np.flatnonzero((levels != self.level) & (levels != MISSING_LEVEL)), np.flatnonzero(levels == self.level)

    @cached_property
    def few(self) -> str | None:
        """Why there are no target cases to learn from, or None."""
        strata, (_, target) = strata_of_targets(self.ctx), self.halves
        counts = {name: int((strata[target] == name).sum()) for name in np.unique(strata).tolist()}
        if all(count >= FEWEST_OF_CLASS for count in counts.values()):
            return None
        return f"fewer than {FEWEST_OF_CLASS} development cases of a class on {self.level}: {min(counts.values())}"

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """Training cases of each repetition: all of the source, and another few of the target."""
        strata, (source, target) = strata_of_targets(self.ctx), self.halves
        found = []
        for seed in self.again.seeds:
            rng = np.random.default_rng([seed, 4])
            own = target[:0] if self.few else target[_even(strata[target], rng)]
            found.append(Draw(source=source, target=own))
        return tuple(found)

    def train(self, arm: str) -> None:
        """Train the recipe one way, as often as there are seeds, and keep what it says of the audited cases."""
        self.answers[arm] = self._answers(arm)

    def _answers(self, arm: str) -> Answers:
        if self.unfit is not None:
            return self.unfit
        if arm != "source only" and self.few:
            return self.few
        if arm in ("weighted", "reweighted") and not self.again.training.weighted:
            return "the recipe takes no weights"
        if arm == "reweighted" and self.ctx.card.task not in CLASSES:
            return "cases of a real value are not right or wrong"
        if arm == "reweighted" and len(self.wrong) < len(self.again.seeds):
            return str(self.answers["weighted"])
        return self.again.over_seeds(lambda seed, number: self._one(arm, seed, self.draws[number]))

    def _one(self, arm: str, seed: int, part: Draw) -> Floats:
        if arm == "source only":
            return self.again.answers(part.source, seed=seed)
        if arm == "target only":
            return self.again.answers(part.target, seed=seed)
        if arm == "pooled":
            return self.again.answers(part.both, seed=seed)
        weights = part.weights()
        if arm == "weighted":
            return self._weighted(seed, part, weights)
        for _ in range(ROUNDS):
            weights = part.lightened(weights, self.wrong[seed], ROUNDS)
            said = self._weighted(seed, part, weights)
        return said

    def _weighted(self, seed: int, part: Draw, weights: Floats) -> Floats:
        model = self.again.model(part.both, seed=seed, weights=weights)
        if self.ctx.card.task in CLASSES:
            of_source = self.again.said_of_development(model, part.source)
            truth = np.asarray(self.again.training.cohort.targets)[part.source]
            self.wrong[seed] = self._called(of_source, truth) != truth
        return self.again.said_of_audited(model)

    def _called(self, said: Floats, truth: NDArray[Any]) -> NDArray[np.int64]:
        """Return the class that each case is put into."""
        if self.ctx.card.task != "binary":
            return np.asarray(said.argmax(axis=1), dtype=np.int64)
        # A value has no scale of its own: as many are called positive as are.
        threshold = 0.5 if self.ctx.card.output != "value" else float(np.quantile(said, 1 - truth.mean()))
        return (said > threshold).astype(np.int64)

    def support_vectors(self, developed: Floats, audited: Floats) -> None:
        """Fit support vector machines in the same ways, where the protocol can be left out."""
        if self.unfit is not None:
            return
        targets = np.asarray(self.again.training.cohort.targets, dtype=np.int64)
        draws = []
        for seed, part in zip(self.again.seeds, self.draws, strict=True):
            rows = draw(targets[part.source], min(LARGEST_SOURCE, len(part.source)), np.random.default_rng([seed, 5]))
            draws.append(Draw(source=part.source[rows], target=part.target))
        for arm, said in svm_arms(developed, targets, audited, draws).items():
            self.answers[SVM + arm] = said

    def rows(self) -> Iterator[Measurement]:
        """Give performance and gains, and keep what the figure needs."""
        found: dict[str, Estimate] = {}
        for arm, answers in self.answers.items():
            found[arm] = self._estimate(answers)
            yield self._given("performance", found[arm], arm, self._direction)
        for metric, against in (("transfer_gain", "source only"), ("gain_over_target_only", "target only")):
            for arm, answers in self.answers.items():
                prefix = SVM if arm.startswith(SVM) else ""
                if arm in (prefix + "source only", prefix + against):
                    continue
                yield self._given(
                    metric, self._gain(answers, self.answers.get(prefix + against, "not trained")), arm, "higher"
                )
        self._draw(found)

    @property
    def _direction(self) -> Direction:
        return "none" if isinstance(self.counted, str) else self.counted.direction

    def _estimate(self, answers: Answers) -> Estimate:
        if isinstance(self.counted, str):
            return self._absent(self.counted)
        return self.counted.estimate(self.ctx, answers)

    def _gain(self, better: Answers, worse: Answers) -> Estimate:
        if isinstance(self.counted, str):
            return self._absent(self.counted)
        return self.counted.gain(self.ctx, better, worse)

    def _absent(self, reason: str) -> Estimate:
        rows = self.attribute.levels == self.level
        n_patients = count_patients(self.ctx.cohort.patients, rows)
        return Estimate.absent(reason, method="none", n=int(rows.sum()), n_patients=n_patients)

    def _given(self, metric: str, estimate: Estimate, arm: str, direction: Direction) -> Measurement:
        condition: dict[str, Scalar] = {"attribute": self.attribute.name, "protocol": self.level, "parameter": arm}
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=direction, condition=condition
        )

    def _draw(self, found: dict[str, Estimate]) -> None:
        there = {arm: e for arm, e in found.items() if e.value is not None}
        if len(there) < 2 or isinstance(self.counted, str):
            return
        bounds = {arm: e.bounds(self.ctx.levels.pointwise) or (e.value, e.value) for arm, e in there.items()}
        arrays: dict[str, Any] = {
            "value": np.array([e.value for e in there.values()]), "low": np.array([b[0] for b in bounds.values()]),
            "high": np.array([b[1] for b in bounds.values()]),
            "n_patients": np.full(len(there), count_patients(self.ctx.cohort.patients, self.counted.rows)),
        }  # fmt: skip
        sizes = self.draws[0]
        self.ctx.sink.artifact(
            "transfer", f"Trained without {self.level}, measured on it ({self.attribute.name})", arrays,
            attribute=self.attribute.name, protocol=self.level, arms="|".join(there), performance=self.counted.name,
            source_cases=len(sizes.source), target_cases=len(sizes.target), n=int(self.counted.rows.sum()),
            n_patients=count_patients(self.ctx.cohort.patients, self.counted.rows),
        )  # fmt: skip


def _even(strata: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return up to 40 cases, as many of each stratum as there are of any."""
    names = np.unique(strata)
    each = max(1, TARGET_CASES // len(names))
    parts = []
    for name in names:
        own = np.flatnonzero(strata == name)
        parts.append(rng.choice(own, min(each, len(own)), replace=False))
    return np.sort(np.concatenate(parts))
