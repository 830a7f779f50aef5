"""ADV001: how many answers survive a small change of every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import (
    CHECKS,
    Certificate,
    Ladder,
    Meter,
    Outcome,
    Plan,
    Question,
    attack,
    certify,
    default_ladder,
    questions,
    unasked,
)
from audit.core import (
    Access,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
    scores,
)
from audit.probes._images import batch_size, load_images, load_masks, sample_cases
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.adversarial._record import SHOWN, keep_answers, keep_examples, keep_settings
from audit.stats import auc, proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LADDER_SAMPLE = 64
_CERTIFICATE_SAMPLE = 64
_ELEMENTS = 2**25
_LEAST_CASES_A_FINDING = 100
_ATTACK = "pgd"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Attacked:
    """One question after the attack.

    Args:
        question: What was to be overturned.
        targets: (m, ...) their targets; 0 for segmentation.
        patients: (m,) their patient codes.
        outcome: What became of them.
        certificate: Whether that may be believed.
    """

    question: Question
    targets: NDArray[Any]
    patients: NDArray[np.int64]
    outcome: Outcome
    certificate: Certificate

    @property
    def condition(self) -> dict[str, Scalar]:
        """Condition keys of all measurements of the question."""
        named: dict[str, Scalar] = {} if self.question.name is None else {"class": self.question.name}
        return {"attack": _ATTACK, **named}


class LinfEvasion(Probe):
    """How many answers survive a change of every pixel by at most epsilon.

    What it measures:
        The share of cases that are answered right both as they are and under a white-box attack that may change every
        stored intensity by at most epsilon, for a ladder of epsilons that suits the modality (`robust_accuracy`; for
        a binary model or a finding `robust_sensitivity`, `robust_specificity` and `robust_auc`, for several classes
        the `robust_sensitivity` of each). Cases that are wrong without an attack count as not robust;
        `attack_success` is the share of the right ones that were overturned. A value is right within the declared
        clinical tolerance of the reference; so is a grade, beside the exact one, where a tolerance in grades is
        declared. Each finding of a multilabel model is attacked by itself (`class`), and so is each way in which a
        segmentation can go wrong: `dice` (below 0.5), `erased` (a lesion of the reference shares no pixel with it),
        `invented` (a part of the mask shares none with the reference) and `volume` (off by more than the declared
        tolerance, a share of the reference's; without one its rows say so).

        The attack lowers a margin that exists for every kind of output and does not depend on the scale of the
        logits: one step along the gradient, the worst perturbation of the epsilon before, grown, and from there the
        adaptive projected gradient descent of Croce and Hein, further ones from random starts. For each case the worst
        of all counts, verified in float32 on the untouched model within the stored range; a faster copy of the model
        serves for gradients alone. What breaks a case at one epsilon breaks it at every larger one.
        Intensities are perturbed as they reach the model; where the cohort stores integers, `robust_accuracy_stored`
        is the same number when only images of whole steps count, which is what a file can hold.

        The certificate checks the attack itself. `certificate_identity`: size 0 changes no answer (1).
        `certificate_large_epsilon`: with the whole range hardly a case stands (at most 0.05).
        `certificate_monotone`: sizes at which more cases stand than at the one before (0). `certificate_gradient`:
        share of cases with a finite gradient that is not zero (at least 0.99). `certificate_descent`: share of right
        cases whose margin one least step lowers (at least 0.9). `certificate_noise`: share right under random signs
        of the same size minus that under the attack (at least 0). `certificate_steps`: share of a sample that stands
        at the headline size and falls to twice the steps from another start (at most 0.05).

    Why it matters clinically:
        A model that turns on changes below the noise of the scanner rests on features that no reader sees, and may
        turn on the next protocol, too. A limit that blocks a release needs a threat model: who could alter which
        pixels, where. Without one this is a stress measurement.

    Known problems:
        A robust number is an upper bound, since a stronger attack may break more. Where the certificate fails, the
        lower side of the interval is opened to 0, so that nothing can pass on it; a success is a fact all the same.
        The certificate of a model that no image within the range can turn fails. `robust_auc` pairs the worst answers
        found. The cases are those of a simple random sample of patients within the budget. Constant padding is not
        attacked in CT, MR and ultrasound. On MR, epsilon is measured on the cohort.

    Example:
        `probe = "ADV001"`, `metric = "robust_accuracy"`, `where = { epsilon = "2/255" }`, `limit = { min = 0.6 }`;
        with `where = { parameter = "headline" }` instead, whatever the headline size of the modality is.

    References:
        - Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, ICLR.
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
        - Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
          parameter-free attacks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV001",
        name="linf-evasion",
        family="ADV",
        version=2,
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=(
            "robust_accuracy", "robust_sensitivity", "robust_specificity", "robust_auc", "robust_accuracy_stored",
            "attack_success", *CHECKS,
        ),
        title="Evasion by a small change of every pixel",
        question="Does a change too small to matter overturn the answer?",
        method=(
            "White-box projected gradient descent on a margin, L-infinity in stored units, worst of all attacks for "
            "each case; share right both clean and attacked, Korn-Graubard interval by patient."
        ),
        limits=(
            "An upper bound: a stronger attack may break more. Without a declared threat model it is a stress "
            "measurement."
        ),
        references=(
            "Madry et al. 2018, ICLR", "Carlini et al. 2019, arXiv:1902.06705", "Croce and Hein 2020, ICML",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack a sample of the cohort; see `Probe.run`."""
        if ctx.card.access < Access.GRADIENT:
            raise NotApplicable("the model gives no gradients")
        if ctx.cohort.images is None:
            raise NotApplicable("the cohort has no images")
        asked = questions(ctx.card)
        ladder = _ladder(ctx)
        plan = Plan(
            epsilons=ladder.epsilons, headline=ladder.headline, steps=ctx.budget.attack_steps,
            restarts=ctx.budget.attack_restarts,
        )  # fmt: skip
        cases = sample_cases(ctx.cohort.patients, _share(ctx.budget.attack_cases, len(asked)), ctx.rng)
        meter = Meter()
        for name, why in unasked(ctx.card).items():
            yield from _absent(ctx, name, why, ladder)
        for number, question in enumerate(asked):
            before, total = number * cases.size, len(asked) * cases.size
            own = _concerned(ctx, question, cases)
            if not own.size:
                yield from _absent(ctx, question.name, "none of the cases sampled has this question", ladder)
                continue
            attacked = _attack(ctx, question, own, plan, meter, done=before, total=total)
            yield from _measure(ctx, attacked, ladder)
            keep_answers(ctx, question, own, attacked.outcome, plan)
            keep_examples(ctx, question, own, attacked.outcome, plan)
        keep_settings(ctx, ladder, plan, meter, cases.size)


def _share(budget: int | None, findings: int) -> int | None:
    """Return the cases of each finding: the budget is shared among them, down to a least number."""
    if budget is None or findings == 1:
        return budget
    return max(min(budget, _LEAST_CASES_A_FINDING), budget // findings)


def _ladder(ctx: ProbeContext) -> Ladder:
    rows = sample_cases(ctx.cohort.patients, _LADDER_SAMPLE, ctx.rng)
    return default_ladder(ctx.card.input, list(load_images(ctx.cohort, rows)))


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most so many positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _targets(ctx: ProbeContext, question: Question, cases: NDArray[np.int64]) -> NDArray[Any]:
    if ctx.card.task == "segmentation":
        return question.targets(load_masks(ctx.cohort, cases))
    return question.targets(ctx.cohort.targets[cases])


def _concerned(ctx: ProbeContext, question: Question, cases: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cases that have a question."""
    size = ctx.budget.batch_size
    parts = [cases[i : i + size] for i in range(0, cases.size, size)]
    return np.concatenate([part[question.applies(_targets(ctx, question, part))] for part in parts])


def _absent(ctx: ProbeContext, name: str | None, why: str, ladder: Ladder) -> Iterator[Measurement]:
    """Give the missing numbers of a question that cannot be asked."""
    for epsilon in ladder.epsilons:
        yield Measurement.of(
            Estimate.absent(why, method="none"),
            metric="robust_accuracy", level=ctx.levels.confidence, direction="higher",
            condition={
                "attack": _ATTACK, **({} if name is None else {"class": name}), "epsilon": epsilon,
                "epsilon_unit": ladder.unit, "parameter": "headline" if epsilon == ladder.headline else "ladder",
            },
        )  # fmt: skip


def _attack(
    ctx: ProbeContext, question: Question, cases: NDArray[np.int64], plan: Plan, meter: Meter, *, done: int, total: int
) -> _Attacked:
    image = load_images(ctx.cohort, cases[:1])[0]
    size = batch_size(image, ctx.budget.batch_size)
    model: Any = ctx.model
    parts = []
    for start in range(0, cases.size, size):
        rows = cases[start : start + size]
        part = attack(
            model, question, load_images(ctx.cohort, rows), _targets(ctx, question, rows), plan=plan, rng=ctx.rng,
            meter=meter,
        )  # fmt: skip
        parts.append(replace(part, worst=part.worst[: 0 if start else SHOWN]))
        ctx.sink.progress(done + start + rows.size, total)
    outcome = Outcome.joined(parts)
    patients = ctx.cohort.patients[cases]
    sample = _spread(cases.size, max(1, min(_CERTIFICATE_SAMPLE, _ELEMENTS // image.size)))
    segmentation = ctx.card.task == "segmentation"
    clean = outcome.clean if segmentation else ctx.clean.raw[cases]
    certificate = certify(
        model, question, outcome, images=load_images(ctx.cohort, cases[sample]),
        target=_targets(ctx, question, cases[sample]), clean=clean[sample], sample=sample, patients=patients,
        plan=plan, rng=ctx.rng, batch=size,
    )  # fmt: skip
    targets = np.zeros(cases.size) if segmentation else _targets(ctx, question, cases)
    return _Attacked(question=question, targets=targets, patients=patients, outcome=outcome, certificate=certificate)


def _measure(ctx: ProbeContext, attacked: _Attacked, ladder: Ladder) -> Iterator[Measurement]:
    for index, epsilon in enumerate(ladder.epsilons):
        condition: dict[str, Scalar] = {
            **attacked.condition,
            "epsilon": epsilon,
            "epsilon_unit": ladder.unit,
            "parameter": "headline" if epsilon == ladder.headline else "ladder",
        }
        for metric, estimate, direction, named in _at(ctx, attacked, index, epsilon):
            yield Measurement.of(
                estimate, metric=metric, level=ctx.levels.confidence, direction=direction,
                condition={**condition, **named},
            )  # fmt: skip
    sizes: Mapping[str, float] = {
        "certificate_identity": 0.0, "certificate_large_epsilon": ctx.card.input.span,
        "certificate_descent": ladder.epsilons[0], "certificate_noise": ladder.headline,
        "certificate_steps": ladder.headline,
    }  # fmt: skip
    for name in attacked.certificate.values:
        size: dict[str, Scalar] = {"epsilon": sizes[name], "epsilon_unit": ladder.unit} if name in sizes else {}
        yield Measurement.of(
            attacked.certificate.estimate(name), metric=name, level=ctx.levels.confidence,
            condition={**attacked.condition, **size},
        )  # fmt: skip


def _at(
    ctx: ProbeContext, attacked: _Attacked, index: int, epsilon: float
) -> Iterator[tuple[str, Estimate, Direction, dict[str, Scalar]]]:
    """Give metric, estimate, better direction and further conditions at one size."""
    outcome, bound = attacked.outcome, attacked.certificate.bound
    right, clean, labels = outcome.right[:, index], outcome.right_clean, attacked.targets == 1
    every = np.ones(right.size, bool)

    def share(hits: NDArray[np.bool_], members: NDArray[np.bool_]) -> Estimate:
        if not attacked.question.decided:
            own = attacked.patients[members]
            return Estimate.absent(NO_OPERATING_POINT, method="none", n=own.size, n_patients=np.unique(own).size)
        return proportion(hits[members], attacked.patients[members], ctx.levels)

    yield "robust_accuracy", bound(share(right, every)), "higher", {}
    if ctx.card.task in ("binary", "multilabel"):
        yield "robust_sensitivity", bound(share(right, labels)), "higher", {}
        yield "robust_specificity", bound(share(right, ~labels)), "higher", {}
        ranking = _ranking(ctx, attacked.question, outcome.answers[:, index])
        yield "robust_auc", bound(auc(ranking, labels, attacked.patients, ctx.levels)), "higher", {}
    elif ctx.card.task in ("multiclass", "ordinal") and attacked.question.name is None:
        for code, name in enumerate(ctx.card.classes):
            yield "robust_sensitivity", bound(share(right, attacked.targets == code)), "higher", {"class": name}
    if outcome.integer.all() and epsilon >= 1:
        yield "robust_accuracy_stored", bound(share(outcome.right_stored[:, index], every)), "higher", {}
    yield "attack_success", bound(share(~right, clean), of_success=True), "lower", {}


def _ranking(ctx: ProbeContext, question: Question, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (m,) scores that rank as the model's do, on the logit scale where it has one: no ties by saturation."""
    column = question.column or 0
    if ctx.card.output == "logits":
        return raw[:, column] if question.column is not None or raw.shape[1] == 1 else raw[:, 1] - raw[:, 0]
    every = scores(raw, ctx.card)
    return every if question.column is None else every[:, column]
