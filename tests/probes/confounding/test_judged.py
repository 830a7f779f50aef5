"""Planted confounders FAIL by the rule that names them, healthy models PASS, and the undetermined do neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.config import check_policy
from audit.core import Limit, NotApplicable, Policy, Probe, ProbeContext, ProbeResult, Rule
from audit.errors import FaultsError
from audit.judge import judge
from audit.probes.confounding import (
    AttributeEncodedOrUsed,
    BalancedResampling,
    MetadataComparator,
    PooledVersusWithin,
    ScoreFollowsConfounder,
)
from audit.testing import attribute, saved_context, small_cohort, with_aside
from tests.judge._make import TODAY
from tests.probes.confounding.binormal import BIASED, EVEN, binormal, drawn, number

RULES: dict[str, tuple[type[Probe], str, dict[str, Any], Limit]] = {
    "cost": (BalancedResampling, "confounder_cost", {}, Limit(max=0.05)),
    "joint": (BalancedResampling, "confounder_cost", {"attribute": "(joint)"}, Limit(max=0.05)),
    "shift": (ScoreFollowsConfounder, "score_shift_auc", {"stratum": "controls"}, Limit(max=0.65)),
    "survives": (AttributeEncodedOrUsed, "auc_change", {"parameter": "prevalence"}, Limit(min=-0.05)),
    "pooled": (PooledVersusWithin, "pooling_gain", {}, Limit(max=0.05)),
    "file": (MetadataComparator, "auc_advantage", {}, Limit(min=0.02)),
}


def judged(ctx: ProbeContext, *names: str, **where: Any) -> dict[str, str]:
    """Return the status of each rule."""
    results, rules = {}, []
    for name in names:
        probe, metric, place, limit = RULES[name]
        rules.append(Rule(id=name, probe=probe.info.code, metric=metric, limit=limit, where={**place, **where}))
        try:
            found = tuple(probe().run(ctx))
        except NotApplicable as reason:
            results[probe] = ProbeResult(info=probe.info, state="not_applicable", reason=str(reason))
        else:
            results[probe] = ProbeResult(info=probe.info, state="completed", measurements=found)
    findings = judge(list(results.values()), Policy(name="p", rules=tuple(rules)), today=TODAY)
    return {f.rule: f.status for f in findings}


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_leaning_fails_on_either_cohort(p_level: tuple[float, float]) -> None:
    """Cost, joint cost and shift fail, whatever the mix."""
    found = judged(saved_context(*binormal(2000, p_level, lean=2.0, seed=1)), "cost", "joint", "shift")
    assert found == {"cost": "FAIL", "joint": "FAIL", "shift": "FAIL"}


@pytest.mark.parametrize("p_level", [BIASED, EVEN])
def test_a_healthy_model_passes_on_either_cohort(p_level: tuple[float, float]) -> None:
    """Every rule on the confounder passes though the ward predicts the label in one of the cohorts."""
    found = judged(saved_context(*binormal(2000, p_level, lean=0.0)), "cost", "joint", "shift", "pooled")
    assert set(found.values()) == {"PASS"}


@pytest.mark.parametrize("lean, status", [(2.0, "FAIL"), (0.0, "PASS")])
def test_performance_that_needs_the_ward_fails(lean: float, status: str) -> None:
    """The AUC with prevalence made equal falls by more than 0.05 with its whole interval, or stays."""
    assert judged(saved_context(*binormal(2000, BIASED, lean=lean)), "survives") == {"survives": status}


def sites(reads_site: float, reads_disease: float, seed: int = 1) -> ProbeContext:
    """Return a model of two sites, one with 20 % and one with 80 % ill."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 2, 2000)
    label = (rng.random(2000) < np.take((0.2, 0.8), site)).astype(int)
    latent = reads_disease * label + reads_site * site + rng.normal(size=2000)
    given = attribute("site", np.array(["n", "s"])[site], "protocol", also=("confounder",), reason="case mix")
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[given]))


def test_a_site_reader_fails_by_name() -> None:
    """Pooling, cost-free as it is in each site, and the comparator that knows the site: it beats neither."""
    found = judged(sites(2.5, 0.0), "pooled", "shift", "file")
    assert found == {"pooled": "FAIL", "shift": "FAIL", "file": "FAIL"}


def test_a_reader_of_the_disease_passes_at_both_sites() -> None:
    """The same sites and a model that reads the disease: nothing is made between sites, and the file is beaten."""
    found = judged(sites(0.0, 3.0), "pooled", "cost", "shift", "file")
    assert set(found.values()) == {"PASS"}


def test_a_simpson_reversal_fails() -> None:
    """Right in all and wrong in each site: the gain by pooling is far beyond its limit."""
    assert judged(sites(3.5, -0.7), "pooled") == {"pooled": "FAIL"}


