"""ADV005: how small a change turns each case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import (
    CHECKS,
    Certificate,
    Ladder,
    Meter,
    Norm,
    Outcome,
    Plan,
    certify,
    smallest,
    unasked,
)
from audit.attacks import questions as asked_of
from audit.core import Access, Arrays, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.adversarial._asked import (
    NONE_CONCERNED,
    Asked,
    absent_row,
    named,
    need_images,
    sampled,
    sizes_of,
    spread,
)
from audit.probes.adversarial._shards import attack_shards, certify_alone, count, spent
from audit.stats import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PART = 4
_ROUNDS = 3
_STEPS = 10
_CERTIFICATE_SAMPLE = 16
_NORMS: tuple[Norm, ...] = ("linf", "l2")
_SHARE_OF_LINF = {"linf": 1.0, "l2": 0.25}
_BEYOND = 4.0


class MinimalPerturbation(Probe):
    """The smallest change of the image that turns the answer, case by case, and its median.

    What it measures:
        For each case the smallest epsilon found that overturns the right answer under a white-box attack: first on a
        ladder that reaches beyond that of ADV001, then between its rungs, every success verified on the untouched model
        within the stored range. `median_minimal_perturbation` is their median over all cases, in stored units, for the
        largest change of a pixel (`attack` "minimal linf") and for the root mean square change ("minimal l2");
        `median_minimal_perturbation_right` is that of the cases that are right without an attack. A case that is wrong
        already needs no change: it counts as 0 in the former. A case that nothing turned counts as larger than all;
        where half of the cases or more are such, the value is what the median is at least, not beyond the largest size
        tried, and the upper bound goes up to the whole range. `unbroken` is the share that nothing turned.

    Why it matters clinically:
        A curve at fixed sizes depends on where the sizes were put. The median says it in one number that can be held
        against the noise of the scanner: below one noise standard deviation, an answer turns on what no reader can see.

    Known problems:
        Each size is an upper bound, since a better attack may find a smaller one, and a search that failed proves
        nothing. Where the certificate of the attack fails, the lower side of the interval is opened to 0. The median
        hides the tails; the report draws all sizes. The cases are those of a simple random sample of patients.

    Example:
        `probe = "ADV005"`, `metric = "median_minimal_perturbation"`, `where = { attack = "minimal linf" }`, `limit = {
        min = 4 }`, in the unit of the stored intensities.

    References:
        - Brendel et al. 2019, Accurate, reliable and fast robustness evaluation, NeurIPS.
        - Schott et al. 2019, Towards the first adversarially robust neural network model on MNIST, ICLR.
        - Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
          parameter-free attacks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV005",
        name="minimal-perturbation",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=("median_minimal_perturbation", "median_minimal_perturbation_right", "unbroken", *CHECKS),
        title="The smallest change that turns an answer",
        version=2,
        question="How small a change of the image is enough?",
        method=(
            "White-box search on a ladder, then by halving between its rungs, verified; median over cases with order "
            "statistics, cases that nothing turned counted as larger than all."
        ),
        limits="Sizes are upper bounds: a stronger attack may need less.",
        references=(
            "Brendel et al. 2019, NeurIPS", "Schott et al. 2019, ICLR", "Croce and Hein 2020, ICML",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Find the smallest perturbations; see `Probe.run`."""
        need_images(ctx)
        wanted, ladder, cases = asked_of(ctx.card), sizes_of(ctx), sampled(ctx, part=_PART)
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "median_minimal_perturbation", why, {"class": name})
        for question in wanted:
            asked = Asked.of(ctx, question, cases)
            for norm in _NORMS:
                condition = {"attack": f"minimal {norm}", **named(question)}
                why = "" if asked.cases.size else NONE_CONCERNED
                if not question.decided:
                    why = NO_OPERATING_POINT
                if why:
                    yield absent_row(ctx, "median_minimal_perturbation", why, condition)
                else:
                    yield from _of_norm(asked, norm, ladder, condition)


def _plan(ctx: ProbeContext, ladder: Ladder, norm: Norm) -> Plan:
    """Return the plan of a ladder that goes on by fours up to the whole range, so that few cases are left."""
    span, factor = ctx.card.input.span, _SHARE_OF_LINF[norm]
    sizes = [e * factor for e in ladder.epsilons]
    while sizes[-1] * _BEYOND <= span / 2:
        sizes.append(sizes[-1] * _BEYOND)
    return Plan(
        epsilons=tuple(sizes), headline=ladder.headline * factor, steps=ctx.budget.attack_steps,
        restarts=ctx.budget.attack_restarts, norm=norm, ranking=False,
    )  # fmt: skip


def _of_norm(asked: Asked, norm: Norm, ladder: Ladder, condition: dict[str, Scalar]) -> Iterator[Measurement]:
    ctx, meter = asked.ctx, Meter()
    model: Any = ctx.model
    plan = _plan(ctx, ladder, norm)
    outcome = attack_shards(
        ctx, asked.called(f"cases attacked, {norm}"), model, asked.question, asked.streamed, plan=plan,
        seed=int(ctx.rng.integers(2**63)), meter=meter,
        progress=lambda done: ctx.sink.progress(done, asked.cases.size),
    )  # fmt: skip
    stood, broke = _brackets(outcome, plan)
    steps = min(_STEPS, plan.steps)

    def work(rows: NDArray[np.int64], number: int) -> Arrays:
        del number
        own = Meter()
        sizes = smallest(
            model, asked.question, asked.images(rows), asked.targets(rows), norm=norm, stood=stood[rows],
            broke=broke[rows], steps=steps, rounds=_ROUNDS, meter=own,
        )  # fmt: skip
        return {"size": sizes, **spent(own)}

    halved = asked.batch_by_batch(f"smallest sizes, {norm}", work)
    count(meter, [halved])
    found = halved["size"]
    certificate = _certified(asked, outcome, plan)
    unit, right = ladder.unit, outcome.right_clean
    for metric, members in (
        ("median_minimal_perturbation", np.ones(found.size, dtype=bool)), ("median_minimal_perturbation_right", right)
    ):  # fmt: skip
        size = certificate.bound(_median(found[members], asked.patients[members], ctx, plan.epsilons[-1]))
        yield Measurement.of(
            size, metric=metric, level=ctx.levels.confidence, unit=unit, direction="higher",
            condition={**condition, "epsilon_unit": unit},
        )  # fmt: skip
    never = certificate.bound(asked.share(np.isinf(found)))
    yield Measurement.of(
        never, metric="unbroken", level=ctx.levels.confidence, direction="higher",
        condition={**condition, "epsilon": plan.epsilons[-1], "epsilon_unit": unit},
    )  # fmt: skip
    for name in certificate.values:
        yield Measurement.of(
            certificate.estimate(name), metric=name, level=ctx.levels.confidence, condition=condition
        )  # fmt: skip
    _keep(asked, norm, ladder, found, plan, meter)


def _brackets(outcome: Outcome, plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest size that each case stood, 0 for none, and the smallest that broke it, infinite for none."""
    sizes = np.array([0.0, *plan.epsilons, np.inf])
    count = outcome.right.sum(axis=1)
    broke = np.where(outcome.right_clean, sizes[count + 1], 0.0)
    return sizes[count], broke


def _median(found: NDArray[np.float64], patients: NDArray[np.int64], ctx: ProbeContext, largest: float) -> Estimate:
    """Return the median size; what nothing turned counts as the whole range, which no change exceeds."""
    span = ctx.card.input.span
    capped = np.where(np.isinf(found), span, np.minimum(found, span))
    given = median(capped, patients, ctx.levels, support=(0.0, span))
    ordered = np.sort(found)
    if given.value is None or np.isfinite(ordered[found.size // 2]):
        return given
    # The upper of the two middle cases stands at the largest size: the lower one bounds the median from below.
    value = min(float(ordered[(found.size - 1) // 2]), largest)
    curve = tuple((p, min(low, value), high) for p, low, high in given.curve)
    method = f"{given.method}; at least this, since half of the cases or more stand at the largest size tried"
    return replace(given, value=value, curve=curve, method=method)


def _certified(asked: Asked, outcome: Outcome, plan: Plan) -> Certificate:
    few = spread(asked.cases.size, _CERTIFICATE_SAMPLE)
    model: Any = asked.ctx.model
    return certify_alone(
        asked.ctx, asked.called(f"certificate, {plan.norm}"),
        lambda rng: certify(
            model, asked.question, outcome, images=asked.images(few), target=asked.targets(few),
            clean=outcome.clean[few], sample=few, patients=asked.patients, plan=plan, rng=rng, batch=asked.batch,
        ),
    )  # fmt: skip


def _keep(asked: Asked, norm: Norm, ladder: Ladder, found: NDArray[np.float64], plan: Plan, meter: Meter) -> None:
    """Store the size of every case, in no order that could point to a patient."""
    finite = np.sort(found[np.isfinite(found)])
    asked.ctx.sink.artifact(
        "minimal_perturbations",
        "Smallest change that turned each case, sorted (0: wrong without any); those that nothing turned are left out",
        {"size": finite},
        norm=norm, epsilon_unit=ladder.unit, noise_sd=ladder.noise_sd, largest=plan.epsilons[-1],
        unbroken=int(np.isinf(found).sum()), cases=int(found.size), gradients=meter.gradients,
        forwards=meter.forwards, **named(asked.question),
    )  # fmt: skip
