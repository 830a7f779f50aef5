"""SHIFT004 finds what does not hold on a protocol that was left out, what mends it, and where other protocols harm."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.errors import ModelError
from audit.probes.shift import LeaveOneProtocolOut
from audit.probes.shift._scale_space import scale_space
from audit.probes.shift._transfer import Draw
from audit.testing import (
    ArrayImages,
    attribute,
    check_probe,
    context,
    pixel_recipe,
    planted,
    region_recipe,
    tiny_cohort,
    trained_context,
)


def elsewhere(cohort):
    """Return a cohort whose disease shows on scanner B in the corner instead of the centre."""
    images = np.array(cohort.images.array)
    b = cohort.attributes["scanner"].levels == "B"
    centre, corner = images[b][:, 0, 3:6, 3:6].mean((1, 2)), images[b][:, 0, 0:2, 0:2].mean((1, 2))
    images[b, 0, 3:6, 3:6] += (corner - centre)[:, None, None]
    images[b, 0, 0:2, 0:2] += (centre - corner)[:, None, None]
    return replace(cohort, images=ArrayImages(array=images))


def inverted(cohort):
    """Return a cohort whose lesions are dark on scanner B."""
    images = np.array(cohort.images.array)
    b = cohort.attributes["scanner"].levels == "B"
    images[b, 0, 3:6, 3:6] *= -1
    return replace(cohort, images=ArrayImages(array=images))


def given(change=lambda cohort: cohort, n=400, audited=300, **more):
    cohorts = [change(tiny_cohort(np.random.default_rng(s), n=k, signal=2.0)) for s, k in ((1, n), (2, audited))]
    return trained_context(*cohorts, **{"recipe": region_recipe, **more})


def run(ctx):
    """Return the rows by (metric, protocol, parameter)."""
    return {(m.metric, m.condition["protocol"], m.condition["parameter"]): m for m in LeaveOneProtocolOut().run(ctx)}


@pytest.fixture(scope="module")
def moved():
    """A disease that shows elsewhere on scanner B."""
    ctx = given(elsewhere, n=500, audited=400)
    return run(ctx), ctx


def test_what_was_never_seen_is_not_recognised_and_transfer_mends_it(moved):
    """Source only ranks B at chance; 40 cases of B help, most where they weigh as much as the source."""
    found, _ = moved
    assert found["performance", "B", "source only"].high < 0.65
    assert found["performance", "B", "target only"].low > 0.8
    pooled, weighted = found["transfer_gain", "B", "pooled"], found["transfer_gain", "B", "weighted"]
    assert pooled.low > 0
    assert weighted.value > pooled.value + 0.02
    assert weighted.low > 0.1
    value = found["performance", "B", "weighted"].value - found["performance", "B", "source only"].value
    assert weighted.value == pytest.approx(value, abs=1e-9)


def test_reweighting_goes_further_than_weighting(moved):
    """Source cases that the model gets wrong lose weight, so what is left of the source agrees with the target."""
    found, _ = moved
    assert found["transfer_gain", "B", "reweighted"].value > found["transfer_gain", "B", "weighted"].value - 0.01


def test_a_protocol_that_does_not_matter_is_left_alone():
    """Where both scanners show the disease alike, source only is as good as it gets and no gain is above 0.05."""
    found = run(given())
    for level in "AB":
        assert found["performance", level, "source only"].low > 0.85
        for arm in ("pooled", "weighted", "reweighted"):
            gain = found["transfer_gain", level, arm]
            assert gain.value is None or gain.high < 0.05


def test_negative_transfer_is_reported():
    """Where lesions are dark on B, cases of A do harm: pooled and weighted are worse than 40 cases of B alone."""
    found = run(given(inverted))
    assert found["performance", "B", "source only"].high < 0.2
    for arm in ("pooled", "weighted"):
        harm = found["gain_over_target_only", "B", arm]
        assert harm.high < 0
        assert harm.direction == "higher"
    assert (
        found["gain_over_target_only", "B", "reweighted"].value > found["gain_over_target_only", "B", "weighted"].value
    )


def test_support_vector_machines_stand_beside_the_recipe(moved):
    """They are held against their own source only, and cover the same ways."""
    found, _ = moved
    for arm in ("pooled", "weighted", "reweighted", "target only"):
        gain = found["transfer_gain", "B", f"SVM, {arm}"]
        own = found["performance", "B", f"SVM, {arm}"].value - found["performance", "B", "SVM, source only"].value
        assert gain.value == pytest.approx(own, abs=1e-9)


def test_the_figure_has_every_way(moved):
    """Values and bounds of ten ways, with the numbers of cases."""
    _, ctx = moved
    drawn = {a.meta["protocol"]: a for a in ctx.sink.artifacts if a.name == "transfer"}
    assert set(drawn) == {"A", "B"}
    assert len(drawn["B"].meta["arms"].split("|")) == len(drawn["B"].arrays["value"]) == 10
    assert drawn["B"].meta["target_cases"] == 40


def test_a_recipe_without_weights_has_no_weighted_rows():
    """Pooled is there; weighted and reweighted say why they are not."""

    def plain(images, targets, seed):
        return region_recipe(images, targets, seed)

    found = run(given(n=240, audited=240, recipe=plain))
    assert found["performance", "B", "pooled"].value is not None
    for arm in ("weighted", "reweighted"):
        assert found["transfer_gain", "B", arm].missing == "the recipe takes no weights"


def test_a_protocol_without_development_cases_has_source_only():
    """Scanner B is new: the recipe is measured on it, and what needs cases of it names their number."""
    development = tiny_cohort(np.random.default_rng(1), n=300, p_scanner_a=(1.0, 1.0))
    audited = tiny_cohort(np.random.default_rng(2), n=300)
    found = run(trained_context(development, audited, recipe=region_recipe))
    assert found["performance", "B", "source only"].value > 0.7
    assert "development cases of a class on B: 0" in found["transfer_gain", "B", "pooled"].missing
    assert "fewer than 20 development patients" in found["performance", "A", "source only"].missing


def test_few_audited_patients_have_no_number():
    """With some ten audited patients of a class a protocol is not trained for, and the count is named."""
    ctx = given(audited=40)
    found = run(ctx)
    assert all(m.value is None and "fewer than 20 audited patients of a class" in m.missing for m in found.values())
    assert ctx.training.meter.done == 0


def test_the_budget_favours_no_protocol():
    """With 20 trainings source only and pooled are there for both scanners, and the rest names the cap."""
    found = run(given(n=300, audited=240, trainings=20))
    for level in "AB":
        assert found["performance", level, "pooled"].value is not None
        assert "allows 20 a probe" in found["performance", level, "target only"].missing


def test_a_constant_model_has_no_gain():
    """A recipe that learns nothing has neither an AUC with an interval nor a gain: nothing can be passed on it."""

    class Nothing:
        def predict(self, images):
            return np.zeros((len(images), 1))

    found = run(given(n=300, audited=240, recipe=lambda *_: Nothing()))
    assert all(m.value is None for (_, _, arm), m in found.items() if not arm.startswith("SVM"))


def test_grades_and_values_are_left_out_as_well():
    """Three grades and a real value have the recipe's ways, and no support vector machine."""
    development, audited = (tiny_cohort(np.random.default_rng(s), n=240) for s in (1, 2))
    for task, output, classes in (("ordinal", "logits", ("a", "b", "c")), ("regression", "value", ())):
        card = replace(planted().card, task=task, output=output, classes=classes, operating_point=None)
        width = max(1, len(classes))
        model = replace(planted(), card=card, answer=lambda x, k=width: np.repeat(x[:, 0, 4, 4:5], k, axis=1))
        cohorts = []
        for cohort in (development, audited):
            bright = cohort.images.array[:, 0, 3:6, 3:6].mean((1, 2))
            targets = bright if task == "regression" else np.digitize(bright, [0.2, 1.0])
            cohorts.append(replace(cohort, targets=targets, classes=classes))
        found = run(trained_context(*cohorts, recipe=pixel_recipe(task, 3), model=model, trainings=20))
        assert found["performance", "B", "source only"].value is not None
        assert not any(arm.startswith("SVM") for _, _, arm in found)


