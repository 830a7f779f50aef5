"""CONF003 tells what can be read from a model from what its performance needs."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes._features import features
from audit.probes.confounding import AttributeEncodedOrUsed
from audit.stats import auc
from audit.testing import (
    attribute,
    check_probe,
    conforming_contexts,
    context,
    planted,
    saved_context,
    small_cohort,
    tiny_cohort,
)
from audit.testing._cohorts import LESION, MARKER
from audit.testing._networks import declared
from tests.probes.confounding.binormal import BIASED, binormal, number


def run(ctx):
    """Return the measurements by (metric, attribute, parameter, stratum, level)."""
    return {
        (m.metric, m.condition["attribute"], m.condition["parameter"], m.condition.get("stratum"),
         *m.subgroup.values()): m
        for m in AttributeEncodedOrUsed().run(ctx)
    }  # fmt: skip


def reader(*, sees_marker, uses_marker):
    """Return a network whose last layer is given the lesion and, if it sees it, the marker of sex."""
    torch = pytest.importorskip("torch")
    body = torch.nn.Conv2d(1, 2, 8)
    head = torch.nn.Linear(2, 1)
    with torch.no_grad():
        body.weight.zero_()
        body.bias.zero_()
        body.weight[0, 0][LESION] = 1 / 9
        body.weight[1, 0][MARKER] = 0.25 * sees_marker
        head.weight.copy_(torch.tensor([[1.3, 1.0 * uses_marker]]))
        head.bias.fill_(-0.85)
    net = torch.nn.Sequential(body, torch.nn.Flatten(), head).eval()
    return declared(net, (8, 8), task="binary", output="logits", classes=("negative", "positive"))


@pytest.fixture(scope="module")
def cohort():
    """Cases whose sex and scanner go with nothing."""
    return tiny_cohort(np.random.default_rng(1), n=500)


def test_encoded_and_not_used(cohort):
    """The features hold the marker and the head does not read it: sex is decoded inside and not outside."""
    found = run(context(reader(sees_marker=True, uses_marker=False), cohort))
    assert found["decodability_auc", "sex", "features", "all", "male"].low > 0.95
    assert found["decodability_auc", "sex", "outputs", "all", "male"].high < 0.65
    assert found["decodability_auc", "scanner", "features", "all", "B"].high < 0.65


def test_encoded_and_used(cohort):
    """The head reads the marker, too: sex is decoded from the output among patients of one label."""
    found = run(context(reader(sees_marker=True, uses_marker=True), cohort))
    assert found["decodability_auc", "sex", "outputs", "given the label", "male"].low > 0.8


def test_not_encoded(cohort):
    """Features without the marker tell no sex."""
    found = run(context(reader(sees_marker=False, uses_marker=False), cohort))
    assert found["decodability_auc", "sex", "features", "all", "male"].high < 0.68


def test_exchanged_levels_come_out_at_chance_and_an_untrained_network_is_shown(cohort):
    """The control on exchanged levels holds 0.5; drawn weights still pass some of the marker on."""
    found = run(context(reader(sees_marker=True, uses_marker=False), cohort))
    exchanged = found["decodability_control_auc", "sex", "features", "levels exchanged", "male"]
    assert exchanged.low < 0.55
    assert exchanged.high < 0.65
    assert found["decodability_control_auc", "sex", "features", "untrained network", "male"].value > 0.6


def test_what_only_the_label_tells_is_not_there_given_the_label():
    """A healthy model whose cohort ties sex to the label: decoded from the output, and not within a label."""
    tied = tiny_cohort(np.random.default_rng(2), n=800, p_male=(0.15, 0.85))
    found = run(context(planted(), tied))
    assert found["decodability_auc", "sex", "outputs", "all", "male"].low > 0.6
    within = found["decodability_auc", "sex", "outputs", "given the label", "male"]
    assert within.low < 0.5
    assert within.high < 0.6


def test_features_are_the_inputs_of_the_last_layer(cohort):
    """They equal the means of lesion and marker, to 1e-5, and the network is left without a hook."""
    model = reader(sees_marker=True, uses_marker=True)
    ctx = context(model, cohort)
    cases = np.array([3, 0, 7])
    found = features(ctx, model, cases)
    images = np.stack([cohort.images.load(int(i))[0] for i in cases])
    expected = np.stack([images[:, *LESION].mean(axis=(1, 2)), images[:, *MARKER].mean(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(not module._forward_pre_hooks for module in model.module.modules())


def test_positions_of_a_convolution_are_averaged(cohort):
    """A head that is a convolution gives one feature a channel, the mean over its positions."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Conv2d(3, 1, 1), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    ).eval()  # fmt: skip
    model = declared(net, (8, 8), task="binary", output="logits", classes=("negative", "positive"))
    ctx = context(model, cohort)
    with torch.no_grad():
        expected = net[:2](torch.from_numpy(cohort.images.array[:4].astype(np.float32))).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(features(ctx, model, np.arange(4)), expected, atol=1e-5)


def test_saved_predictions_have_outputs_only():
    """What is inside cannot be looked at, and the row says so in place of a number."""
    found = run(saved_context(*binormal(300, BIASED, lean=1.0)))
    inside = found["decodability_auc", "ward", "features", "all", "b"]
    assert inside.value is None
    assert "no images" in inside.missing
    assert found["decodability_auc", "ward", "outputs", "all", "b"].low > 0.6