def test_a_metadata_only_model_fails() -> None:
    """It reads age and ward: better than neither comparator by the 0.02 that is asked for."""
    rng = np.random.default_rng(2)
    age, ward = rng.uniform(30, 90, 5000), rng.integers(0, 2, 5000)
    risk = (age - 60) / 15 + 1.2 * ward - 0.6
    label = (rng.random(5000) < 1 / (1 + np.exp(-risk))).astype(int)
    given = [number("age", age, "covariate"), attribute("ward", np.array(["a", "b"])[ward], "confounder")]
    ctx = saved_context(1 / (1 + np.exp(-risk)), small_cohort(label, attributes=given))
    assert judged(ctx, "file") == {"file": "FAIL"}


def test_a_covariate_never_fails() -> None:
    """A rule on a covariate that the model plainly follows matches nothing: INCONCLUSIVE, by no probe a FAIL."""
    scores, label, level = drawn(1500, BIASED, lean=2.0)
    ward = attribute("ward", np.roll(level, 7), "confounder")
    ctx = saved_context(scores, small_cohort(label, attributes=[attribute("risk", level, "covariate"), ward]))
    assert set(judged(ctx, "cost", "shift", "pooled", attribute="risk").values()) == {"INCONCLUSIVE"}


def undetermined() -> dict[str, ProbeContext]:
    """Return contexts in which nothing can be known of leaning."""
    scores, label, level = drawn(600, EVEN, lean=0.0)
    few = slice(0, 60)
    missing = np.where(np.arange(600) % 5 == 0, "(missing)", level)

    def made(s: Any, y: Any, ward: Any, **more: Any) -> ProbeContext:
        return saved_context(s, small_cohort(y, attributes=[attribute("ward", ward, "confounder")], **more))

    return {
        "constant": made(np.full(600, 0.5), label, level),
        "few patients": made(scores[few], label[few], level[few]),
        "all ill": made(scores, np.ones(600, dtype=int), level),
        "a fifth without a level": made(scores, label, missing),
        "one level": made(scores, label, ["a"] * 600),
        "ten patients with sixty images each": made(scores, label, level, patients=np.arange(600) % 10),
        "the level is the label": made(scores, label, np.where(label == 1, "b", "a")),
    }


@pytest.mark.parametrize("name", list(undetermined()))
def test_the_undetermined_never_passes(name: str) -> None:
    """Neither cost nor shift passes a model of which nothing can be known."""
    found = judged(undetermined()[name], "cost", "joint", "shift")
    assert "PASS" not in found.values(), found


def one_level_far_below(seed: int = 0) -> ProbeContext:
    """Return a model that gives the patients of one of eight wards lower scores than nearly all others."""
    rng = np.random.default_rng(seed)
    label, ward = np.arange(6000) % 2, rng.integers(0, 8, 6000)
    latent = 1.8 * label - 3.0 * (ward == 0) + rng.normal(size=6000)
    given = attribute("ward", np.array(list("abcdefgh"))[ward], "confounder", reason="case mix")
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[given]))


def test_one_level_far_below_is_seen_from_below_only() -> None:
    """The seven others hardly move: a limit above passes, limits on both sides fail, and the policy must have both."""
    found = tuple(ScoreFollowsConfounder().run(one_level_far_below()))
    done = ProbeResult(info=ScoreFollowsConfounder.info, state="completed", measurements=found)
    where = {"attribute": "ward", "stratum": "controls"}
    above, both = (
        Policy(name="p", rules=(Rule(id="r", probe="CONF002", metric="score_shift_auc", limit=limit, where=where),))
        for limit in (Limit(max=0.65), Limit(min=0.35, max=0.65))
    )
    assert [judge([done], policy, today=TODAY)[0].status for policy in (above, both)] == ["PASS", "FAIL"]
    infos = {"CONF002": ScoreFollowsConfounder.info}
    check_policy(both, infos)
    with pytest.raises(FaultsError, match="a level on the other side would pass"):
        check_policy(above, infos)


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_guesses_beats_no_useless_file(seed: int) -> None:
    """Columns that tell nothing fall below 0.5 out of fold; the advantage is then that over 0.5, and none is shown."""
    rng = np.random.default_rng(seed)
    label = np.arange(300) % 2
    given = [attribute("site", rng.choice(list("abcd"), 300), "protocol")]
    ctx = saved_context(rng.random(300), small_cohort(label, attributes=given))
    rows = [m for m in MetadataComparator().run(ctx) if m.metric == "auc_advantage"]
    assert judged(ctx, "file")["file"] != "PASS"
    assert all(m.value is not None and m.value < 0.06 for m in rows)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.4])
def test_no_answer_where_it_would_lean_is_no_pass(share: float) -> None:
    """A model that leaves out the controls of one ward whom it would call ill is silent, not free of leaning."""
    scores, label, level = drawn(1600, EVEN, lean=0.0)
    ward = attribute("ward", level, "confounder", reason="case mix")
    inside = small_cohort(label, attributes=[ward])
    m = round(share * 400)
    cohort = with_aside(
        inside, reasons=["no answer"] * m, targets=np.zeros(m, dtype=int), attributes={"ward": np.full(m, "b")}
    )
    found = judged(saved_context(scores, cohort), "cost", "joint", "shift", "pooled", "survives")
    assert set(found.values()) == ({"INCONCLUSIVE"} if share > 0.1 else {"PASS"}), found
