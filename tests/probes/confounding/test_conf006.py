"""CONF006 finds an AUC that is made between sites, names a Simpson reversal, and is silent on a healthy model."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from audit.core import NotApplicable
from audit.probes.confounding import PooledVersusWithin
from audit.probes.confounding._strata import JOINT
from audit.stats import auc
from audit.testing import attribute, check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by (metric, attribute, level or None)."""
    return {
        (m.metric, m.condition["attribute"], next(iter(m.subgroup.values()), None)): m
        for m in PooledVersusWithin().run(ctx)
    }


def sites(n, *, reads_site, reads_disease, prevalence=(0.2, 0.8), seed=0, role="protocol"):
    """Return a context of two sites of unlike prevalence and a model that reads site and disease, as told."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 2, n)
    label = (rng.random(n) < np.take(prevalence, site)).astype(int)
    latent = reads_disease * label + reads_site * site + rng.normal(size=n)
    given = attribute("site", np.array(["n", "s"])[site], role)
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=[given]))


def test_a_site_reader_gains_by_pooling():
    """It reads the site alone: 0.5 within each site, far above it in all, and all of the gain is made between sites."""
    found = run(sites(2000, reads_site=2.0, reads_disease=0.0, seed=1))
    gain = found["pooling_gain", "site", None]
    assert gain.low > 0.15
    assert found["auc_within_pairs", "site", None].value == pytest.approx(0.5, abs=0.05)
    share, between = found["share_between", "site", None], found["auc_between_pairs", "site", None]
    within = found["auc_within_pairs", "site", None]
    assert gain.value == pytest.approx(share.value * (between.value - within.value), abs=1e-12)


@pytest.mark.parametrize("prevalence", [(0.2, 0.8), (0.5, 0.5)])
def test_a_reader_of_the_disease_gains_nothing(prevalence):
    """Its AUC is the same within sites and between them, whatever their prevalence."""
    found = run(sites(3000, reads_site=0.0, reads_disease=1.5, prevalence=prevalence))
    gain = found["pooling_gain", "site", None]
    assert gain.low > -0.03
    assert gain.high < 0.03
    assert found["simpson_reversal", "site", None].value == 0
    assert found["auc_within_pairs", "site", None].value == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.025)


def test_a_simpson_reversal_is_named():
    """A model that is wrong within each site and right in all: pooled above 0.5, each site below it."""
    ctx = sites(2000, reads_site=3.0, reads_disease=-0.7)
    found = run(ctx)
    assert found["simpson_reversal", "site", None].value == 1
    assert found["auc_within_pairs", "site", None].high < 0.5
    assert all(found["auc", "site", level].high < 0.5 for level in ("n", "s"))
    assert auc(ctx.clean.scores, ctx.clean.targets == 1, np.arange(2000), ctx.levels).bounds(0.025)[0] > 0.5
    (kept,) = [a for a in ctx.sink.artifacts if a.meta["attribute"] == "site"]
    assert kept.meta["reversed"]


def test_it_is_blind_where_disease_is_equally_frequent():
    """The same site reader gains nothing there, as its page says: CONF001 is for this cohort."""
    found = run(sites(2000, reads_site=2.0, reads_disease=1.0, prevalence=(0.5, 0.5)))
    assert found["pooling_gain", "site", None].high < 0.01


def test_pairs_are_counted_one_by_one():
    """All four numbers equal those counted pair by pair, ties included, to 1e-12."""
    rng = np.random.default_rng(2)
    label, site, scores = rng.random(160) < 0.5, rng.integers(0, 3, 160), rng.integers(0, 9, 160) / 9
    given = attribute("site", np.array(list("xyz"))[site], "confounder")
    found = run(saved_context(scores, small_cohort(label.astype(int), attributes=[given])))
    wins = {True: [], False: []}
    for i, j in itertools.product(np.flatnonzero(label), np.flatnonzero(~label)):
        wins[bool(site[i] == site[j])].append((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    both = wins[True] + wins[False]
    expected = {
        "auc_within_pairs": np.mean(wins[True]), "auc_between_pairs": np.mean(wins[False]),
        "share_between": len(wins[False]) / len(both), "pooling_gain": np.mean(both) - np.mean(wins[True]),
    }  # fmt: skip
    for metric, value in expected.items():
        assert found[metric, "site", None].value == pytest.approx(value, abs=1e-12)
    assert found["auc", "site", "x"].n == int((site == 0).sum())


def test_planted_models_are_told_apart():
    """With sex tied to the label the model that reads sex gains between the sexes, the healthy one does not."""
    cohort = tiny_cohort(np.random.default_rng(3), n=1200, p_male=(0.2, 0.8))
    leaning, healthy = run(context(planted("leans-on-sex"), cohort)), run(context(planted(), cohort))
    assert leaning["pooling_gain", "sex", None].low > 0.03
    assert leaning["pooling_gain", "scanner", None].high < 0.03
    for name in ("sex", "scanner", JOINT):
        assert healthy["pooling_gain", name, None].low > -0.05
        assert healthy["pooling_gain", name, None].high < 0.03


@pytest.mark.parametrize(
    "levels, label, why",
    [
        (["a"] * 100 + ["b"] * 100, [0] * 100 + [1] * 100, "0 patients among cases in levels that have both"),
        (["a", "b"] * 80 + ["(missing)"] * 40, [0, 0, 1, 1] * 50, "have no level"),
    ],
)
def test_what_cannot_be_compared_says_why(levels, label, why):
    """A site for each label, and many cases without a site, leave no number and no reversal."""
    given = attribute("site", levels, "confounder")
    found = run(saved_context(np.linspace(0, 1, 200), small_cohort(np.array(label), attributes=[given])))
    assert why in found["pooling_gain", "site", None].missing
    assert why in found["simpson_reversal", "site", None].missing


def test_constant_scores_have_no_number():
    """Nothing varies, so nothing is said."""
    found = run(context(planted("constant"), tiny_cohort(np.random.default_rng(3), n=400)))
    assert all(m.value is None for (metric, *_), m in found.items() if metric in ("pooling_gain", "auc"))


def test_neither_confounder_nor_protocol_is_not_applicable():
    """A protected attribute alone is no site."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[attribute("sex", ["f", "m"] * 20, "protected")])
    with pytest.raises(NotApplicable, match="confounder"):
        PooledVersusWithin().run(saved_context(np.linspace(0, 1, 40), cohort))


def test_it_keeps_the_protocol():
    """The conformance kit completes in every classification task."""
    assert {"binary, saved", "multiclass", "multilabel", "ordinal, raters"} <= set(check_probe(PooledVersusWithin))


@pytest.mark.slow
def test_a_gain_is_seldom_seen_where_there_is_none():
    """The 95 % interval of a healthy model lies wholly above 0 in at most 3.5 % of 2,000 cohorts of 300."""
    runs = [run(sites(300, reads_site=0.0, reads_disease=1.5, seed=70 + s)) for s in range(2000)]
    assert np.mean([found["pooling_gain", "site", None].low > 0 for found in runs]) <= 0.035
