"""The measurements of an attack: robust numbers, what they cost whom, how visible the change is."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import CHECKS, Ladder, Question
from audit.core import Direction, Estimate, Measurement, ProbeContext, Scalar, Task, scores
from audit.probes._shared import NO_OPERATING_POINT, contrast_levels, share_contrast
from audit.probes._stopping import covering
from audit.probes.adversarial._attacked import ATTACK, RANKED, Attacked
from audit.probes.adversarial._blocks import Ahead
from audit.stats import Drawn, auc, gap_so_far, mean, proportion, share_so_far

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASKS: tuple[Task, ...] = (
    "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
)  # fmt: skip
WAYS = ("one step", "carried", "sign", "apgd", "turning point", "smoothed step", "random signs")
"""What can break a case; see `audit.attacks.Outcome`."""
METRICS = (
    "robust_accuracy", "robust_sensitivity", "robust_specificity", "robust_auc", "robust_accuracy_stored",
    "attack_success", "robust_accuracy_gap", "winning_share", "visibility_psnr", "visibility_ssim",
    "epsilon_over_noise_sd", *CHECKS,
)  # fmt: skip
SEQUENTIAL = ("robust_accuracy", "robust_sensitivity", "robust_specificity", "attack_success")
"""Metrics that can be bounded whenever the attack stops."""
DESCRIPTIVE = ("winning_share", "visibility_psnr", "visibility_ssim", "epsilon_over_noise_sd")
NO_NOISE = "the noise of these images cannot be measured"


def _sized(attacked: Attacked, ladder: Ladder, epsilon: float) -> dict[str, Scalar]:
    """Return the condition of a measurement at one size."""
    return {
        **attacked.condition,
        "epsilon": epsilon,
        "epsilon_unit": ladder.unit,
        "parameter": "headline" if epsilon == ladder.headline else "ladder",
    }


def absent(ctx: ProbeContext, name: str | None, why: str, ladder: Ladder) -> Iterator[Measurement]:
    """Give the missing numbers of a question that cannot be asked."""
    for epsilon in ladder.epsilons:
        yield Measurement.of(
            Estimate.absent(why, method="none"),
            metric="robust_accuracy", level=ctx.levels.confidence, direction="higher",
            condition={
                "attack": ATTACK, **({} if name is None else {"class": name}), "epsilon": epsilon,
                "epsilon_unit": ladder.unit, "parameter": "headline" if epsilon == ladder.headline else "ladder",
            },
        )  # fmt: skip


def measurements(ctx: ProbeContext, attacked: Attacked, ladder: Ladder) -> Iterator[Measurement]:
    """Give everything that is measured of one question."""
    yield from rates(ctx, attacked, ladder)
    headline = _sized(attacked, ladder, ladder.headline)
    yield from _gaps(ctx, attacked, ladder, headline)
    for metric, estimate, unit, named in (*_won(ctx, attacked, ladder), *_visible(ctx, attacked, ladder)):
        yield Measurement.of(
            estimate, metric=metric, level=ctx.levels.confidence, unit=unit, direction="none",
            condition={**headline, **named},
        )  # fmt: skip
    yield from _certificate(ctx, attacked, ladder)


def rates(
    ctx: ProbeContext, attacked: Attacked, ladder: Ladder, only: Container[str] | None = None
) -> Iterator[Measurement]:
    """Give what stands at every size, of some metrics only where these are named."""
    for index, epsilon in enumerate(ladder.epsilons):
        condition = _sized(attacked, ladder, epsilon)
        for metric, asked, direction, named in _at(ctx, attacked, index):
            if only is None or metric in only:
                estimate, planned = asked()
                yield Measurement.of(
                    estimate, metric=metric, level=ctx.levels.confidence, direction=direction,
                    condition={**condition, **named}, planned=planned,
                )  # fmt: skip


def _certificate(ctx: ProbeContext, attacked: Attacked, ladder: Ladder) -> Iterator[Measurement]:
    sizes: Mapping[str, float] = {
        "certificate_identity": 0.0, "certificate_large_epsilon": ctx.card.input.span,
        "certificate_bound": ladder.headline, "certificate_descent": ladder.epsilons[0],
        "certificate_noise": ladder.headline, "certificate_one_step": ladder.headline,
        "certificate_steps": ladder.headline, "certificate_query": ladder.headline,
    }  # fmt: skip
    for name in attacked.certificate.values:
        size: dict[str, Scalar] = {"epsilon": sizes[name], "epsilon_unit": ladder.unit} if name in sizes else {}
        yield Measurement.of(
            attacked.certificate.estimate(name), metric=name, level=ctx.levels.confidence,
            condition={**attacked.condition, **size},
        )  # fmt: skip


_Asked = Callable[[], tuple[Estimate, int | None]]
"""A number, and the patients that there were to look at where the attack could stop early."""


def _at(
    ctx: ProbeContext, attacked: Attacked, index: int
) -> Iterator[tuple[str, _Asked, Direction, dict[str, Scalar]]]:
    """Give metric, estimate, better direction and further conditions at one size."""
    outcome, bound = attacked.outcome, attacked.certificate.bound
    right, clean = outcome.right[:, index], outcome.right_clean
    every = all_targets(attacked)

    def share(
        metric: str, hits: NDArray[np.bool_], members: NDArray[np.bool_], direction: Direction = "higher",
        *, of_success: bool = False, named: Mapping[str, Scalar] | None = None,
    ) -> tuple[str, _Asked, Direction, dict[str, Scalar]]:  # fmt: skip
        def estimate() -> tuple[Estimate, int | None]:
            found, planned = _share(ctx, attacked, hits, members)
            return bound(found, of_success=of_success), planned

        return metric, estimate, direction, dict(named or {})

    yield share("robust_accuracy", right, np.ones(len(every), bool))
    if ctx.card.task in (*RANKED, "detection", "survival"):
        yield share("robust_sensitivity", right, every == 1)
        yield share("robust_specificity", right, every != 1)
    if ctx.card.task in RANKED:
        yield "robust_auc", lambda: _area(ctx, attacked, index), "higher", {}
    elif ctx.card.task in ("multiclass", "ordinal") and attacked.question.name is None:
        for code, name in enumerate(ctx.card.classes):
            yield share("robust_sensitivity", right, every == code, named={"class": name})
    if outcome.storable[:, index].all():
        yield share("robust_accuracy_stored", outcome.right_stored[:, index], np.ones(len(every), bool))
    ahead = attacked.ahead
    known = clean if ahead is None else clean_of(attacked, ahead)
    yield share("attack_success", ~right, known, "lower", of_success=True)


def all_targets(attacked: Attacked) -> NDArray[Any]:
    """Return the targets of all cases that there were to attack."""
    return attacked.targets if attacked.ahead is None else np.asarray(attacked.ahead.targets)


def clean_of(attacked: Attacked, ahead: Ahead) -> NDArray[np.bool_]:
    """Return which of all cases are right without an attack; what is not known of cases ahead counts as right."""
    known = np.ones(len(ahead.patients), bool) if ahead.right is None else ahead.right.copy()
    known[: attacked.cases.size] = attacked.outcome.right_clean
    return known


def _share(
    ctx: ProbeContext, attacked: Attacked, hits: NDArray[np.bool_], members: NDArray[np.bool_]
) -> tuple[Estimate, int | None]:
    """Return the share of hits among the members so far, and the patients with members that there were.

    Args:
        ctx: The probe's context.
        attacked: The m attacked cases.
        hits: (m,) hits among them.
        members: (n,) members among all cases that there were, of which the attacked ones are the first.
    """
    ahead, own = attacked.ahead, members[: len(hits)]
    planned = None if ahead is None else ahead.count(members)
    who = attacked.patients[own]
    if not attacked.question.decided:
        return Estimate.absent(NO_OPERATING_POINT, method="none", n=who.size, n_patients=np.unique(who).size), planned
    if ahead is None:
        return proportion(hits[own], who, ctx.levels), None
    return share_so_far(hits[own], who, ctx.levels, Drawn.of(ahead.patients[members])), planned


def _area(ctx: ProbeContext, attacked: Attacked, index: int) -> tuple[Estimate, int | None]:
    """Return the AUC of the worst answers; of patients whose number the data chose it has no bound."""
    ranking = _ranking(ctx, attacked.question, attacked.outcome.answers[:, index])
    found = auc(ranking, attacked.targets == 1, attacked.patients, ctx.levels)
    ahead = attacked.ahead
    if ahead is not None and attacked.cases.size < len(ahead.patients):
        found = covering(found, 0.0, 1.0)
    return attacked.certificate.bound(found), None if ahead is None else ahead.count()


def _ranking(ctx: ProbeContext, question: Question, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (m,) scores that rank as the model's do, on the logit scale where it has one: no ties by saturation."""
    column = question.column or 0
    if ctx.card.output == "logits":
        return raw[:, column] if question.column is not None or raw.shape[1] == 1 else raw[:, 1] - raw[:, 0]
    every = scores(raw, ctx.card)
    return every if question.column is None else every[:, column]


