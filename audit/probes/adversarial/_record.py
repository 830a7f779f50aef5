"""What an attack leaves behind beside its measurements: answers, examples, visibility, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Ladder, Meter, Outcome, Plan, Question
from audit.core import ProbeContext, scores
from audit.probes._images import grey, load_images
from audit.probes.adversarial._attacked import Attacked

if TYPE_CHECKING:
    from numpy.typing import NDArray


def keep_answers(ctx: ProbeContext, question: Question, cases: NDArray[np.int64], outcome: Outcome, plan: Plan) -> None:
    """Store the worst answers under the headline size.

    A segmentation's answers are summed up by their Dice here and have no place among the clean columns.
    """
    if ctx.card.task == "segmentation":
        return
    suffix = "" if question.name is None else f" class={question.name}"
    worst = outcome.answers[:, plan.epsilons.index(plan.headline)]
    ctx.sink.predictions(f"{plan.norm} epsilon={plan.headline:g}{suffix}", cases, worst)


def keep_examples(
    ctx: ProbeContext, question: Question, cases: NDArray[np.int64], outcome: Outcome, plan: Plan
) -> None:
    """Offer a few images with their perturbation, 8 bits each; the runner decides on storing pixels."""
    shown = len(outcome.worst)
    images = load_images(ctx.cohort, cases[:shown])
    low, span = ctx.card.input.range[0], ctx.card.input.span
    facts: dict[str, NDArray[Any]] = {}
    if ctx.card.task == "binary":
        worst = outcome.answers[:shown, plan.epsilons.index(plan.headline)]
        facts = {"score": scores(outcome.clean[:shown], ctx.card), "score_attacked": scores(worst, ctx.card)}
    ctx.sink.artifact(
        "adversarial_examples",
        "Images, the same under attack, and the perturbation (mid grey: none)",
        {
            "images": grey((images - low) / span),
            "perturbed": grey((outcome.worst - low) / span),
            "perturbation": grey(0.5 + (outcome.worst - images) / (2 * _full_scale(outcome.worst - images, plan))),
            **facts,
        },
        pixels=True,
        epsilon=plan.headline,
        norm=plan.norm,
        **({} if question.name is None else {"class": question.name}),
    )


def _full_scale(change: NDArray[np.float32], plan: Plan) -> float:
    """Return the change that is drawn white: the size itself, or under L2 the largest one of the images shown."""
    return plan.headline if plan.norm == "linf" else float(np.abs(change).max()) or plan.headline


def keep_visibility(ctx: ProbeContext, attacked: Attacked, plan: Plan) -> None:
    """Store decibels and structural similarity of the cases looked at, and whether each was overturned."""
    looked = attacked.visibility
    broken = ~attacked.outcome.right[looked.rows, plan.epsilons.index(plan.headline)]
    known = np.isfinite(looked.psnr)
    named: dict[str, Any] = {} if attacked.question.name is None else {"class": attacked.question.name}
    ctx.sink.artifact(
        "attack_visibility",
        "How visible the changes at the headline size are",
        {"psnr_db": looked.psnr[known], "ssim": _shown(looked.ssim[known]), "overturned": broken[known]},
        epsilon=plan.headline,
        epsilon_unit=ctx.card.input.unit or "stored units",
        norm=plan.norm,
        **named,
    )


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values, none of them where one is absent."""
    return values if np.isfinite(values).all() else values[:0]


def keep_settings(ctx: ProbeContext, ladder: Ladder, plan: Plan, meter: Meter, cases: int) -> None:
    """Store what was tried, what it cost, and each size as a multiple of the cohort's noise."""
    epsilons = np.array(ladder.epsilons)
    further: dict[str, Any] = {"attacks": ", ".join(ctx.attacks)} if ctx.attacks else {}
    noise = {} if not ladder.noise_sd else {"epsilon_in_noise_sd": epsilons / ladder.noise_sd}
    ctx.sink.artifact(
        "attack_settings",
        "Sizes of the attack, and how many noise standard deviations of this cohort each is (above 1: visible)",
        {"epsilon": epsilons, **noise},
        epsilon_unit=ladder.unit,
        epsilon_from=ladder.why,
        norm=plan.norm,
        search=plan.rule,
        steps=plan.steps,
        restarts=plan.restarts,
        cases=cases,
        gradients=meter.gradients,
        forwards=meter.forwards,
        **further,
    )
