"""How long the confounding family takes beside a loop of a library: python -m benchmarks.confounding [ROUNDS].

5,000 cases of 1,500 patients in 8 levels and 2,000 resamples of patients, in one thread. Ours gives cost, balanced and
within-level AUC, drop and random drop with intervals and every pair of levels; the loop computes the matrix of pairs by
scikit-learn's `roc_auc_score` for one resample after the other, and is timed on a few of them. Times are ratios within
one run; wall times count what else the machine does. The target of 5 s was set before.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import numpy as np

from audit.core import ProbeContext
from audit.probes.confounding import BalancedResampling, PooledVersusWithin, ScoreFollowsConfounder
from audit.testing import attribute, saved_context, small_cohort

CASES, PATIENTS, LEVELS, RESAMPLES, LOOPED = 5000, 1500, 8, 2000, 3
TARGET_SECONDS = 5.0
PROBES = (BalancedResampling, ScoreFollowsConfounder, PooledVersusWithin)


def made(seed: int) -> ProbeContext:
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(PATIENTS), rng.integers(0, PATIENTS, CASES - PATIENTS)])
    label, level = (rng.random(PATIENTS) < 0.4)[owner], rng.integers(0, LEVELS, PATIENTS)[owner]
    score = 1 / (1 + np.exp(-(rng.normal(size=CASES) + 1.5 * label + 0.1 * level)))
    ward = attribute("ward", np.array(list("abcdefgh"))[level], "confounder", reason="case mix")
    ctx = saved_context(score, small_cohort(label.astype(int), attributes=[ward], patients=owner))
    return replace(ctx, budget=replace(ctx.budget, resamples=RESAMPLES))


def seconds(ctx: ProbeContext, probe: type) -> float:
    began = time.perf_counter()
    list(probe().run(ctx))
    return time.perf_counter() - began


def loop(ctx: ProbeContext) -> float:
    """Return the time of one resample by the library."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    label, score = ctx.clean.targets == 1, ctx.clean.scores
    level = np.unique(ctx.cohort.attributes["ward"].levels, return_inverse=True)[1]
    began = time.perf_counter()
    for _ in range(LOOPED):
        weight = np.bincount(rng.integers(0, PATIENTS, PATIENTS), minlength=PATIENTS)[ctx.cohort.patients]
        for a in range(LEVELS):
            for b in range(LEVELS):
                rows = ((label & (level == a)) | (~label & (level == b))) & (weight > 0)
                roc_auc_score(label[rows], score[rows], sample_weight=weight[rows])
    return (time.perf_counter() - began) / LOOPED


def main(rounds: int = 3) -> None:
    found: dict[str, list[float]] = {probe.info.code: [] for probe in PROBES}
    ratios = []
    for i in range(rounds):
        for probe in PROBES:
            found[probe.info.code].append(seconds(made(i), probe))
        ratios.append(loop(made(i)) * RESAMPLES / found["CONF001"][-1])
    print(f"{RESAMPLES} resamples of {CASES} cases, {LEVELS} levels")
    for code, times in found.items():
        print(f"{code}: {min(times):.2f} to {max(times):.2f} s")
    best = min(found["CONF001"])
    print(f"the loop takes {min(ratios):.0f} to {max(ratios):.0f} times as long as CONF001")
    print(f"target {TARGET_SECONDS:g} s: {'met' if best < TARGET_SECONDS else 'MISSED'}")
    print(json.dumps({"seconds": found, "loop_over_ours": ratios}))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
