"""ADV003: how many answers survive an attacker who can only ask the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import numpy as np

from audit.attacks import (
    PHASES,
    QUERY_CHECKS,
    Checks,
    Ladder,
    Meter,
    Outcome,
    QueryOutcome,
    QueryPlan,
    query_checks,
    questions,
    unasked,
)
from audit.core import Access, Estimate, Measurement, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes.adversarial._asked import (
    NONE_CONCERNED,
    Asked,
    Size,
    absent_row,
    batch_of,
    check_rows,
    ladder_sizes,
    named,
    need_images,
    sampled,
    sizes_of,
    standing,
)
from audit.probes.adversarial._beside import (
    DESCENT,
    DESCENT_CHECKS,
    asked_in_shards,
    descended,
    descent_checks,
    worst_of,
)
from audit.probes.adversarial._shards import checks_alone

_ATTACK = "query"
_PART = 3
_CHECKED = 40
_COSTLY_SAMPLE = 12
_GRID = 40
_DOUBT = "asked only: robustness to queries is not robustness"


class QueryAttack(Probe):
    """How many answers survive an attacker who can only ask the model.

    What it measures:
        The share of cases that are answered right both as they are and under an attack that sees nothing but answers
        and may change every stored intensity by at most epsilon (`robust_accuracy`; for a binary model or a finding
        `robust_sensitivity`, `robust_specificity` and `robust_auc`). `attack_success` is the share of the right ones
        that were overturned. A model without gradients (a callable, ONNX, scikit-learn) is asked at every size of the
        modality; it can be broken and never be called robust, so the lower side of its intervals is always open. A
        model with gradients is asked about at most 40 cases at the headline size, and the same cases are attacked by
        gradient descent, too: a case is right only if it stands under both.

        Two attacks are run and the worst of both counts for each case: Square, a random search on the margin of the
        scores, and, for cases that stand at the headline size, a search along rays of signs that uses nothing but the
        decision. `winning_share` says which of them broke a case first, and what only gradient descent broke.
        `robust_accuracy_stored` is the same number when only images of whole stored steps count.

        Checks of the attack itself. `certificate_identity`: share of unchanged images answered as before (1).
        `certificate_deterministic`: share of worst images answered the same when asked again (1).
        `certificate_large_epsilon`: share of right cases that stands when the whole range may be used (at most 0.05).
        `certificate_response`: share of right cases whose margin the attack lowers at the headline size (at least 0.9).
        `certificate_noise`: share right under random signs minus that under the search (above 0 where anything stands:
        a search that does no better than chance has shown nothing). `certificate_queries`: share of a sample that falls
        to twice the queries only (at most 0.05). With gradients also `certificate_query`: share that stands under
        gradient descent and falls to the attack that only asks (at most 0.05; above, the gradients mislead);
        `certificate_gradient`: share with a finite gradient that is not zero (at least 0.99); `certificate_descent`:
        share of right cases whose margin a least step along the gradient lowers (at least 0.9);
        `certificate_finite_difference`: share whose gradient is that of the answers (at least 0.9); `certificate_path`:
        share of pairs of cases of different answers between which the gradients add up to the difference of their
        margins (at least 0.8).

    Why it matters clinically:
        A deployed model can be asked by anyone who can send it an image. What falls to a few hundred questions needs no
        insider. And a model that hides its gradients looks robust to gradient attacks while it is not.

    Known problems:
        A black-box number is an upper bound, more loosely so than one with gradients: a larger budget or knowledge of
        the weights may break more, and the larger the image, the less a few hundred questions find. Undefended models
        of 128 x 128 pixels stand nearly all of them. So a model that can only be asked passes nothing here: the lower
        side of its interval is open, to 0, and so it is with gradients where a check fails. A success is a fact all the
        same, and can fail a rule. `robust_auc` pairs the worst answers found, and the search stops where a case is
        broken. Scores that are rounded, or saturated to 0 and 1, leave the search on the decision alone.

    Example:
        `probe = "ADV003"`, `metric = "robust_accuracy"`, `where = { parameter = "headline" }`, `limit = { min = 0.6 }`.

    References:
        - Andriushchenko et al. 2020, Square attack: a query-efficient black-box adversarial attack via random search,
          ECCV.
        - Chen and Gu 2020, RayS: A ray searching method for hard-label adversarial attack, KDD.
        - Carlini et al. 2019, On evaluating adversarial robustness, arXiv:1902.06705.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="ADV003",
        name="query-attack",
        family="ADV",
        tasks=(
            "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "detection", "survival",
        ),
        access=Access.QUERY,
        needs=("images",),
        metrics=(
            "robust_accuracy", "robust_sensitivity", "robust_specificity", "robust_auc", "robust_accuracy_stored",
            "attack_success", "winning_share", *QUERY_CHECKS, *DESCENT_CHECKS,
        ),
        descriptive=("winning_share",),
        title="Evasion by asking",
        version=2,
        question="Can someone who only asks the model turn its answer?",
        method=(
            "Black-box Square on the margin of the scores and ray search on the decision, L-infinity in stored units, "
            "and gradient descent where there are gradients, worst of all for each case; share right both clean and "
            "attacked, Korn-Graubard interval by patient, open below without gradients."
        ),
        limits=(
            "An upper bound: black-box robustness is not robustness, since more queries, or knowledge of the weights, "
            "may break more."
        ),
        references=(
            "Andriushchenko et al. 2020, ECCV", "Chen and Gu 2020, KDD", "Carlini et al. 2019, arXiv:1902.06705",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Ask about a sample of the cohort; see `Probe.run`."""
        need_images(ctx, gradients=False)
        wanted, ladder, meter = questions(ctx.card), sizes_of(ctx), Meter()
        blind = ctx.card.access < Access.GRADIENT
        plan = _plan(ctx, ladder, blind)
        sizes = tuple(size for size in ladder_sizes(ladder) if size.epsilon in plan.epsilons)
        cases = sampled(ctx, part=_PART)
        cases = cases if blind else cases[_spread(cases.size, _CHECKED)]
        for name, why in unasked(ctx.card).items():
            yield absent_row(ctx, "robust_accuracy", why, {"attack": _ATTACK, "class": name})
        for question in wanted:
            condition: dict[str, Scalar] = {"attack": _ATTACK, **named(question)}
            asked = Asked.of(ctx, question, cases)
            if not asked.cases.size:
                for size in sizes:
                    yield absent_row(ctx, "robust_accuracy", NONE_CONCERNED, {**condition, **size.condition})
                continue
            outcome = asked_in_shards(asked, plan, meter)
            descent = None if blind else descended(asked, plan, meter)
            checks = _checks(asked, outcome, descent, plan, meter)
            worst = outcome if descent is None else worst_of(asked, outcome, descent)
            yield from _rows(asked, worst, checks, sizes, condition, blind=blind)
            _keep(asked, outcome, worst, plan)
        _keep_settings(ctx, ladder, plan, meter, cases.size)


def _plan(ctx: ProbeContext, ladder: Ladder, blind: bool) -> QueryPlan:
    queries = ctx.budget.attack_queries
    return QueryPlan(
        epsilons=ladder.epsilons if blind else (ladder.headline,), headline=ladder.headline, queries=queries,
        decisions=2 * queries, batch=batch_of(ctx),
    )  # fmt: skip


def _spread(count: int, wanted: int) -> Any:
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _checks(asked: Asked, outcome: QueryOutcome, descent: Outcome | None, plan: QueryPlan, meter: Meter) -> Checks:
    return checks_alone(
        asked.ctx, asked.called("checks"),
        lambda rng, own: _checked(asked.drawing(rng), outcome, descent, plan, own), meter,
    )  # fmt: skip


def _checked(asked: Asked, outcome: QueryOutcome, descent: Outcome | None, plan: QueryPlan, meter: Meter) -> Checks:
    ctx = asked.ctx
    segmentation = ctx.card.task == "segmentation"
    clean = outcome.clean if segmentation else ctx.clean.raw[asked.cases]
    checks = query_checks(
        ctx.model, asked.question, asked.streamed, outcome, clean=clean,
        sample=_spread(asked.cases.size, _COSTLY_SAMPLE), patients=asked.patients, plan=plan, rng=ctx.rng, meter=meter,
    )  # fmt: skip
    if descent is None:
        return Checks(found=checks.found, doubt=_DOUBT)
    return Checks(found={**checks.found, **descent_checks(asked, outcome, descent)})


def _rows(
    asked: Asked, outcome: QueryOutcome, checks: Checks, sizes: tuple[Size, ...], condition: dict[str, Scalar], *,
    blind: bool,
) -> Iterator[Measurement]:  # fmt: skip
    level, found = asked.ctx.levels.confidence, cast(Any, outcome)
    for index, size in enumerate(sizes):
        where = {**condition, **size.condition}
        for metric, estimate, direction in standing(asked, found, index, checks):
            yield Measurement.of(estimate, metric=metric, level=level, direction=direction, condition=where)
        if outcome.integer.all() and size.epsilon >= 1:
            stored = checks.bound(asked.share(outcome.right_stored[:, index]))
            yield Measurement.of(
                stored, metric="robust_accuracy_stored", level=level, direction="higher", condition=where
            )  # fmt: skip
    at, headline = next((i, size.condition) for i, size in enumerate(sizes) if size.headline)
    broken = outcome.right_clean & ~outcome.right[:, at]
    ways = (*enumerate(PHASES), *(() if blind else ((-1, DESCENT),)))
    for code, phase in ways:
        yield Measurement.of(
            _won(outcome.broken_by[broken] == code, asked.patients[broken]), metric="winning_share", level=level,
            condition={**condition, **headline, "attack": phase},
        )  # fmt: skip
    yield from check_rows(asked.ctx, checks, condition, must={"certificate_noise": "above 0"})


def _won(first: Any, patients: Any) -> Estimate:
    if not first.size:
        return Estimate.absent("no case was overturned", method="none")
    n_patients = int(np.unique(patients).size)
    return Estimate.counted(float(first.mean()), n=first.size, n_patients=n_patients, k=int(first.sum()))


def _keep(asked: Asked, outcome: QueryOutcome, every: QueryOutcome, plan: QueryPlan) -> None:
    """Store the worst answers of every attack, and the share that stands by the number of images asked."""
    ctx, name = asked.ctx, asked.question.name
    if ctx.card.task != "segmentation":
        suffix = "" if name is None else f" class={name}"
        worst = every.answers[:, plan.epsilons.index(plan.headline)]
        ctx.sink.predictions(f"query epsilon={plan.headline:g}{suffix}", asked.cases, worst)
    last = max(2, int(outcome.queries.max()))
    grid = np.unique(np.round(np.geomspace(1, last, _GRID)).astype(np.int64))
    broken = outcome.broken_by >= 0
    stands = [(outcome.right_clean & ~(broken & (outcome.needed <= asked_for))).mean() for asked_for in grid]
    meta: dict[str, Any] = dict(named(asked.question))
    ctx.sink.artifact(
        "query_curve",
        "Share right at the headline size by the number of images that the attacker asked for, a case",
        {"queries": grid, "share_right": np.array(stands)},
        epsilon=plan.headline, n=asked.cases.size, **meta,
    )  # fmt: skip


def _keep_settings(ctx: ProbeContext, ladder: Ladder, plan: QueryPlan, meter: Meter, cases: int) -> None:
    epsilons = np.array(plan.epsilons)
    noise = {} if not ladder.noise_sd else {"epsilon_in_noise_sd": epsilons / ladder.noise_sd}
    ctx.sink.artifact(
        "attack_settings",
        "Sizes of the attack, and how many noise standard deviations of this cohort each is (above 1: visible)",
        {"epsilon": epsilons, **noise},
        epsilon_unit=ladder.unit, epsilon_from=ladder.why, norm=plan.norm, search="square, then rays of signs",
        queries=plan.queries, decisions=plan.decisions, cases=cases, forwards=meter.forwards,
        gradients=meter.gradients,
    )  # fmt: skip
