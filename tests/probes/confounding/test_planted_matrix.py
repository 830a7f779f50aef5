"""Planted faults are named by their own probes, and raise no more false alarms elsewhere than is declared.

Rules on attributes that have nothing to do with the fault, the label or the score have their limit exactly at what is
true, 0 for a gap and 0.5 for a shift, where false alarms are most frequent. The judge holds the chance of any FAIL of
one policy at 0.025 (Holm over all rules, sides and levels), so over N cohorts the number of policies with a FAIL is at
most binomial (N, 0.025); it is asked to stay below that law's 99.9th percentile.

What rightly sees which fault by its own attribute, and is no fluke:

====================  ======================================  ==================================================
fault                 named by                                also right to FAIL
====================  ======================================  ==================================================
marker reader         CONF001 `confounder_cost` by marker     CONF002, as the score follows the marker
site reader           CONF006 `pooling_gain` by site          CONF002 by site; CONF007, as the file has the site
Simpson reversal      CONF006 `pooling_gain` by site          CONF002 by site; CONF007, as the file has the site
metadata-only model   CONF007 `auc_advantage`                 CONF002 by ward, where there are enough patients
resolution reader     CONF005 `flip_rate` of "resampled"      CONF005 of "JPEG", which smooths as well
thumbnail reader      CONF004 `thumbnail_correlation`         CONF004 `auc_without_evidence`, where the fill shows
                                                              no trace
====================  ======================================  ==================================================

FAIR001 to 004 and 006 by sex and age group, and CONF001, 002 and 006 by the side that was imaged, have nothing to see
in any of them. FAIR005 is not asked: it searches among all declared attributes, so that it may rightly find the site.
The last two faults are named on their images in test_planted_pictures.py; here are their answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from audit.core import BUDGETS, Attribute, Cohort, Limit, Policy, Probe, ProbeContext, ProbeResult, Rule
from audit.judge import judge
from audit.probes.confounding import (
    BalancedResampling,
    MetadataComparator,
    PooledVersusWithin,
    ScoreFollowsConfounder,
)
from audit.probes.fairness import (
    GapDecomposition,
    IntersectionalGap,
    OperatingPointGap,
    RankingGap,
    Underdiagnosis,
)
from audit.testing import attribute, saved_context, small_cohort
from tests.judge._make import TODAY
from tests.probes.confounding import pictures as p
from tests.probes.confounding.binormal import BIASED, drawn, number

N = 500
DECLARED = 0.025
BUDGET = replace(BUDGETS["smoke"], resamples=200)
NONE, HALF = Limit(min=0.0, max=0.0), Limit(min=0.5, max=0.5)
SILENT: dict[str, tuple[tuple[type[Probe], str, dict[str, Any], Limit], ...]] = {
    "fairness": (
        (OperatingPointGap, "sensitivity_gap", {}, NONE),
        (OperatingPointGap, "specificity_gap", {}, NONE),
        (RankingGap, "auc_gap", {}, NONE),
        (IntersectionalGap, "sensitivity_gap", {}, NONE),
        (Underdiagnosis, "underdiagnosis_gap", {}, NONE),
        (GapDecomposition, "ranking_part", {}, NONE),
    ),
    "confounding": (
        (BalancedResampling, "confounder_cost", {"attribute": "side"}, NONE),
        (ScoreFollowsConfounder, "score_shift_auc", {"attribute": "side", "stratum": "controls"}, HALF),
        (ScoreFollowsConfounder, "score_shift_auc", {"attribute": "side", "stratum": "cases"}, HALF),
        (PooledVersusWithin, "pooling_gain", {"attribute": "side"}, NONE),
    ),
}
FOUND: dict[str, tuple[type[Probe], str, dict[str, Any], Limit]] = {
    "cost": (BalancedResampling, "confounder_cost", {}, Limit(max=0.03)),
    "shift": (ScoreFollowsConfounder, "score_shift_auc", {"stratum": "controls"}, Limit(min=0.35, max=0.65)),
    "pooled": (PooledVersusWithin, "pooling_gain", {}, Limit(max=0.05)),
    "file": (MetadataComparator, "auc_advantage", {}, Limit(min=0.1)),
}
NAMED: dict[str, tuple[str, str, set[str]]] = {
    "marker": ("marker", "cost", {"shift"}),
    "site": ("site", "pooled", {"shift", "file"}),
    "simpson": ("site", "pooled", {"shift", "file"}),
    "metadata": ("ward", "file", {"shift"}),
}
"""By fault the attribute that it goes by, the rule that names it, and the rules that are right to FAIL as well."""
Made = tuple[Any, Any, tuple[Attribute, ...]]


def logistic(x: Any) -> Any:
    """Return the risk of log odds."""
    return 1 / (1 + np.exp(-x))


def marker(rng: np.random.Generator) -> Made:
    """A model that takes a film marker for disease; the ill carry it more often."""
    score, label, level = drawn(N, BIASED, lean=2.5, seed=int(rng.integers(2**31)))
    return score, label, (attribute("marker", level, "confounder", reason="film marker"),)


def site(rng: np.random.Generator, disease: float = 0.0, lean: float = 2.5) -> Made:
    """A model that knows the site, where disease is four times as frequent at the one."""
    where = rng.integers(0, 2, N)
    label = (rng.random(N) < np.take((0.2, 0.8), where)).astype(int)
    score = logistic(disease * label + lean * (where - 0.5) + rng.normal(size=N))
    given = attribute("site", np.array(["n", "s"])[where], "protocol", also=("confounder",), reason="case mix")
    return score, label, (given,)


def simpson(rng: np.random.Generator) -> Made:
    """Wrong in each site and right in all."""
    return site(rng, disease=-0.7, lean=3.5)


def metadata(rng: np.random.Generator) -> Made:
    """A model that answers by the patient's age and ward."""
    age, ward = rng.uniform(30, 90, N), rng.integers(0, 2, N)
    risk = (age - 60) / 15 + 1.2 * ward - 0.6
    label = (rng.random(N) < logistic(risk)).astype(int)
    given = (number("years", age, "covariate"), attribute("ward", np.array(["a", "b"])[ward], "confounder"))
    return logistic(risk), label, given


