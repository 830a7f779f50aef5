"""ADV006: whether the answer survives changes of the attack's size that are aimed at nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import (
    CONTROLS,
    Ladder,
    Meter,
    Plan,
    QueryPlan,
    answer_all,
    attack_cases,
    controls,
    query_attack,
    questions,
    unasked,
)
from audit.core import Access, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes.adversarial._asked import (
    NONE_CONCERNED,
    Asked,
    Size,
    absent_row,
    ladder_sizes,
    named,
    need_images,
    sampled,
    sizes_of,
)
from audit.stats import rate_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PART = 3
_NO_NOISE = "the noise of these images cannot be measured"
_SHUFFLED, _SIGNS, _OWN_NOISE = CONTROLS
_UNMOVED = {
    _SHUFFLED: "the attack found no change of any case that is right, so there is nothing to shuffle",
    _SIGNS: "no intensity can be changed by the headline size",
    _OWN_NOISE: "noise of the cohort, in whole stored steps, changes no case that is right",
}


class ShuffledNoiseControl(Probe):
    """How many answers survive changes as large as those of an attack that are aimed at nothing.

    What it measures:
        A sample of the cohort is attacked at the headline size of the modality, by gradient descent where the model
        gives gradients and by asking where it does not. Each perturbation found is then made harmless: its pixels are
        moved to random places of the image (`attack = "shuffled"`), or replaced by plus or minus the headline size in
        every pixel (`attack = "random signs"`), or by Gaussian noise of the cohort's own standard deviation (`attack =
        "noise of the cohort"`). `control_accuracy` is the share of cases that are answered right both as they are and
        under the control; `control_difference` is that share minus the share right under the attack, of the same cases.

    Why it matters clinically:
        An attack alone does not tell a model with a hidden weakness from one that no change leaves standing. A model
        that falls to the controls, too, is turned by the ordinary noise of a scanner: no attacker is needed, and
        repeated scans of one patient will disagree. A model that only the aimed change turns rests on a pattern.

    Known problems:
        One draw of each control for each case. The difference is too small where the attack is weak, so it explains and
        never decides. Cases that the attack left as they are, so that a control would change nothing, are not counted
        as standing under it: they are left out unless wrong already, and `n` says how many remain. The noise is
        estimated from second differences of the images and taken to be white, which reconstructed images are not. Noise
        of the cohort is not limited to the attack's size; `epsilon` is the size of the attack that stands beside it.

    Example:
        `probe = "ADV006"`, `metric = "control_accuracy"`, `where = { attack = "noise of the cohort" }`,
        `limit = { min = 0.8 }`.

    References:
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
        - Zou and Donner 2008, Construction of confidence limits about effect measures, Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV006",
        name="shuffled-noise-control",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.QUERY,
        needs=("images",),
        metrics=("control_accuracy", "control_difference"),
        descriptive=("control_difference",),
        title="The attack's size without its aim",
        version=2,
        question="Does unaimed noise of the attack's size turn the answer, too?",
        method=(
            "The perturbation of each case shuffled in space, random signs of its size, and Gaussian noise of the "
            "cohort's own standard deviation; shares with Korn-Graubard intervals, paired differences by patient."
        ),
        limits="Controls of one attack at one size; the difference is too small where the attack is weak.",
        references=("Carlini et al. 2019, arXiv:1902.06705", "Zou and Donner 2008, Statistics in Medicine 27"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack a sample of the cohort and try the controls; see `Probe.run`."""
        need_images(ctx, gradients=False)
        wanted, ladder = questions(ctx.card), sizes_of(ctx)
        cases = sampled(ctx, part=_PART)
        (size,) = (s for s in ladder_sizes(ladder) if s.headline)
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "control_accuracy", why, {"class": name})
        for question in wanted:
            asked = Asked.of(ctx, question, cases)
            if asked.cases.size:
                yield from _measured(_tried(asked, ladder), size, ladder)
            else:
                yield absent_row(ctx, "control_accuracy", NONE_CONCERNED, {**named(question), **size.condition})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tried:
    """What became of the cases of one question; arrays are (m,) by case.

    Args:
        asked: The question and its cases.
        clean: Right without a change.
        attacked: Right clean and under the attack.
        right: By control, right clean and under it.
        made: By control, the cases that it changed, and those wrong already, which no change makes right.
    """

    asked: Asked
    clean: NDArray[np.bool_]
    attacked: NDArray[np.bool_]
    right: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    made: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def measured(self, name: str) -> bool:
        """Return whether a control changed any case that is right."""
        return name in self.made and bool((self.made[name] & self.clean).any())


def _tried(asked: Asked, ladder: Ladder) -> _Tried:
    ctx, m = asked.ctx, asked.cases.size
    generators = ctx.rng.spawn(m)
    right: dict[str, NDArray[np.bool_]] = {}
    changed: dict[str, NDArray[np.bool_]] = {}

    def look(rows: NDArray[np.int64], images: NDArray[np.float32], worst: NDArray[np.float32]) -> None:
        targets = asked.targets(rows)
        for row, image, attacked, target in zip(rows, images, worst, targets, strict=True):
            made = controls(
                image, attacked, ctx.card.input, size=ladder.headline, noise_sd=ladder.noise_sd,
                rng=generators[int(row)],
            )  # fmt: skip
            if not made:
                continue
            same = np.stack([target] * len(made))
            answers = answer_all(ctx.model, asked.question, np.stack([*made.values()]), same)
            for name, answer in zip(made, answers, strict=True):
                right.setdefault(name, np.zeros(m, dtype=bool))[row] = answer.right
                changed.setdefault(name, np.zeros(m, dtype=bool))[row] = True

    clean, attacked = _attacked(asked, ladder, look)
    return _Tried(
        asked=asked, clean=clean, attacked=attacked, right={name: r & clean for name, r in right.items()},
        made={name: c | ~clean for name, c in changed.items()},
    )  # fmt: skip


def _attacked(asked: Asked, ladder: Ladder, look: Any) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is right without a change and under the attack; `look` is shown every worst image."""
    ctx, budget = asked.ctx, asked.ctx.budget
    model: Any = ctx.model
    if ctx.card.access < Access.GRADIENT:
        blind = QueryPlan(
            epsilons=(ladder.headline,), headline=ladder.headline, queries=budget.attack_queries, batch=asked.batch
        )
        asking = query_attack(
            model, asked.question, asked.streamed, plan=blind, rng=ctx.rng, observe=look, progress=ctx.sink.progress
        )
        return asking.right_clean, asking.right[:, 0]
    plan = Plan(
        epsilons=(ladder.headline,), headline=ladder.headline, steps=budget.attack_steps,
        restarts=budget.attack_restarts, ranking=False, batch=asked.batch,
    )  # fmt: skip
    outcome = attack_cases(
        model, asked.question, asked.streamed, plan=plan, rng=ctx.rng, meter=Meter(), observe=look,
        progress=ctx.sink.progress,
    )  # fmt: skip
    return outcome.right_clean, outcome.right[:, 0]


def _measured(tried: _Tried, size: Size, ladder: Ladder) -> Iterator[Measurement]:
    asked, ctx = tried.asked, tried.asked.ctx
    for name in CONTROLS:
        condition: dict[str, Scalar] = {**named(asked.question), **size.condition, "attack": name}
        if not tried.measured(name):
            unknown = name == _OWN_NOISE and ladder.noise_sd is None
            yield absent_row(ctx, "control_accuracy", _NO_NOISE if unknown else _UNMOVED[name], condition)
            continue
        share = asked.share(tried.right[name], tried.made[name])
        yield Measurement.of(
            share, metric="control_accuracy", level=ctx.levels.confidence, direction="higher", condition=condition
        )  # fmt: skip
        yield Measurement.of(
            _difference(tried, name, share), metric="control_difference", level=ctx.levels.confidence,
            condition=condition,
        )  # fmt: skip
    if asked.question.decided:
        known = [name for name in CONTROLS if tried.measured(name)]
        meta: dict[str, Any] = dict(named(asked.question))
        shares = [
            tried.clean.mean(),
            tried.attacked.mean(),
            *(tried.right[name][tried.made[name]].mean() for name in known),
        ]
        ctx.sink.artifact(
            "attack_controls",
            "Share right as they are, under the attack, and under changes that are aimed at nothing",
            {"condition": np.array(["no change", "attack", *known], dtype=np.str_), "share_right": np.array(shares)},
            epsilon=size.epsilon, epsilon_unit=size.unit, n=asked.cases.size,
            **meta,
        )  # fmt: skip


def _difference(tried: _Tried, name: str, share: Estimate) -> Estimate:
    if share.value is None:
        return share
    own, asked = tried.made[name], tried.asked
    return rate_difference(tried.right[name][own], tried.attacked[own], asked.patients[own], asked.ctx.levels)
