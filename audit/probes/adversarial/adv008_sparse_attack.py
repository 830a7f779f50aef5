"""ADV008: whether a few pixels turn the answer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import Check, Checks, Meter, Outcome, questions, sparse, sparse_draws, unasked
from audit.core import Access, Arrays, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._parted import states_before
from audit.probes.adversarial._asked import (
    HONEST,
    NONE_CONCERNED,
    PATH,
    Asked,
    Size,
    absent_row,
    check_rows,
    followed,
    honest,
    named,
    need_images,
    sampled,
    spread,
    standing,
)
from audit.probes.adversarial._shards import checks_alone, count, spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTACK = "sparse"
_PART = 4
_SHARES = (0.0, 0.001, 0.005, 0.01, 0.02)
_HEADLINE = 0.001
_WHOLE_SAMPLE = 16
_STANDING = 0.05
_USABLE = 0.99
UNIT = "pixels"


class SparseAttack(Probe):
    """How many answers survive when a few pixels may take any valid value.

    What it measures:
        The share of cases that are answered right as they are and with a number of pixels (voxels) changed to an end of
        the valid range: `robust_accuracy`, and for a binary model or a finding `robust_sensitivity`,
        `robust_specificity` and `robust_auc`. `epsilon` is the number of pixels: one, then 0.1 (headline), 0.5, 1 and 2
        % of the image. Pixels are chosen by the gradient, in blocks, and up to four one by one by trying; every success
        is verified on the untouched model. `attack_success` is the share of the right answers overturned.

        Checks of the attack itself: `certificate_large_epsilon`, the share that stands when every pixel may change (at
        most 0.05); `certificate_gradient`, the share of cases with a usable gradient (at least 0.99);
        `certificate_noise`, the share right with as many random pixels changed minus that under the attack (at least
        0); `certificate_repeat`, the share of cases answered the same when asked again (1);
        `certificate_finite_difference`, the share whose gradient is that of the answers (at least 0.9), and
        `certificate_path`, the share of pairs of cases of different answers between which the gradients add up to the
        difference of the margins (at least 0.8).

    Why it matters clinically:
        Dead detector pixels, dust, a burned-in letter or a metal clip change few pixels by much. A model whose answer
        hangs on single pixels will meet them in the clinic without any attacker.

    Known problems:
        Choosing pixels is a search among very many sets: a robust number is an upper bound, more loosely so than that
        of ADV001. The changes are visible when looked for. Where a check fails the lower side of the interval is opened
        to 0.

    Example:
        `probe = "ADV008"`, `metric = "robust_accuracy"`, `where = { epsilon = 1 }`, `limit = { min = 0.8 }`.

    References:
        - Papernot et al. 2016, The limitations of deep learning in adversarial settings, EuroS&P.
        - Su et al. 2019, One pixel attack for fooling deep neural networks, IEEE Transactions on Evolutionary
          Computation 23.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV008",
        name="sparse-attack",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=(
            "robust_accuracy", "robust_sensitivity", "robust_specificity", "robust_auc", "attack_success",
            *HONEST, PATH, "certificate_large_epsilon", "certificate_gradient", "certificate_noise",
        ),
        title="Evasion by a few pixels",
        version=2,
        question="Do a few pixels turn the answer?",
        method=(
            "White-box greedy choice of pixels, each set to an end of the valid range, with single pixels tried one by "
            "one; share right both clean and attacked, Korn-Graubard interval by patient."
        ),
        limits="An upper bound: another choice of pixels may break more.",
        references=(
            "Papernot et al. 2016, EuroS&P", "Su et al. 2019, IEEE Transactions on Evolutionary Computation 23",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Change a few pixels of a sample of the cohort; see `Probe.run`."""
        need_images(ctx)
        wanted, cases, meter = questions(ctx.card), sampled(ctx, part=_PART), Meter()
        ladder = _Ladder.of(ctx)
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "robust_accuracy", why, {"attack": _ATTACK, "class": name, "epsilon_unit": UNIT})
        curves = []
        for question in wanted:
            condition: dict[str, Scalar] = {"attack": _ATTACK, **named(question)}
            asked = Asked.of(ctx, question, cases)
            if not asked.cases.size:
                for size in ladder.sizes:
                    yield absent_row(ctx, "robust_accuracy", NONE_CONCERNED, {**condition, **size.condition})
                continue
            outcome = _attack(asked, ladder, meter)
            checks = _checks(asked, outcome, meter)
            curves.append((question.name or "", outcome.right_clean.mean(), outcome.right.mean(axis=0)))
            for index, size in enumerate(ladder.sizes):
                for metric, estimate, direction in standing(asked, outcome, index, checks):
                    yield Measurement.of(
                        estimate, metric=metric, level=ctx.levels.confidence, direction=direction,
                        condition={**condition, **size.condition},
                    )  # fmt: skip
            yield from check_rows(ctx, checks, condition)
        _keep(ctx, ladder, curves, meter)


@dataclass(frozen=True, kw_only=True)
class _Ladder:
    """Numbers of pixels.

    Args:
        counts: Rising.
        headline: The one that a release is judged by.
        pixels: Pixels of an image.
    """

    counts: tuple[int, ...]
    headline: int
    pixels: int

    @classmethod
    def of(cls, ctx: ProbeContext) -> _Ladder:
        """Return the numbers for the cohort's images."""
        images = ctx.cohort.images
        if images is None:
            raise ValueError("expected a cohort with images")
        pixels = int(np.prod(images.load(0).shape[1:]))
        counts = sorted({max(1, round(share * pixels)) for share in _SHARES})
        return cls(counts=tuple(counts), headline=max(1, round(_HEADLINE * pixels)), pixels=pixels)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The numbers as conditions."""
        return tuple(Size(epsilon=float(c), unit=UNIT, headline=c == self.headline) for c in self.counts)


def _attack(asked: Asked, ladder: _Ladder, meter: Meter) -> Outcome:
    ctx = asked.ctx
    model: Any = ctx.model
    spatial = asked.images(np.arange(1)).shape[2:]
    rngs = states_before(
        ctx, asked.called("random pixels"), [rows.size for rows in asked.batches],
        lambda rng, size: sparse_draws(rng, (size, 1, *spatial)),
    )  # fmt: skip

    def work(rows: NDArray[np.int64], number: int) -> Arrays:
        own = Meter()
        found = sparse(
            model,
            asked.question,
            asked.images(rows),
            asked.targets(rows),
            counts=ladder.counts,
            headline=ladder.headline,
            steps=ctx.budget.attack_steps,
            rng=deepcopy(rngs[number]),
            meter=own,
        ).first(0)
        return {**{f.name: getattr(found, f.name) for f in fields(found)}, **spent(own)}

    every = asked.batch_by_batch("cases attacked", work)
    count(meter, [every])
    return Outcome(**{f.name: every[f.name] for f in fields(Outcome)})


def _checks(asked: Asked, outcome: Outcome, meter: Meter) -> Checks:
    return checks_alone(
        asked.ctx, asked.called("checks"), lambda rng, own: _checked(asked.drawing(rng), outcome, own), meter
    )


def _checked(asked: Asked, outcome: Outcome, meter: Meter) -> Checks:
    ctx, patients = asked.ctx, asked.patients
    model: Any = ctx.model
    few = spread(asked.cases.size, _WHOLE_SAMPLE)
    images = asked.images(few)
    every = int(np.prod(images.shape[2:]))
    parts: list[NDArray[np.bool_]] = []
    for begin in range(0, few.size, asked.batch):
        own = slice(begin, begin + asked.batch)
        parts.append(
            sparse(
                model, asked.question, images[own], asked.targets(few[own]), counts=(every // 2, every), headline=0,
                steps=max(20, ctx.budget.attack_steps), rng=ctx.rng, meter=meter, whole=True,
            ).right[:, -1]
        )  # fmt: skip
    stands, usable = float(np.concatenate(parts).mean()), float(outcome.gradient.mean())
    ahead = float(outcome.right_noise.mean() - outcome.right_attack.mean())
    return Checks(found={
        **honest(asked),
        **followed(asked),
        "certificate_large_epsilon": Check.of(stands, holds=stands <= _STANDING, patients=patients[few]),
        "certificate_gradient": Check.of(usable, holds=usable >= _USABLE, patients=patients),
        "certificate_noise": Check.of(ahead, holds=ahead >= 0, patients=patients),
    })  # fmt: skip


def _keep(ctx: ProbeContext, ladder: _Ladder, curves: list[tuple[str, Any, NDArray[np.float64]]], meter: Meter) -> None:
    """Store the share right by number of pixels, from 0 on, for each question."""
    shares = [np.concatenate([[clean], right]) for _, clean, right in curves]
    ctx.sink.artifact(
        "sparse_curve",
        "Share right by the number of pixels that may take any value (first: without an attack)",
        {
            "pixels": np.array([0, *ladder.counts]),
            "share_right": np.array(shares).reshape(len(curves), len(ladder.counts) + 1),
            "question": np.array([name for name, _, _ in curves], dtype=np.str_),
        },
        pixels_of_image=ladder.pixels, headline=ladder.headline, gradients=meter.gradients, forwards=meter.forwards,
    )  # fmt: skip