def shown(cohort: Cohort, model: Any) -> Made:
    """Return what a model of images says of a cohort."""
    return logistic(np.asarray(model.answer(cohort.images.array))[:, 0]), cohort.targets, ()


def resolution(rng: np.random.Generator) -> Made:
    """A model that calls ill whatever is sharp, where controls were made on a coarser grid."""
    plain = p.cohort_of(n=N // 2, counts=((0, 0), (1, 1)), seed=int(rng.integers(2**31)))
    return shown(p.softened(plain, seed=int(rng.integers(2**31))), p.resolution_reader())


def thumbnail(rng: np.random.Generator) -> Made:
    """A model that sees a thumbnail, on which cases are brighter on the right."""
    plain = p.cohort_of(n=N // 2, counts=((0, 0), (1, 1)), seed=int(rng.integers(2**31)))
    return shown(p.tilted(plain, seed=int(rng.integers(2**31)), frame=False), p.thumbnail_reader())


FAULTS: dict[str, Callable[[np.random.Generator], Made]] = {
    "marker": marker, "site": site, "simpson": simpson, "metadata": metadata, "resolution": resolution,
    "thumbnail": thumbnail,
}  # fmt: skip


def audited(fault: str, seed: int) -> ProbeContext:
    """Return the context of a planted model, with three attributes that have nothing to do with anything."""
    rng = np.random.default_rng([seed, list(FAULTS).index(fault)])
    score, label, own = FAULTS[fault](rng)
    beside = (
        attribute("sex", rng.choice(["f", "m"], len(label)), "protected"),
        attribute("age", rng.choice(["old", "young"], len(label)), "protected"),
        attribute("side", rng.choice(["left", "right"], len(label)), "confounder", reason="hanging"),
    )
    return saved_context(score, small_cohort(np.asarray(label), attributes=[*own, *beside]), budget=BUDGET, seed=seed)


def judged(ctx: ProbeContext, asked: Any) -> tuple[str, ...]:
    """Return the status of each rule of one policy."""
    kinds = dict.fromkeys(probe for probe, *_ in asked)
    results = [ProbeResult(info=k.info, state="completed", measurements=tuple(k().run(ctx))) for k in kinds]
    rules = tuple(
        Rule(id=f"r{i}", probe=probe.info.code, metric=metric, limit=limit, where=where)
        for i, (probe, metric, where, limit) in enumerate(asked)
    )
    return tuple(f.status for f in judge(results, Policy(name="p", rules=rules), today=TODAY))


def alarms(seeds: range) -> dict[str, list[str]]:
    """Return by family the cohorts on which its policy had any FAIL."""
    found: dict[str, list[str]] = {family: [] for family in SILENT}
    for fault in FAULTS:
        for seed in seeds:
            ctx = audited(fault, seed)
            for family, asked in SILENT.items():
                if "FAIL" in judged(ctx, asked):
                    found[family].append(f"{fault} {seed}")
    return found


def allowed(n: int) -> int:
    """Return how many of n policies may have a false alarm: the 99.9th percentile at the declared rate."""
    return int(binom.ppf(0.999, n, DECLARED))


@pytest.mark.parametrize("fault", list(NAMED))
def test_each_fault_is_named_by_its_own_probe(fault: str) -> None:
    """On its own attribute the rule that names the fault FAILs, and none but those of the table beside it."""
    name, named, also = NAMED[fault]
    asked = []
    for probe, metric, where, limit in FOUND.values():
        by = {} if probe is MetadataComparator else {"attribute": name}
        asked.append((probe, metric, {**where, **by}, limit))
    found = dict(zip(FOUND, judged(audited(fault, 0), asked), strict=True))
    assert found[named] == "FAIL"
    assert {rule for rule, said in found.items() if said == "FAIL"} <= {named, *also}


def test_no_other_family_fails_more_often_than_declared() -> None:
    """Six faults on five cohorts each: of 30 policies of a family at most four have a FAIL (binomial, 0.025)."""
    found = alarms(range(5))
    assert allowed(30) == 4
    assert all(len(cohorts) <= 4 for cohorts in found.values()), found


@pytest.mark.parametrize("fault", list(FAULTS))
def test_every_silent_rule_has_its_number(fault: str) -> None:
    """None of them is silent for want of a number."""
    ctx = audited(fault, 0)
    for probe, metric, where, _ in (one for asked in SILENT.values() for one in asked):
        rows = [m for m in probe().run(ctx) if m.metric == metric]
        about = [m for m in rows if all(m.condition.get(k) == v for k, v in where.items())]
        assert about, (probe.info.code, metric)
        assert all(m.value is not None for m in about), [m.missing for m in about]


def test_rules_that_are_silent_can_fail() -> None:
    """The same rules FAIL where sex and side are what the model reads, so that their silence says something."""
    rng = np.random.default_rng(0)
    label, level = np.arange(N) % 2, rng.integers(0, 2, N)
    score = logistic(2.0 * label - 1.0 + 2.0 * (level - 0.5) + rng.normal(size=N))
    given = [
        attribute("sex", np.array(["f", "m"])[level], "protected"),
        attribute("age", rng.choice(["old", "young"], N), "protected"),
        attribute("side", np.array(["left", "right"])[level], "confounder", reason="hanging"),
    ]
    ctx = saved_context(score, small_cohort(label, attributes=given), budget=BUDGET)
    for asked in SILENT.values():
        assert "FAIL" in judged(ctx, asked)


@pytest.mark.slow
def test_no_other_family_fails_more_often_than_declared_over_many_cohorts() -> None:
    """Six faults on 40 cohorts each: of 240 policies of a family at most 15 have a FAIL (binomial, 0.025)."""
    found = alarms(range(100, 140))
    assert allowed(240) == 15
    assert all(len(cohorts) <= 15 for cohorts in found.values()), found
