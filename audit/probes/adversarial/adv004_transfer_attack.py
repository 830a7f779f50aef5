"""ADV004: whether perturbations made on another model turn this one."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import (
    Check,
    Checks,
    Meter,
    Outcome,
    Question,
    Student,
    Transferred,
    distil,
    questions,
    transfer,
    transfer_draws,
    unasked,
)
from audit.core import Access, Arrays, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._images import load_images
from audit.probes._parted import alone, states_before
from audit.probes.adversarial._asked import (
    HONEST,
    NONE_CONCERNED,
    Asked,
    absent_row,
    batch_of,
    check_rows,
    honest,
    ladder_sizes,
    named,
    need_images,
    sampled,
    sizes_of,
    standing,
)
from audit.probes.adversarial._shards import checks_alone, count, spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.attacks import Ladder

_PART = 4
_DISTILLED = "distilled"
_FITTED = 0.5
_STANDING = 0.5
_AGREEING = 0.6
_FEWEST_PATIENTS = 10
_LESSONS_A_STEP = 300
"""Images shown to a student for each gradient step of the budget, so that its making costs about what attacks do."""
_FEWEST_PASSES = 4
_DOUBT = "distilled surrogate: that little transfers from a small student is not robustness"
_METRICS = ("robust_accuracy", "robust_sensitivity", "robust_specificity", "robust_auc", "attack_success")


class TransferAttack(Probe):
    """How many answers survive perturbations that were made on a surrogate of the model.

    What it measures:
        The share of cases that are answered right as they are and under perturbations of at most epsilon a pixel that
        were made with the gradients of another model: `robust_accuracy`, and for a binary model or a finding
        `robust_sensitivity`, `robust_specificity` and `robust_auc`; `attack_success` is the share of the right answers
        overturned. The audited model is asked for answers alone.

        `attack` names what the surrogate has in common with it. Surrogates are declared ("transfer: same init",
        "transfer: other init", "transfer: other data", "transfer: other architecture"); without one, a small network is
        taught the model's answers on half of the patients and the other half is attacked ("transfer: distilled"). The
        perturbations are one step along the gradient, and signed steps with and without momentum.

        Checks of the attack itself: `certificate_surrogate`, the share of the cases right on the surrogate that stand
        on it at the largest size (at most 0.5: an attack that does nothing on its own model says nothing of another);
        `certificate_agreement`, how much more often model and surrogate decide alike than by chance (kappa, at least
        0.6); `certificate_noise`, the share right under random signs of the headline size minus that under the attack
        (above 0 where anything stands: what turns no more than chance has transferred nothing); `certificate_repeat`,
        the share of cases answered the same when asked again (1), and `certificate_finite_difference`, the share whose
        gradient on the surrogate is that of its answers (at least 0.9).

    Why it matters clinically:
        An attacker seldom holds the weights, but may hold a model that was trained alike: an earlier version, the
        public code, the same data. Bortsova 2021 found that what the two have in common decides how much transfers.

    Known problems:
        A robust number is an upper bound for the surrogates tried: a better surrogate may transfer more, and ADV001
        says what the weights themselves give away. A distilled surrogate is small, and undefended models stand what is
        made on it: under "transfer: distilled" the lower side of the interval is always open, so that it can break a
        model and never pass one. With a declared surrogate the lower side is opened where a check fails.

    Example:
        `probe = "ADV004"`, `metric = "robust_accuracy"`, `where = { attack = "transfer: other init", parameter =
        "headline" }`, `limit = { min = 0.7 }`.

    References:
        - Bortsova et al. 2021, Adversarial attack vulnerability of medical image analysis systems: unexplored factors,
          Medical Image Analysis 73.
        - Papernot et al. 2017, Practical black-box attacks against machine learning, AsiaCCS.
        - Dong et al. 2018, Boosting adversarial attacks with momentum, CVPR.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV004",
        name="transfer-attack",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.QUERY,
        needs=("images",),
        metrics=(*_METRICS, *HONEST, "certificate_surrogate", "certificate_agreement", "certificate_noise"),
        title="Perturbations that transfer from another model",
        version=2,
        question="Does a change that was made on a similar model turn this one?",
        method=(
            "Signed gradient steps with and without momentum on a declared or distilled surrogate, L-infinity, scored "
            "on the audited model; share right both clean and attacked, Korn-Graubard interval by patient."
        ),
        limits="An upper bound for the surrogates tried: a nearer one may transfer more.",
        references=(
            "Bortsova et al. 2021, Medical Image Analysis 73", "Papernot et al. 2017, AsiaCCS",
            "Dong et al. 2018, CVPR",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Attack each surrogate and score on the audited model; see `Probe.run`."""
        need_images(ctx, gradients=False)
        wanted, ladder, cases = questions(ctx.card), sizes_of(ctx), sampled(ctx, part=_PART)
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "robust_accuracy", why, {"class": name})
        meter, curves = Meter(), []
        for source in _sources(ctx, cases):
            for question in wanted:
                condition: dict[str, Scalar] = {"attack": f"transfer: {source.relation}", **named(question)}
                asked = Asked.of(ctx, question, source.cases)
                why = source.reason or ("" if asked.cases.size else NONE_CONCERNED)
                if why:
                    for size in ladder_sizes(ladder):
                        yield absent_row(ctx, "robust_accuracy", why, {**condition, **size.condition})
                    continue
                found = _transferred(asked, source, ladder, meter)
                curves.append((source, question.name or "", found))
                yield from _measure(asked, source, found, ladder, condition)
        if curves:
            _keep(ctx, curves, ladder, meter)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Source:
    """A surrogate and the cases that it may be tried on.

    Args:
        relation: What it has in common with the audited model.
        model: The surrogate; None where it is of no use.
        cases: Rows of the cohort to attack.
        reason: Why it is of no use.
    """

    relation: str
    model: Any
    cases: NDArray[np.int64]
    reason: str = ""


def _sources(ctx: ProbeContext, cases: NDArray[np.int64]) -> Iterator[_Source]:
    """Give the declared surrogates, or a distilled one where there is none."""
    for declared in ctx.surrogates:
        reason = ""
        if declared.model.card.access < Access.GRADIENT:
            reason = "the surrogate gives no gradients"
        elif declared.model.state_digest() == ctx.model.state_digest():
            reason = "the surrogate is the audited model itself; ADV001 attacks that"
        yield _Source(relation=declared.relation, model=declared.model, cases=cases, reason=reason)
    if not ctx.surrogates:
        yield _distilled(ctx, cases)


def _distilled(ctx: ProbeContext, cases: NDArray[np.int64]) -> _Source:
    """Return a network taught on half of the patients, to be tried on those of the others that were sampled."""
    patients = ctx.cohort.patients
    codes = np.unique(patients)
    if codes.size < _FEWEST_PATIENTS:
        raise NotApplicable(f"no surrogate is declared, and {codes.size} patients are too few to distil one")
    taught = np.isin(patients, ctx.rng.permutation(codes)[: round(codes.size * _FITTED)])
    rows, limit = np.flatnonzero(taught), ctx.budget.attack_cases
    if limit is not None and rows.size > limit:
        rows = np.sort(ctx.rng.choice(rows, size=limit, replace=False))
    held = np.flatnonzero(~taught)
    few = held[np.isin(held, cases)]
    passes = max(_FEWEST_PASSES, _LESSONS_A_STEP * ctx.budget.attack_steps // rows.size)
    arrays = alone(
        ctx, "surrogate distilled",
        lambda rng: distil(
            ctx.model, rows, lambda own: load_images(ctx.cohort, own), passes=passes, batch=min(batch_of(ctx), 16),
            rng=rng,
        ).arrays(),
    )  # fmt: skip
    return _Source(relation=_DISTILLED, model=Student.of(ctx.card, arrays), cases=few if few.size else held)


def _transferred(asked: Asked, source: _Source, ladder: Ladder, meter: Meter) -> Transferred:
    ctx = asked.ctx
    own = {q.name: q for q in questions(source.model.card)}
    pair: tuple[Question, Question] = (asked.question, own[asked.question.name])
    shape = asked.images(np.arange(1)).shape[1:]
    rngs = states_before(
        ctx, asked.called("random signs"), [rows.size for rows in asked.batches],
        lambda rng, size: transfer_draws(rng, (size, *shape)),
    )  # fmt: skip

    def work(rows: NDArray[np.int64], number: int) -> Arrays:
        own = Meter()
        found = transfer(
            ctx.model, source.model, pair, asked.images(rows), asked.targets(rows), epsilons=ladder.epsilons,
            headline=ladder.headline, steps=ctx.budget.attack_steps, rng=deepcopy(rngs[number]), meter=own,
        )  # fmt: skip
        outcome = found.outcome.first(0)
        return {
            **{f.name: getattr(outcome, f.name) for f in fields(outcome)}, "surrogate_clean": found.surrogate_clean,
            "surrogate": found.surrogate, "agrees": found.agrees, **spent(own),
        }  # fmt: skip

    every = asked.batch_by_batch(f"transferred from {source.relation}", work)
    count(meter, [every])
    return Transferred(
        outcome=Outcome(**{f.name: every[f.name] for f in fields(Outcome)}), surrogate_clean=every["surrogate_clean"],
        surrogate=every["surrogate"], agrees=every["agrees"],
    )  # fmt: skip


def _measure(
    asked: Asked, source: _Source, found: Transferred, ladder: Ladder, condition: dict[str, Scalar]
) -> Iterator[Measurement]:
    checks = checks_alone(
        asked.ctx, asked.called("checks"), lambda rng, _: _checks(asked.drawing(rng), source, found), Meter()
    )
    level = asked.ctx.levels.confidence
    for index, size in enumerate(ladder_sizes(ladder)):
        for metric, estimate, direction in standing(asked, found.outcome, index, checks):
            yield Measurement.of(
                estimate, metric=metric, level=level, direction=direction, condition={**condition, **size.condition}
            )  # fmt: skip
    yield from check_rows(asked.ctx, checks, condition, must={"certificate_noise": "above 0"})


def _checks(asked: Asked, source: _Source, found: Transferred) -> Checks:
    """Return whether the attack works where it is made, and whether what it is made on is anything like the model."""
    patients, clean = asked.patients, found.surrogate_clean
    outcome = found.outcome
    ahead = float(outcome.right_noise.mean() - outcome.right_attack.mean())
    kappa = _kappa(asked, found)
    checks = honest(asked, source.model)
    stands = float(found.surrogate[clean, -1].mean()) if clean.any() else 1.0
    checks["certificate_surrogate"] = Check.of(
        stands, holds=bool(clean.any()) and stands <= _STANDING, patients=patients[clean] if clean.any() else patients
    )
    checks["certificate_agreement"] = Check.of(kappa, holds=kappa >= _AGREEING, patients=patients)
    proven = ahead > 0 or not outcome.right_attack.any()
    checks["certificate_noise"] = Check.of(ahead, holds=proven, patients=patients)
    return Checks(found=checks, doubt=_DOUBT if source.relation == _DISTILLED else "")


def _kappa(asked: Asked, found: Transferred) -> float:
    """Return how much more often the two decide alike than by chance, 1 at best.

    For a binary question the two decisions are compared, positive or not; for others whether each is right.
    """
    first, second = found.outcome.right_clean, found.surrogate_clean
    positive = asked.positive
    if positive is not None:
        first, second = first == positive, second == positive
    same = float((first == second).mean())
    p, q = float(first.mean()), float(second.mean())
    chance = p * q + (1 - p) * (1 - q)
    return 1.0 if same == 1.0 else (same - chance) / (1 - chance)


def _keep(ctx: ProbeContext, curves: list[tuple[_Source, str, Transferred]], ladder: Ladder, meter: Meter) -> None:
    """Store the share right on the audited model and on the surrogate by size, from 0 on."""

    def curve(clean: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.concatenate([[clean.mean()], right.mean(axis=0)])

    ctx.sink.artifact(
        "transfer_curve",
        "Share right by size of the change, on the audited model and on the surrogate that it was made on",
        {
            "epsilon": np.array([0.0, *ladder.epsilons]),
            "share_right": np.stack([curve(f.outcome.right_clean, f.outcome.right) for _, _, f in curves]),
            "share_right_on_surrogate": np.stack([curve(f.surrogate_clean, f.surrogate) for _, _, f in curves]),
            "relation": np.array([s.relation for s, _, _ in curves], dtype=np.str_),
            "surrogate": np.array([s.model.card.digest or _DISTILLED for s, _, _ in curves], dtype=np.str_),
            "question": np.array([name for _, name, _ in curves], dtype=np.str_),
        },
        epsilon_unit=ladder.unit, headline=ladder.headline, steps=ctx.budget.attack_steps, gradients=meter.gradients,
        forwards=meter.forwards,
    )  # fmt: skip
