"""What an attack leaves behind beside its measurements: answers, examples, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Ladder, Meter, Outcome, Plan, Question
from audit.core import ProbeContext, scores
from audit.probes._images import load_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Perturbed images offered as examples."""


def keep_answers(ctx: ProbeContext, question: Question, cases: NDArray[np.int64], outcome: Outcome, plan: Plan) -> None:
    """Store the worst answers under the headline size.

    A segmentation's answers are summed up by their Dice here and have no place among the clean columns.
    """
    if ctx.card.task == "segmentation":
        return
    suffix = "" if question.name is None else f" class={question.name}"
    worst = outcome.answers[:, plan.epsilons.index(plan.headline)]
    ctx.sink.predictions(f"linf epsilon={plan.headline:g}{suffix}", cases, worst)


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
            "images": _grey((images - low) / span),
            "perturbed": _grey((outcome.worst - low) / span),
            "perturbation": _grey(0.5 + (outcome.worst - images) / (2 * plan.headline)),
            **facts,
        },
        pixels=True,
        epsilon=plan.headline,
        **({} if question.name is None else {"class": question.name}),
    )


def _grey(shares: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.round(255 * shares), 0, 255).astype(np.uint8)


def keep_settings(ctx: ProbeContext, ladder: Ladder, plan: Plan, meter: Meter, cases: int) -> None:
    """Store what was tried, what it cost, and each size as a multiple of the cohort's noise."""
    epsilons = np.array(ladder.epsilons)
    noise = {} if not ladder.noise_sd else {"epsilon_in_noise_sd": epsilons / ladder.noise_sd}
    ctx.sink.artifact(
        "attack_settings",
        "Sizes of the attack, and how many noise standard deviations of this cohort each is (above 1: visible)",
        {"epsilon": epsilons, **noise},
        epsilon_unit=ladder.unit,
        epsilon_from=ladder.why,
        engine=plan.search,
        steps=plan.steps,
        restarts=plan.restarts,
        cases=cases,
        gradients=meter.gradients,
        forwards=meter.forwards,
    )