def _gaps(ctx: ProbeContext, attacked: Attacked, ladder: Ladder, condition: dict[str, Scalar]) -> Iterator[Measurement]:
    """Give the gap in robust accuracy of every protected level at the headline size.

    Both sides of a gap are upper bounds. Where the certificate fails, either may be anything below, and so may the gap.
    """
    attributes = ctx.cohort.by_role("protected")
    if not attributes:
        return
    own = replace(ctx, cohort=ctx.cohort.subset(attacked.cases))
    right = attacked.outcome.right[:, ladder.epsilons.index(ladder.headline)]
    contrast = share_contrast(
        own, "robust_accuracy_gap", np.ones(right.size, bool), right if attacked.question.decided else None,
        condition=condition,
    )  # fmt: skip
    estimate, ahead = contrast.estimate, attacked.ahead
    if ahead is not None and attacked.question.decided:
        # Of either side no more is fixed beforehand than of all: the stakes rest on that, the bounds hold with any.
        drawn = (Drawn.of(ahead.patients),) * 2
        estimate = lambda members: gap_so_far(right, members, attacked.patients, ctx.levels, drawn)  # noqa: E731
    contrast = replace(contrast, estimate=lambda members: _open(attacked, estimate(members)))
    for attribute in own.cohort.by_role("protected"):
        for m in contrast_levels(own, attribute, contrast):
            yield m if ahead is None else replace(m, planned=ahead.count())


