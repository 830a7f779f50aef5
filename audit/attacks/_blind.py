"""Whether an attack that only asks may be believed, and whether it does better than one with gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.attacks._objectives import Question
from audit.attacks._outcome import Cases, Meter
from audit.attacks._query import QueryOutcome, QueryPlan, query_attack
from audit.attacks._sound import Check, Checks
from audit.core import ImagingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERY_CHECKS: tuple[str, ...] = (
    "certificate_identity", "certificate_deterministic", "certificate_large_epsilon", "certificate_response",
    "certificate_noise", "certificate_queries",
)  # fmt: skip
_STANDING = 0.05
_LEAST_QUERIES = 100
_RESPONDS = 0.9


def query_checks(
    model: ImagingModel, question: Question, cases: Cases, outcome: QueryOutcome, *, clean: NDArray[np.float64],
    sample: NDArray[np.int64], patients: NDArray[np.int64], plan: QueryPlan, rng: np.random.Generator, meter: Meter,
) -> Checks:  # fmt: skip
    """Check an attack that only asks.

    `certificate_identity`: share of cases whose unchanged image is answered as before the attack; must be 1.
    `certificate_deterministic`: share whose worst image, asked again, gets the same answer; must be 1.
    `certificate_large_epsilon`: share of the sampled right cases that stand when the whole range may be used; at most
    0.05. `certificate_response`: share of the cases right without an attack whose margin it lowers at the headline
    size; at least 0.9, or the scores say nothing that a search could follow. `certificate_noise`: share right under
    random signs minus that under the search, same size; above 0 where anything stands, or the search does no better
    than chance and what it leaves standing says nothing. `certificate_queries`: share of cases that stand at
    the headline size and fall to twice the queries from another start; at most 0.05.

    Args:
        model: The model under attack.
        question: What was to be overturned.
        cases: The n attacked cases.
        outcome: What became of them.
        clean: (n, k) what the model said of them before, as kept by the objective.
        sample: (m,) rows that the two costly checks look at.
        patients: (n,) patient codes.
        plan: How much was tried.
        rng: Further starts.
        meter: Where the cost is counted.
    """
    same = np.isclose(outcome.clean, clean, rtol=1e-3, atol=1e-4, equal_nan=True).all(axis=1)
    tried = sample[outcome.right_clean[sample]]
    ahead = float(outcome.right_noise.mean() - outcome.right_search.mean())
    held = sample[outcome.right[sample, plan.epsilons.index(plan.headline)]]
    more = replace(
        plan, epsilons=(plan.headline,), queries=2 * plan.queries, decisions=2 * plan.decisions
    )  # fmt: skip
    turned = falls(model, question, taken(cases, held), plan=more, rng=rng, meter=meter).sum() / max(1, sample.size)
    found = {
        "certificate_identity": Check.of(same.mean(), holds=bool(same.all()), patients=patients),
        "certificate_deterministic": Check.of(
            outcome.repeated.mean(), holds=bool(outcome.repeated.all()), patients=patients
        ),
        "certificate_noise": Check.of(
            ahead, holds=ahead > 0 or not outcome.right_search.any(), patients=patients
        ),
        "certificate_queries": Check.of(turned, holds=turned <= _STANDING, patients=patients[sample]),
    }  # fmt: skip
    if tried.size:
        stands = _whole(model, question, taken(cases, tried), plan, rng, meter)
        found["certificate_large_epsilon"] = Check.of(stands, holds=stands <= _STANDING, patients=patients[tried])
    right = outcome.right_clean
    if right.any():
        share = outcome.lowered[right].mean()
        found["certificate_response"] = Check.of(share, holds=share >= _RESPONDS, patients=patients[right])
    return Checks(found={name: found[name] for name in QUERY_CHECKS if name in found})


def certify_query(
    model: ImagingModel, question: Question, cases: Cases, standing: NDArray[np.bool_], *, patients: NDArray[np.int64],
    plan: QueryPlan, rng: np.random.Generator, meter: Meter | None = None,
) -> Check:  # fmt: skip
    """Check that an attack which only asks is not stronger than one with gradients.

    Where it is, the gradients mislead: they are masked, saturated, or of another function than the one that answers.

    Args:
        model: The model under attack.
        question: What was to be overturned.
        cases: n cases.
        standing: (n,) which of them stand at the headline size under the attack with gradients.
        patients: (n,) patient codes.
        plan: How much is asked; only its headline size is tried.
        rng: Random starts.
        meter: Where the cost is counted.

    Returns:
        The share of the n cases that stand and fall to the attack that only asks; at most 0.05.
    """
    only = replace(plan, epsilons=(plan.headline,))
    own = taken(cases, np.flatnonzero(standing))
    turned = falls(model, question, own, plan=only, rng=rng, meter=meter or Meter()).sum() / max(1, cases.count)
    return Check.of(turned, holds=turned <= _STANDING, patients=patients)


def falls(
    model: ImagingModel, question: Question, cases: Cases, *, plan: QueryPlan, rng: np.random.Generator, meter: Meter
) -> NDArray[np.bool_]:
    """Return (n,) which cases fall at the largest size."""
    if not cases.count:
        return np.zeros(0, dtype=bool)
    return ~query_attack(model, question, cases, plan=plan, rng=rng, meter=meter).right[:, -1]


def taken(cases: Cases, rows: NDArray[np.int64]) -> Cases:
    """Return some of the cases."""
    return Cases(
        count=rows.size, images=lambda own: cases.images(rows[own]), targets=lambda own: cases.targets(rows[own])
    )


def _whole(
    model: ImagingModel, question: Question, cases: Cases, plan: QueryPlan, rng: np.random.Generator, meter: Meter
) -> float:
    """Return the share of cases that stand when the whole range may be used."""
    span, last = model.card.input.span, plan.epsilons[-1]
    between = [e for e in (span / 16, span / 4) if last * 1.5 < e]
    epsilons = (*(e for e in (last, *between) if e < span), span)
    strong = replace(
        plan, epsilons=epsilons, headline=span, queries=max(plan.queries, _LEAST_QUERIES),
        decisions=max(plan.decisions, _LEAST_QUERIES), whole=True,
    )  # fmt: skip
    return 1 - float(falls(model, question, cases, plan=strong, rng=rng, meter=meter).mean())