def test_weights_of_source_and_target_are_equal_in_sum():
    """With 90 source and 10 target cases each half weighs 50; a wrong source case loses the factor of TrAdaBoost."""
    part = Draw(source=np.arange(90), target=np.arange(90, 100))
    weights = part.weights()
    assert weights[:90].sum() == pytest.approx(50, abs=1e-12)
    assert weights[90:].sum() == pytest.approx(50, abs=1e-12)
    wrong = np.arange(90) < 1
    later = part.lightened(weights, wrong, 10)
    assert later[0] / later[1] == pytest.approx(1 / (1 + np.sqrt(2 * np.log(90) / 10)), abs=1e-12)
    assert later.mean() == pytest.approx(1, abs=1e-12)


def test_features_of_a_flat_image_are_its_value():
    """Of a flat image every smoothed map has its value and every gradient is 0; of a ramp the gradient is its slope.

    To 0.002, since scipy cuts the kernel of the Laplacian off.
    """
    flat = scale_space([np.full((1, 16, 16), 7.0, dtype=np.float32)])[0].reshape(10, 4)
    np.testing.assert_allclose(flat[[0, 1, 4, 7], 0], 7.0, atol=1e-6)
    np.testing.assert_allclose(flat[[2, 3, 5, 6, 8, 9]], 0.0, atol=0.002)
    ramp = np.arange(64, dtype=np.float32)[None, None] * np.ones((1, 64, 1), dtype=np.float32)
    slope = scale_space([2 * ramp])[0].reshape(10, 4)[2]
    assert slope[3] == pytest.approx(2.0, abs=0.02)


def test_without_recipe_or_protocol_it_does_not_apply():
    """It needs a recipe, and an attribute of the role protocol with two levels."""
    with pytest.raises(NotApplicable, match="recipe"):
        list(LeaveOneProtocolOut().run(context(planted(), tiny_cohort(np.random.default_rng(0), n=60))))
    one = tiny_cohort(np.random.default_rng(0), n=60)
    one = replace(one, attributes={"scanner": attribute("scanner", ["A"] * 60, "protocol")})
    with pytest.raises(NotApplicable, match="one level"):
        list(LeaveOneProtocolOut().run(trained_context(one, one, recipe=region_recipe)))


def test_a_recipe_that_fails_is_an_error():
    """What it raises is the probe's error."""
    with pytest.raises(ModelError, match="recipe fails"):
        run(given(recipe=lambda *_: 1 / 0))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(LeaveOneProtocolOut, {"trainable": lambda: given(n=200, audited=200)}) == ("trainable",)
