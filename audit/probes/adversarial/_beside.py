"""Gradient descent on the cases of an attack that only asks: the worst of both counts."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Check, Meter, Outcome, Plan, QueryOutcome, QueryPlan, query_part
from audit.core import Arrays, joined
from audit.probes._parted import shard_of
from audit.probes.adversarial._asked import PATH, Asked, followed, honest, ranking
from audit.probes.adversarial._shards import attack_shards, count, spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

DESCENT = "gradient descent"
"""Who broke a case that no question broke, as the condition `attack` of `winning_share`."""
DESCENT_CHECKS = (
    "certificate_query",
    "certificate_gradient",
    "certificate_descent",
    "certificate_finite_difference",
    PATH,
)
_AHEAD = 0.05
_GIVEN = 0.99
_LOWERS = 0.9


def descended(asked: Asked, plan: QueryPlan, meter: Meter) -> Outcome:
    """Return what becomes of the cases of a question under gradient descent, at the headline size of a plan."""
    budget = asked.ctx.budget
    model: Any = asked.ctx.model
    descent = Plan(
        epsilons=(plan.headline,), headline=plan.headline, steps=budget.attack_steps, restarts=budget.attack_restarts,
        batch=plan.batch,
    )  # fmt: skip
    return attack_shards(
        asked.ctx, asked.called("gradient descent"), model, asked.question, asked.streamed, plan=descent,
        seed=int(asked.ctx.rng.integers(2**63)), meter=meter,
    )  # fmt: skip


def asked_in_shards(asked: Asked, plan: QueryPlan, meter: Meter) -> QueryOutcome:
    """Return what becomes of the cases of a question by asking alone, shard by shard.

    Args:
        asked: The question and its cases.
        plan: How much is asked.
        meter: Where the cost is counted.
    """
    ctx, stream = asked.ctx, asked.streamed
    generators = ctx.rng.spawn(stream.count)

    def work(positions: NDArray[np.int64]) -> Arrays:
        own, first = Meter(), int(positions[0])
        found = query_part(
            ctx.model, asked.question, stream.part(positions), plan=plan,
            generators=[deepcopy(generators[i]) for i in positions], meter=own,
            progress=lambda done, _: ctx.sink.progress(first + done, stream.count),
        )  # fmt: skip
        return {**{f.name: getattr(found, f.name) for f in fields(found)}, **spent(own)}

    parts = ctx.parts.map(asked.called("cases asked about"), work, stream.count, size=shard_of(plan.batch))
    count(meter, parts)
    every = joined(parts)
    return QueryOutcome(**{f.name: every[f.name] for f in fields(QueryOutcome)})


def worst_of(asked: Asked, asking: QueryOutcome, descent: Outcome) -> QueryOutcome:
    """Return the outcome of asking with every case counted wrong that either attack broke.

    Args:
        asked: The question and its cases.
        asking: What became of them by asking, at the headline size alone.
        descent: What became of them by gradient descent, at the same size.
    """
    worse = asking.right[:, 0] & ~descent.right[:, 0]
    if asked.positive is not None:
        first, second = ranking(asked, asking.answers[:, 0]), ranking(asked, descent.answers[:, 0])
        worse = np.where(asked.positive, second < first, second > first)
    return replace(
        asking, right=asking.right & descent.right, right_stored=asking.right_stored & descent.right_stored,
        answers=np.where(worse[:, None, None], descent.answers, asking.answers),
    )  # fmt: skip


def descent_checks(asked: Asked, asking: QueryOutcome, descent: Outcome) -> dict[str, Check]:
    """Return whether gradients can be followed, and whether asking does better; by name, in `DESCENT_CHECKS`' order.

    Args:
        asked: The question and its cases.
        asking: What became of them by asking alone.
        descent: What became of them by gradient descent.
    """
    patients, right = asked.patients, descent.right_clean
    ahead = float((descent.right[:, 0] & ~asking.right[:, 0]).mean())
    given = float(descent.gradient.mean())
    found = {
        "certificate_query": Check.of(ahead, holds=ahead <= _AHEAD, patients=patients),
        "certificate_gradient": Check.of(given, holds=given >= _GIVEN, patients=patients),
    }
    if right.any():
        lowers = float(descent.descends[right].mean())
        found["certificate_descent"] = Check.of(lowers, holds=lowers >= _LOWERS, patients=patients[right])
    name = "certificate_finite_difference"
    return {**found, name: honest(asked)[name], **followed(asked)}
