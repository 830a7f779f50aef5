"""ADV009: whether one and the same change turns the answers of other patients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import Check, Checks, Meter, Question, Regions, UniversalFit, questions, unasked, under
from audit.core import Access, Arrays, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._parted import alone
from audit.probes.adversarial._asked import (
    HONEST,
    NONE_CONCERNED,
    PATH,
    Asked,
    absent_row,
    check_rows,
    followed,
    honest,
    ladder_sizes,
    named,
    need_images,
    sampled,
    sizes_of,
)
from audit.probes.adversarial._shards import checks_alone, count, spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTACK = "universal"
_PART = 3
_STANDING = 0.05
_FEWEST_PATIENTS = 10
_SIDED = ("binary", "multilabel", "detection", "survival")
_ALL, _POSITIVE, _NEGATIVE = "all", "positive", "negative"
_METRICS = {_ALL: "robust_accuracy", _NEGATIVE: "robust_specificity"}


class UniversalPerturbation(Probe):
    """How many answers survive one change that is the same for every image, fitted on other patients.

    What it measures:
        One perturbation of at most epsilon a pixel is fitted on half of the patients and added to the images of the
        other half. One is fitted to turn all cases and, since no single change turns both sides of a decision, one more
        to the positives and to the negatives alone (for several classes: to each class). A case is right only if it
        stands under every one of them. `robust_accuracy` is the share of such cases; for a binary model or a finding
        `robust_sensitivity` is that of the positives and `robust_specificity` that of the negatives; for several
        classes `robust_sensitivity` is that of each class. `attack_success` is the share of the right answers
        overturned (`stratum` "all", "positive", "negative", or the class).

        Checks of the attack itself: `certificate_large_epsilon`, the largest share of a stratum that stands on the half
        that it was fitted on when the whole range may be used (at most 0.05; positives and negatives, or the classes,
        are asked one by one); `certificate_noise`, the smallest difference, over the strata, between the share right on
        the judged half under random signs of the headline size and that under the stratum's own perturbation (at least
        0); `certificate_repeat`, the share of cases answered the same when asked again (1),
        `certificate_finite_difference`, the share whose gradient is that of the answers (at least 0.9), and
        `certificate_path`, the share of pairs of cases of different answers between which the gradients add up to the
        difference of their margins (at least 0.8).

    Why it matters clinically:
        A single pattern that turns most images needs no access to the case: a scratch on a detector, a printed overlay,
        a reconstruction artefact or a compromised viewer would do. It also says that the model leans on a direction
        that has little to do with the single patient.

    Known problems:
        A robust number is an upper bound: a better fit, or one on more patients, may break more. Half of the patients
        pay for the fit, so the intervals are wider than those of ADV001. Patients of both halves come from one cohort.
        Where a check fails the lower side of the interval is opened to 0.

    Example:
        `probe = "ADV009"`, `metric = "robust_sensitivity"`, `where = { parameter = "headline" }`, `limit = { min = 0.8
        }`.

    References:
        - Moosavi-Dezfooli et al. 2017, Universal adversarial perturbations, CVPR.
        - Hirano et al. 2021, Universal adversarial attacks on deep neural networks for medical image classification,
          BMC Medical Imaging 21.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV009",
        name="universal-perturbation",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=(
            "robust_accuracy", "robust_sensitivity", "robust_specificity", "attack_success",
            *HONEST, PATH, "certificate_large_epsilon", "certificate_noise",
        ),
        title="One perturbation for every image",
        version=2,
        question="Does one and the same change turn the answers of other patients?",
        method=(
            "L-infinity perturbations fitted by stochastic gradients on half of the patients, to all cases and to each "
            "stratum, judged on the other half; share right clean and under every one, Korn-Graubard interval by "
            "patient."
        ),
        limits="An upper bound: a better fit may break more.",
        references=("Moosavi-Dezfooli et al. 2017, CVPR", "Hirano et al. 2021, BMC Medical Imaging 21"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Fit on half of the patients, judge on the other; see `Probe.run`."""
        need_images(ctx)
        wanted, ladder = questions(ctx.card), sizes_of(ctx)
        fitted, judged = _halves(ctx, sampled(ctx, part=_PART))
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "robust_accuracy", why, {"attack": _ATTACK, "class": name})
        for question in wanted:
            condition: dict[str, Scalar] = {"attack": _ATTACK, **named(question)}
            fit, judge = Asked.of(ctx, question, fitted), Asked.of(ctx, question, judged)
            if not fit.cases.size or not judge.cases.size:
                for size in ladder_sizes(ladder):
                    yield absent_row(ctx, "robust_accuracy", NONE_CONCERNED, {**condition, **size.condition})
                continue
            run = _Universal(fit, judge, tuple(ladder.epsilons), ladder.headline)
            yield from run.measure(condition, ladder.unit)
            run.keep(ladder.unit)


def _halves(ctx: ProbeContext, cases: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cases of a random half of the patients, and those of the other."""
    patients = ctx.cohort.patients[cases]
    codes = np.unique(patients)
    if codes.size < _FEWEST_PATIENTS:
        raise NotApplicable(f"{codes.size} patients are too few to fit on half of them and judge on the other")
    chosen = np.isin(patients, ctx.rng.permutation(codes)[: codes.size // 2])
    return cases[chosen], cases[~chosen]


def _strata(asked: Asked) -> dict[str, NDArray[np.bool_]]:
    """Return the strata that are fitted one by one: no one change turns both sides of a decision."""
    card, size = asked.ctx.card, asked.cases.size
    strata = {_ALL: np.ones(size, dtype=bool)}
    if card.task in _SIDED:
        positive = np.asarray(asked.targets(np.arange(size)) == 1)
        strata |= {_POSITIVE: positive, _NEGATIVE: ~positive}
    elif card.task in ("multiclass", "ordinal") and asked.question.name is None:
        target = asked.targets(np.arange(size))
        strata |= {name: np.asarray(target == code) for code, name in enumerate(card.classes)}
    return strata


def _metric(stratum: str) -> str:
    return _METRICS.get(stratum, "robust_sensitivity")


class _Universal:
    """The fits of one question, one for each stratum, and what they do to the judged half."""

    def __init__(self, fit: Asked, judge: Asked, epsilons: tuple[float, ...], headline: float) -> None:
        self.fit, self.judge, self.epsilons, self.headline = fit, judge, epsilons, headline
        self.ctx, self.meter = judge.ctx, Meter()
        self._regions = Regions(judge.ctx.card.input.modality)
        self.question: Question = judge.question
        self.clean = self._unchanged()
        self.strata, self.members = _strata(judge), _strata(fit)
        self.shown: dict[str, NDArray[np.float32]] = {}
        self.deltas: dict[str, list[NDArray[np.float32]]] = {}
        # All cases together last: what was fitted to one side competes there, since no one change turns both.
        fitted = {name: self._fitted(name) for name in sorted(self.strata, key=lambda s: s == _ALL)}
        self.alone = {name: fitted[name] for name in self.strata}
        self.right = self._under_every()

    def _under_every(self) -> dict[str, NDArray[np.bool_] | None]:
        """Return (n, E) by stratum which cases stand under every fit of that size and below; None where none is."""
        found = [alone for alone in self.alone.values() if alone is not None]
        every: NDArray[np.bool_] = np.logical_and.accumulate(np.logical_and.reduce(found), axis=1)
        return {name: None if alone is None else every for name, alone in self.alone.items()}

    def _members(self, stratum: str) -> Asked:
        """Return the half to fit on, of one stratum."""
        own = self.fit.cases[self.members[stratum]]
        return Asked(ctx=self.ctx, question=self.question, cases=own, batch=self.fit.batch)

    def _unchanged(self) -> NDArray[np.bool_]:
        """Return (n,) which judged cases are right without a change, found as one unit."""

        def unit(rng: np.random.Generator) -> Arrays:
            del rng
            own = Meter()
            nothing = np.zeros_like(self.judge.images(np.arange(1))[0])
            return {"right": self._under(nothing, self.epsilons[0], own), **spent(own)}

        found = alone(self.ctx, self.judge.called("cases as they are"), unit)
        count(self.meter, [found])
        out: NDArray[np.bool_] = found["right"]
        return out

    def _fitter(self, members: Asked, rng: np.random.Generator, meter: Meter) -> UniversalFit:
        model: Any = self.ctx.model
        batch = min(members.batch, max(1, members.cases.size))
        batches = -(-members.cases.size // batch)
        passes = max(3, -(-self.ctx.budget.attack_steps // batches))
        return UniversalFit(
            model, self.question, members.streamed, passes=min(passes, self.ctx.budget.attack_steps), batch=batch,
            rng=rng, meter=meter,
        )  # fmt: skip

    def _fitted(self, stratum: str) -> NDArray[np.bool_] | None:
        """Return (n, E) which judged cases stand under the fit of each size; None where there is none to fit on."""
        members = self._members(stratum)
        if not members.cases.size:
            return None

        def unit(rng: np.random.Generator) -> Arrays:
            # Each size goes on from the one before, and each pass over the cases from the pass before: one worker's
            # work.
            meter = Meter()
            fitter, columns = self._fitter(members, rng, meter), []
            own: list[NDArray[np.float32]] = []
            for index, epsilon in enumerate(self.epsilons):
                others = [found[index] for found in self.deltas.values()] if stratum == _ALL else []
                delta, _ = fitter.at(epsilon, (*own[-1:], *others))
                own.append(delta)
                columns.append(self.clean & self._under(delta, epsilon, meter))
                self.ctx.sink.progress(len(columns), len(self.epsilons))
            return {"right": np.stack(columns, axis=1), "deltas": np.stack(own), **spent(meter)}

        found = alone(self.ctx, self.judge.called(f"perturbations fitted, {stratum}"), unit)
        count(self.meter, [found])
        self.deltas[stratum] = list(found["deltas"])
        self.shown[stratum] = self.deltas[stratum][self.epsilons.index(self.headline)]
        out: NDArray[np.bool_] = found["right"]
        return out

    def _under(self, delta: NDArray[np.float32], epsilon: float, meter: Meter) -> NDArray[np.bool_]:
        judge = self.judge
        return under(
            self.ctx.model, self.question, judge.streamed, delta, epsilon, judge.batch, meter, regions=self._regions
        )

    def checks(self) -> Checks:
        """Return the checks of the fits."""
        return checks_alone(self.ctx, self.judge.called("checks"), self._checked, self.meter)

    def _checked(self, rng: np.random.Generator, meter: Meter) -> Checks:
        span, largest = self.ctx.card.input.span, 0.0
        for stratum in [s for s in self.strata if s != _ALL] or [_ALL]:
            members = self._members(stratum)
            if members.cases.size:
                largest = max(largest, self._fitter(members, rng, meter).at(span)[1])
        signs = 2.0 * rng.integers(0, 2, self.judge.images(np.arange(1))[0].shape) - 1.0
        noise = self.clean & self._under((self.headline * signs).astype(np.float32), self.headline, meter)
        index = self.epsilons.index(self.headline)
        attacked = [r[:, index][self.strata[s]] for s, r in self.alone.items() if r is not None]
        quiet = [noise[self.strata[s]] for s, r in self.alone.items() if r is not None]
        ahead = min(float(q.mean() - a.mean()) for q, a in zip(quiet, attacked, strict=True) if a.size)
        return Checks(found={
            **honest(self.fit.drawing(rng)),
            **followed(self.fit.drawing(rng)),
            "certificate_large_epsilon": Check.of(largest, holds=largest <= _STANDING, patients=self.fit.patients),
            "certificate_noise": Check.of(ahead, holds=ahead >= 0, patients=self.judge.patients),
        })  # fmt: skip

    def measure(self, condition: dict[str, Scalar], unit: str) -> Iterator[Measurement]:
        """Give the shares that stand, the success, and the checks."""
        checks, level = self.checks(), self.ctx.levels.confidence
        for index, epsilon in enumerate(self.epsilons):
            where: dict[str, Scalar] = {
                **condition, "epsilon": epsilon, "epsilon_unit": unit,
                "parameter": "headline" if epsilon == self.headline else "ladder",
            }  # fmt: skip
            for stratum, members in self.strata.items():
                right, own = self.right[stratum], dict(where)
                if stratum not in (_ALL, _POSITIVE, _NEGATIVE):
                    own["class"] = stratum
                if right is None:
                    why = f"no case of the stratum {stratum} among those that the perturbation is fitted on"
                    yield absent_row(self.ctx, _metric(stratum), why, own)
                    continue
                share: Estimate = checks.bound(self.judge.share(right[:, index], members))
                yield Measurement.of(
                    share, metric=_metric(stratum), level=level, direction="higher", condition=own
                )  # fmt: skip
                lost = checks.bound(self.judge.share(~right[:, index], members & self.clean), of_success=True)
                yield Measurement.of(
                    lost, metric="attack_success", level=level, direction="lower",
                    condition={**own, "stratum": stratum},
                )  # fmt: skip
        yield from check_rows(self.ctx, checks, condition)

    def keep(self, unit: str) -> None:
        """Store the perturbations of the headline size, which show no patient, and the shares by size."""
        held = {s: r for s, r in self.alone.items() if r is not None}
        shares = [np.concatenate([[self.clean[m].mean()], r[m].mean(axis=0)]) if (m := self.strata[s]).any() else
                  np.full(len(self.epsilons) + 1, -1.0) for s, r in held.items()]  # fmt: skip
        self.ctx.sink.artifact(
            "universal_perturbation",
            "Each fitted perturbation, and the share of its stratum, in other patients, right under it (-1: no case)",
            {
                "perturbation": np.stack([self.shown[s] for s in held]),
                "stratum": np.array(list(held), dtype=np.str_),
                "epsilon": np.array([0.0, *self.epsilons]),
                "share_right": np.stack(shares),
            },
            epsilon_unit=unit, headline=self.headline, fitted=int(self.fit.cases.size),
            judged=int(self.judge.cases.size), gradients=self.meter.gradients, forwards=self.meter.forwards,
            **named(self.question),
        )  # fmt: skip
