"""Patients that a sequential rule saves, by how far the truth lies from its limit, and how often it errs at the limit.

Cohorts of 300 patients with 1 to 4 alike cases are looked at as a sequential probe does, block by block, with the real
stop and the real judge; only the model is a draw. Usage: python -m benchmarks.scale.sequential [REPEATS]
"""

from __future__ import annotations

import sys
from typing import TypedDict

import numpy as np

from audit.core import BLOCK, Policy, Status
from audit.stats import proportion
from validation.statistics._stopped import (
    DISTANCES,
    LIMIT,
    PATIENTS,
    Ended,
    clustered,
    ended,
    judged,
    measured,
    rule,
)
from validation.statistics._study import LEVELS

SEED = 9
REPEATS = 200


class Saved(TypedDict):
    """What became of cohorts with the truth at one distance from the limit."""

    distance: float
    truth: float
    cohorts: int
    saved: float
    saved_error: float
    settled: float
    fixed: float
    wrong: float


class Measured(TypedDict):
    """What `measure` gives."""

    limit: float
    patients: int
    block: int
    at: list[Saved]
    cohorts_at_limit: int
    false_pass: float
    false_fail: float
    error: float


def measure(repeats: int = REPEATS, *, at_limit: int | None = None, seed: int = SEED) -> Measured:
    """Return the share of patients that need not be looked at, and the error rates at the limit.

    Args:
        repeats: Cohorts for each distance and side.
        at_limit: Cohorts with the truth at the limit, by default five times as many.
        seed: Seed.

    Returns:
        For each distance, above and below: the mean share saved with its Monte-Carlo error, the share of cohorts that
        ended with the right verdict, that would have done so after all patients under a rule that is not
        sequential, and that ended with the wrong one; at the limit, where both verdicts are wrong, the share of
        each, and the Monte-Carlo error of a share of 2.5 %.
    """
    rows = [_saved(round(sign * distance, 4), repeats, seed) for distance in DISTANCES for sign in (1, -1)]
    count = 5 * repeats if at_limit is None else at_limit
    found = [f.status for f, _ in _ended(LIMIT, count, seed)]
    return {
        "limit": LIMIT, "patients": PATIENTS, "block": BLOCK, "at": rows, "cohorts_at_limit": count,
        "false_pass": found.count("PASS") / count, "false_fail": found.count("FAIL") / count,
        "error": float(np.sqrt(0.025 * 0.975 / count)),
    }  # fmt: skip


def _ended(truth: float, repeats: int, seed: int) -> list[tuple[Ended, Status]]:
    """Return how sequential probes ended, and what all patients say under a rule that is not sequential."""
    policy, other = (Policy(rules=(rule("first", LIMIT, sequential=s),)) for s in (True, False))
    draw, rng = clustered(truth), np.random.default_rng([seed, round(1000 * truth)])
    found = []
    for _ in range(repeats):
        hits, patients = draw(rng)
        whole = measured("first", proportion(hits, patients, LEVELS))
        found.append((ended(policy, hits, patients), judged(whole, other)))
    return found


def _saved(distance: float, repeats: int, seed: int) -> Saved:
    truth = round(LIMIT + distance, 4)
    found = _ended(truth, repeats, seed)
    saved = 1 - np.array([f.patients for f, _ in found]) / PATIENTS
    right, wrong = ("PASS", "FAIL") if distance > 0 else ("FAIL", "PASS")
    return {
        "distance": distance, "truth": truth, "cohorts": repeats, "saved": float(saved.mean()),
        "saved_error": float(saved.std(ddof=1) / np.sqrt(repeats)),
        "settled": sum(f.status == right for f, _ in found) / repeats,
        "fixed": sum(s == right for _, s in found) / repeats,
        "wrong": sum(f.status == wrong for f, _ in found) / repeats,
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print what was measured."""
    found = measure(int(arguments[0]) if arguments else REPEATS)
    for row in found["at"]:
        print(
            f"truth {row['truth']:g} ({row['distance']:+g} from the limit): saved {row['saved']:.0%} "
            f"± {row['saved_error']:.1%}, settled {row['settled']:.0%} (after all patients {row['fixed']:.0%}), "
            f"wrong {row['wrong']:.1%}"
        )
    print(
        f"at the limit, {found['cohorts_at_limit']} cohorts: false PASS {found['false_pass']:.1%}, false FAIL "
        f"{found['false_fail']:.1%} (± {found['error']:.1%})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