def _open(attacked: Attacked, estimate: Estimate) -> Estimate:
    failed, cause = attacked.certificate.failed, attacked.certificate.cause
    if not failed or estimate.value is None:
        return estimate
    return replace(
        estimate,
        curve=tuple((level, -1.0, 1.0) for level, _, _ in estimate.curve),
        method=f"{estimate.method}; no bound, the attack's certificate failed ({', '.join(failed)}"
        + (f"; likely cause: {cause})" if cause else ")"),
    )


def _won(
    ctx: ProbeContext, attacked: Attacked, ladder: Ladder
) -> Iterator[tuple[str, Estimate, str, dict[str, Scalar]]]:
    """Give how many of the overturned cases each way of attacking broke first, and which attacks did not run."""
    refused = {r.name: r for r in attacked.refused}
    outcome = attacked.outcome
    broken = outcome.right_clean & ~outcome.right[:, ladder.epsilons.index(ladder.headline)]
    n, patients = int(broken.sum()), int(np.unique(attacked.patients[broken]).size)
    for way in (*WAYS, *ctx.attacks):
        k = int((outcome.by[broken] == way).sum())
        if way in refused and not k:
            why = f"it did not run on {refused[way].cases} cases that still stood: {refused[way].reason}"
            yield "winning_share", Estimate.absent(why, method="none"), "", {"attack": way}
        elif n:
            yield "winning_share", Estimate.counted(k / n, n=n, n_patients=patients, k=k), "", {"attack": way}
        else:
            yield "winning_share", Estimate.absent("no case was overturned", method="none"), "", {"attack": way}


def _visible(
    ctx: ProbeContext, attacked: Attacked, ladder: Ladder
) -> Iterator[tuple[str, Estimate, str, dict[str, Scalar]]]:
    """Give how visible the changes at the headline size are."""
    looked, ctx_levels = attacked.visibility, ctx.levels
    patients = attacked.patients[looked.rows]
    for metric, values, unit, support, none in (
        ("visibility_psnr", looked.psnr, "dB", (None, None), "no image was changed"),
        ("visibility_ssim", looked.ssim, "", (None, None), "no image was changed, or an axis has fewer than 11 pixels"),
    ):
        known = np.isfinite(values)
        n, count = int(known.sum()), int(np.unique(patients[known]).size)
        if not n:
            yield metric, Estimate.absent(none, method="none"), unit, {}
        elif np.ptp(values[known]) < 1e-9:
            yield metric, Estimate.counted(float(values[known][0]), n=n, n_patients=count), unit, {}
        else:
            yield metric, mean(values[known], patients[known], ctx_levels, support=support), unit, {}
    n, count = ladder.n, int(np.unique(ctx.cohort.patients).size)
    if ladder.noise_sd is None:
        yield "epsilon_over_noise_sd", Estimate.absent(NO_NOISE, method="none", n=n, n_patients=min(n, count)), "", {}
    else:
        share = Estimate.counted(ladder.headline / ladder.noise_sd, n=n, n_patients=min(n, count))
        yield "epsilon_over_noise_sd", share, "", {}