def aged(*, reads_age, seed=0, n=3000):
    """Return a context in which sex goes with age, and age with the disease; the model reads age as much as told."""
    rng = np.random.default_rng(seed)
    male = rng.random(n) < 0.5
    old = rng.random(n) < np.where(male, 0.75, 0.25)
    label = (rng.random(n) < np.where(old, 0.6, 0.4)).astype(int)
    # Disease is easier to see in the old, so the AUC of men is higher only because they are older.
    latent = label * np.where(old, 2.2, 0.8) + reads_age * old + rng.normal(size=n)
    age = np.where(old, 70, 45) + rng.uniform(-9, 9, n)
    given = [attribute("sex", np.where(male, "male", "female"), "protected"), number("age", age, "covariate")]
    return saved_context(1 / (1 + np.exp(-latent)), small_cohort(label, attributes=given))


def test_a_gap_that_age_makes_goes_away_at_equal_age():
    """Men have the higher AUC; with prevalence and age equal, no gap of 0.05 is left, and theirs has fallen."""
    ctx = aged(reads_age=0.0)
    found, sex = run(ctx), ctx.cohort.attributes["sex"].levels
    words = "prevalence, age"
    crude = [
        auc(ctx.clean.scores[r], ctx.clean.targets[r] == 1, np.flatnonzero(r), ctx.levels).value
        for r in (sex == "male", sex == "female")
    ]
    gap = found["auc_gap_resampled", "sex", words, None, "male"]
    assert crude[0] - crude[1] > 0.05
    assert -0.05 < gap.low < 0 < gap.high < 0.05
    assert found["auc_change", "sex", words, None, "male"].high < 0
    assert found["auc_change", "sex", words, None, "female"].low > 0


def test_weights_equal_those_counted_by_cell():
    """AUCs under weights p(cell) / p(cell given level), each cell counted by hand, to 1e-12."""
    ctx = aged(reads_age=0.5, seed=3, n=800)
    found, words = run(ctx), "prevalence, age"
    sex, label = ctx.cohort.attributes["sex"].levels, ctx.clean.targets
    ages = ctx.cohort.attributes["age"].numbers
    ranks = (np.argsort(np.argsort(ages)) + 0.5) * 4 / 800
    cell = label * 4 + np.minimum(ranks.astype(int), 3)
    weight = np.zeros(800)
    for level in ("male", "female"):
        own = sex == level
        weight[own] = [(cell == c).mean() / (cell[own] == c).mean() for c in cell[own]]
    from sklearn.metrics import roc_auc_score

    rows = sex == "male"
    expected = roc_auc_score(label[rows], ctx.clean.scores[rows], sample_weight=weight[rows])
    expected -= roc_auc_score(label[rows], ctx.clean.scores[rows])
    assert found["auc_change", "sex", words, None, "male"].value == pytest.approx(expected, abs=1e-12)
    whole = roc_auc_score(label, ctx.clean.scores, sample_weight=weight) - roc_auc_score(label, ctx.clean.scores)
    assert found["auc_change", "sex", words, None].value == pytest.approx(whole, abs=1e-12)


def test_performance_that_needs_the_ward_falls_with_it():
    """Prevalence made equal in both wards: a model that reads the ward loses, a healthy one does not."""
    leaning, healthy = (run(saved_context(*binormal(2000, BIASED, lean=lean))) for lean in (2.0, 0.0))
    assert leaning["auc_change", "ward", "prevalence", None].high < -0.05
    assert abs(healthy["auc_change", "ward", "prevalence", None].value) < 0.01
    assert ("auc_change", "ward", "prevalence", None, "a") not in leaning


def test_levels_without_a_counterpart_leave_no_number():
    """All men old and all women young: nothing can be made equal, and the reason has the counts."""
    rng = np.random.default_rng(1)
    male, label = np.arange(400) % 2 == 0, np.arange(400) // 2 % 2
    age = np.where(male, 70, 40) + rng.uniform(-5, 5, 400)
    given = [attribute("sex", np.where(male, "m", "f"), "protected"), number("age", age, "covariate")]
    found = run(saved_context(rng.random(400), small_cohort(label, attributes=given)))
    assert "only 0 of 100" in found["auc_change", "sex", "prevalence, age", None].missing


def test_a_number_is_read_in_pieces():
    """A protected age without bins is read by fifths, never by single years."""
    ctx = aged(reads_age=2.0, n=600)
    age = ctx.cohort.attributes["age"]
    age = replace(age, spec=replace(age.spec, role="protected"))
    found = run(replace(ctx, cohort=replace(ctx.cohort, attributes={"age": age})))
    levels = {key[4] for key in found if key[0] == "decodability_auc"}
    assert 2 <= len(levels) <= 5


def test_constant_outputs_and_no_attribute():
    """Nothing is read from a constant answer; without an attribute the probe does not apply."""
    found = run(context(planted("constant"), tiny_cohort(np.random.default_rng(3), n=300)))
    assert "same for all" in found["decodability_auc", "sex", "outputs", "all", "male"].missing
    assert found["auc_change", "sex", "prevalence", None].value is None
    with pytest.raises(NotApplicable, match="protected"):
        AttributeEncodedOrUsed().run(saved_context(np.linspace(0, 1, 40), small_cohort(np.arange(40) % 2)))


def test_it_keeps_the_protocol():
    """The conformance kit completes in classification and regression."""
    names = ("binary, twelve cases", "multilabel", "regression")
    some = {name: make for name, make in conforming_contexts().items() if name in names}
    assert set(names) == set(check_probe(AttributeEncodedOrUsed, some))


@pytest.mark.slow
def test_it_keeps_the_protocol_everywhere():
    """In all contexts of the conformance kit."""
    assert {"binary, saved", "multiclass", "ordinal, raters"} <= set(check_probe(AttributeEncodedOrUsed))
