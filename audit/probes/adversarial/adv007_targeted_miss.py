"""ADV007: whether a small change makes a finding vanish, or appear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import CHECKS, MASKED, Aim, Certificate, Checks, Ladder, Meter, Outcome, Plan, aims, certify
from audit.core import Access, Measurement, Probe, ProbeContext, ProbeInfo, Scalar, Stop
from audit.probes._stopping import drawn_order, looks
from audit.probes.adversarial._asked import (
    NONE_CONCERNED,
    PATH,
    Asked,
    absent_row,
    followed,
    ladder_sizes,
    need_images,
    sampled,
    sizes_of,
    spread,
)
from audit.probes.adversarial._blocks import Assault
from audit.probes.adversarial._certified import keep_full
from audit.probes.adversarial._shards import certify_alone, checks_alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTACK = "targeted"
_PART = 4
_CERTIFICATE_SAMPLE = 16
_BLOCK = 16
"""Patients between two looks: each aim is tried on a part of the cases of ADV001."""
_RATES = {"miss": "miss_rate", "false alarm": "false_alarm_rate"}


class TargetedMiss(Probe):
    """How often a small change of every pixel makes a finding vanish, or appear where there is none.

    What it measures:
        `miss_rate`: among the cases that have the finding, the share that the model misses, as they are or under a
        white-box attack that pushes the finding out and may change every stored intensity by at most epsilon.
        `false_alarm_rate`: the same among those that do not have it, the other way round. `attack_success` is the share
        of the right answers that the attack overturns (`stratum` "positive" or "negative").

        Each finding of a multilabel model is attacked by itself, and so is each class of several (the answer leaves it,
        or comes to it) and each grade (the answer falls below it, or rises to it). A segmentation misses a case when it
        loses one of its lesions, and gives a false alarm when it shows one that touches none of the reference. Attack,
        sizes and certificate are those of ADV001; the check along paths is made on cases of both answers.

    Why it matters clinically:
        A missed cancer and a needless biopsy are not the same harm, and an attack that only counts wrong answers adds
        them up. Whoever would gain from tampering wants one of the two: a fraudulent claim needs the finding, a
        sabotaged screening needs it gone.

    Known problems:
        The rates are lower bounds, since a better attack may find more: where the certificate fails the upper side of
        the interval opens to 1, so that no limit can be passed on it. A rate includes the errors without an attack;
        ADV001 and PERF002 tell those apart. A value has no finding, so regression is not applicable. Where a rule says
        `sequential = true` each aim is tried until it is settled, and its rates have bounds that hold whenever it
        stops.

    Example:
        `probe = "ADV007"`, `metric = "miss_rate"`, `where = { parameter = "headline" }`, `limit = { max = 0.3 }`.

    References:
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
        - Finlayson et al. 2019, Adversarial attacks on medical machine learning, Science 363.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV007",
        name="targeted-miss",
        family="ADV",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "segmentation", "detection", "survival"),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=("miss_rate", "false_alarm_rate", "attack_success", *CHECKS),
        sequential=("miss_rate", "false_alarm_rate"),
        title="A finding made to vanish, or to appear",
        version=2,
        question="Can a change too small to matter hide a finding, or plant one?",
        method=(
            "White-box search in one direction for each finding, L-infinity in stored units; share wrong clean or "
            "attacked among the cases that have the finding and among those that do not, Korn-Graubard by patient."
        ),
        limits="Lower bounds: a stronger attack may hide or plant more.",
        references=("Carlini et al. 2019, arXiv:1902.06705", "Finlayson et al. 2019, Science 363"),
    )

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack each finding both ways; see `Probe.run`."""
        need_images(ctx)
        wanted = aims(ctx.card)
        ladder = sizes_of(ctx)
        cases = sampled(ctx, part=_PART)
        if ctx.stop is not None:
            cases = cases[drawn_order(ctx.cohort.patients[cases], ctx.rng)]
        plan = Plan(
            epsilons=ladder.epsilons, headline=ladder.headline, steps=ctx.budget.attack_steps,
            restarts=ctx.budget.attack_restarts, ranking=False, batch=64,
        )  # fmt: skip
        meter, shown = Meter(), []
        for aim in wanted:
            condition: dict[str, Scalar] = {"attack": _ATTACK}
            if aim.name is not None:
                condition["class"] = aim.name
            asked = Asked.of(ctx, aim.question, cases)
            if not asked.cases.size:
                for size in ladder_sizes(ladder):
                    yield absent_row(ctx, _RATES[aim.want], NONE_CONCERNED, {**condition, **size.condition})
                continue
            enough = None
            if ctx.stop is not None:
                alike = sum(other.want == aim.want for other in wanted)
                enough = partial(_enough, ctx.stop, asked, aim, ladder, condition, alike)
            outcome, certificate = _attacked(asked, plan, meter, enough)
            asked = asked if enough is None else asked.first(len(outcome.right))
            certificate = _along_paths(ctx, aim, cases, certificate)
            shown.append((aim, outcome))
            for index, size in enumerate(ladder_sizes(ladder)):
                yield from _rates(asked, aim, outcome, certificate, index, {**condition, **size.condition})
            stratum = "positive" if aim.want == "miss" else "negative"
            keep_full(ctx, certificate, {**condition, "stratum": stratum})
            for name in certificate.values:
                yield Measurement.of(
                    certificate.estimate(name), metric=name, level=ctx.levels.confidence,
                    condition={**condition, "stratum": stratum},
                )  # fmt: skip
        _keep(ctx, shown, ladder.epsilons, ladder.unit, meter)


def _enough(
    stop: Stop, asked: Asked, aim: Aim, ladder: Ladder, condition: dict[str, Scalar], among: int, outcome: Outcome
) -> bool:
    """Tell whether the rules on one aim are settled; whether the attack may be believed is asked in the end."""
    so_far, believed = asked.first(len(outcome.right)), Certificate(values={}, cases={}, patients={})
    known = [
        m
        for index, size in enumerate(ladder_sizes(ladder))
        for m in _rates(so_far, aim, outcome, believed, index, {**condition, **size.condition})
        if m.metric in stop.metrics
    ]
    return stop.settled(known, among=among)


def _attacked(
    asked: Asked, plan: Plan, meter: Meter, enough: Callable[[Outcome], bool] | None = None
) -> tuple[Outcome, Certificate]:
    """Attack the cases of an aim, or the first of them until it is known enough, and certify the attack."""
    ctx, model = asked.ctx, _gradients(asked.ctx)
    ends = (int(asked.cases.size),) if enough is None else looks(asked.patients, _BLOCK)
    made = Assault(
        ctx=replace(ctx, attacks=()), what=asked.called(""), model=model, question=asked.question,
        stream=asked.streamed, plan=plan, seed=int(ctx.rng.integers(2**63)), seeds=(), meter=meter, keep=0, watches=(),
        progress=lambda done: ctx.sink.progress(done, asked.cases.size),
    )  # fmt: skip
    outcome, _ = made.until(ends, enough)
    few = spread(ends[0], _CERTIFICATE_SAMPLE)
    certificate = certify_alone(
        ctx, asked.called("certificate"),
        lambda rng: certify(
            model, asked.question, outcome, images=asked.images(few), target=asked.targets(few),
            clean=outcome.clean[few], sample=few, patients=asked.patients[: len(outcome.right)], plan=plan, rng=rng,
            batch=asked.batch,
        ),
    )  # fmt: skip
    return outcome, certificate


def _along_paths(ctx: ProbeContext, aim: Aim, cases: NDArray[np.int64], certificate: Certificate) -> Certificate:
    """Return the certificate with gradients followed between cases with the finding and without it."""
    if ctx.card.task == "segmentation":
        # The cases that an aim concerns hold lesions in different places, so each is wrong for the others.
        return certificate
    both = replace(aim.question, concerns=lambda target: np.greater_equal(target, 0))
    every = Asked.of(ctx, both, cases)
    paths = checks_alone(ctx, every.called("paths"), lambda rng, _: Checks(found=followed(every.drawing(rng))), Meter())
    check = paths.found.get(PATH)
    if check is None:
        return certificate
    return replace(
        certificate,
        values={**certificate.values, PATH: check.value},
        cases={**certificate.cases, PATH: check.n},
        patients={**certificate.patients, PATH: check.n_patients},
        cause=certificate.cause or ("" if check.holds else MASKED),
    )


def _gradients(ctx: ProbeContext) -> Any:
    return ctx.model


def _rates(
    asked: Asked, aim: Aim, outcome: Outcome, certificate: Certificate, index: int, condition: dict[str, Scalar]
) -> Iterator[Measurement]:
    level = asked.ctx.levels.confidence
    wrong: NDArray[np.bool_] = ~outcome.right[:, index]
    rate = certificate.bound(asked.share(wrong), of_success=True)
    yield Measurement.of(
        rate, metric=_RATES[aim.want], level=level, direction="lower", condition=condition, planned=asked.planned
    )
    success = certificate.bound(asked.share(wrong, outcome.right_clean), of_success=True)
    stratum = "positive" if aim.want == "miss" else "negative"
    yield Measurement.of(
        success, metric="attack_success", level=level, direction="lower",
        condition={**condition, "stratum": stratum}, planned=asked.planned_among(outcome.right_clean),
    )  # fmt: skip


def _keep(
    ctx: ProbeContext, shown: list[tuple[Aim, Outcome]], epsilons: tuple[float, ...], unit: str, meter: Meter
) -> None:
    """Store the share wrong at each size, from 0 on, by finding and direction."""
    rows = [(aim, np.concatenate([[~out.right_clean], ~out.right.T]).mean(axis=1)) for aim, out in shown]
    ctx.sink.artifact(
        "targeted_rates",
        "Share of cases missed, and of false alarms, by size of the change (first: without an attack)",
        {
            "epsilon": np.array([0.0, *epsilons]),
            "rate": np.array([values for _, values in rows]).reshape(len(rows), len(epsilons) + 1),
            "finding": np.array([aim.name or "" for aim, _ in rows], dtype=np.str_),
            "want": np.array([aim.want for aim, _ in rows], dtype=np.str_),
        },
        epsilon_unit=unit, gradients=meter.gradients, forwards=meter.forwards,
    )  # fmt: skip
