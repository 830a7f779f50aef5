"""SHIFT003 tells how far protocols are apart, in what, and whether it matters."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes._descriptors import described, descriptor_names
from audit.probes.shift import Drift
from audit.testing import ArrayImages, attribute, context, saved_context, small_cohort


def run(ctx):
    """Return the measurements by (metric, parameter, level)."""
    return {(m.metric, m.condition["parameter"], *m.subgroup.values()): m for m in Drift().run(ctx)}


def made(n=240, seed=0, noise=0.0, offset=0.0, levels="ab"):
    """Return the context of images and saved logits whose scanner b is noisier, or moves the answers."""
    rng = np.random.default_rng(seed)
    label, scanner = np.arange(n) % 2, rng.choice(np.array(list(levels)), n)
    b = scanner == "b"
    images = rng.normal(100, 10, (n, 1, 12, 12)) + noise * b[:, None, None, None] * rng.normal(size=(n, 1, 12, 12))
    latent = 2.0 * label - 1 + rng.normal(size=n) + offset * b
    cohort = small_cohort(
        label,
        attributes=[attribute("scanner", scanner, "protocol")],
        images=ArrayImages(array=images.astype(np.float32)),
    )
    return saved_context(latent, cohort, output="logits")


def test_a_noisy_scanner_is_told_by_its_images_and_not_by_its_answers():
    """Noise that the model does not heed is drift of the images alone."""
    found = run(made(noise=12.0))
    assert found["drift_effect", "images", "b"].low > 0.85
    assert found["drift_effect", "outputs", "b"].value < 0.6


def test_a_scanner_that_moves_the_answers_is_told_by_them():
    """An offset of two logits is drift of the outputs alone."""
    found = run(made(offset=2.0))
    assert found["drift_effect", "outputs", "b"].low > 0.8
    assert found["drift_effect", "images", "b"].value < 0.62


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_a_scanner_that_draws_ill_and_well_together_or_apart_is_told_by_the_answers(scale):
    """The mean of the answers stays where it was, and so does their ranking; what moves is how far they lie apart."""
    ctx = made(n=400)
    b = ctx.cohort.attributes["scanner"].levels == "b"
    found = run(saved_context(np.where(b, scale, 1.0) * ctx.clean.raw[:, 0], ctx.cohort, output="logits"))
    assert found["drift_effect", "outputs", "b"].low > 0.6


def test_a_scanner_that_scatters_the_answers_is_told_by_them():
    """Noise on the logit moves no mean of either label."""
    ctx = made(n=400)
    b = ctx.cohort.attributes["scanner"].levels == "b"
    noisy = ctx.clean.raw[:, 0] + 3 * b * np.random.default_rng(4).normal(size=400)
    found = run(saved_context(noisy, ctx.cohort, output="logits"))
    assert found["drift_effect", "outputs", "b"].low > 0.55


def test_two_alike_scanners_are_not_told_apart():
    """The healthy cohort: half is inside every interval or above it, whatever the seed."""
    for seed in range(3):
        found = run(made(seed=seed))
        assert all(m.low < 0.5 for key, m in found.items() if key[0] == "drift_effect")


def test_more_disease_on_one_scanner_alone_is_no_drift():
    """Scanner b images the ill; within labels nothing tells it from the other."""
    rng = np.random.default_rng(3)
    label = np.arange(600) % 2
    b = rng.random(600) < np.where(label, 0.8, 0.2)
    cohort = small_cohort(label, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")])
    found = run(saved_context(2.0 * label - 1 + rng.normal(size=600), cohort, output="logits"))
    assert found["drift_effect", "outputs", "b"].low < 0.5


def test_a_drift_over_the_years_that_is_a_change_of_scanner_vanishes_within_scanners():
    """Late images come from the new scanner mostly: within a scanner early and late are alike."""
    rng = np.random.default_rng(5)
    n, label = 600, np.arange(600) % 2
    late = rng.random(n) < 0.5
    new = rng.random(n) < np.where(late, 0.85, 0.15)
    latent = 2.0 * label - 1 + rng.normal(size=n) + 2.0 * new
    years = attribute("period", np.where(late, "late", "early"), "protocol")
    cohort = small_cohort(label, attributes=[years, attribute("scanner", np.where(new, "new", "old"), "protocol")])
    found = run(saved_context(latent, cohort, output="logits"))
    assert found["drift_effect", "outputs", "late"].low > 0.6
    within = found["drift_effect_within", "outputs", "late"]
    assert within.low < 0.5
    assert within.value < 0.56
    assert within.condition["stratum"] == "within scanner"
    assert found["drift_effect_within", "outputs", "new"].low > 0.7


def test_two_levels_are_one_comparison_with_one_value():
    """What speaks for one scanner speaks against the other."""
    found = run(made(noise=3.0))
    first, second = (found["drift_effect", "images", level] for level in "ab")
    assert first.value == pytest.approx(second.value, abs=1e-12)
    assert first.contrast == second.contrast is not None


def graded(sign, n=600):
    """Return the context of six sites, each noisier than the one before and ranked better or worse by it."""
    rng = np.random.default_rng(1)
    label, site = np.arange(n) % 2, rng.integers(0, 6, n)
    size = (n, 1, 8, 8)
    images = rng.normal(100, 1, size) * (1 + 0.6 * site[:, None, None, None])
    use = 1.0 + sign * 0.3 * np.abs(site - 2.5)
    latent = use * (label - 0.5) * 2 + rng.normal(size=n)
    cohort = small_cohort(
        label, attributes=[attribute("site", [f"s{i}" for i in site], "protocol")],
        images=ArrayImages(array=images.astype(np.float32)),
    )  # fmt: skip
    ctx = saved_context(latent, cohort, output="logits")
    return replace(ctx, budget=replace(ctx.budget, resamples=300))


def test_a_distance_that_goes_with_the_drop_is_said_to():
    """The sites farthest from the middle rank worst, or best: the correlation has that sign."""
    assert run(graded(-1.0))["distance_predicts_drop", "images"].value > 0.6
    assert run(graded(+1.0))["distance_predicts_drop", "images"].value < 0.2


def test_two_levels_have_no_correlation():
    """A correlation needs five levels, and says so."""
    assert "needs 5" in run(made())["distance_predicts_drop", "images"].missing


def test_few_patients_are_missing_with_their_number():
    """Three patients of a scanner teach nothing."""
    label = np.arange(60) % 2
    cohort = small_cohort(label, attributes=[attribute("scanner", ["b"] * 3 + ["a"] * 57, "protocol")])
    m = run(saved_context(np.linspace(0.1, 0.9, 60), cohort))["drift_effect", "outputs", "b"]
    assert m.value is None
    assert "3 patients" in m.missing


def test_no_protocol_is_not_applicable():
    """Without a protocol there is nothing to compare."""
    with pytest.raises(NotApplicable, match="protocol"):
        run(saved_context(np.linspace(0, 1, 40), small_cohort(np.arange(40) % 2)))


def test_noise_is_measured_in_stored_units():
    """The noise of independent pixels is their standard deviation, to 5 %; a smooth ramp has none."""
    rng = np.random.default_rng(0)
    names = descriptor_names(1)
    noisy = described(rng.normal(0, 7, (1, 96, 96)))[names.index("noise")]
    ramp = described(np.broadcast_to(np.arange(96.0), (1, 96, 96)))[names.index("noise")]
    assert noisy == pytest.approx(7, rel=0.05)
    assert ramp == 0


def test_each_descriptor_is_kept_with_its_interval():
    """The figure holds every descriptor of every level, and noise stands out."""
    ctx = made(noise=12.0)
    list(Drift().run(ctx))
    (kept,) = (a for a in ctx.sink.artifacts if a.name == "drift_by_descriptor")
    best = int(np.argmax(np.abs(kept.arrays["auc"] - 0.5)))
    assert str(kept.arrays["descriptor"][best]) in ("noise", "spread", "1st percentile", "99th percentile")
    assert (kept.arrays["low"] <= kept.arrays["auc"]).all()


def test_the_features_of_a_network_are_looked_at():
    """A linear network is given the image itself, so its features tell what the images tell."""
    torch = pytest.importorskip("torch")
    from audit.core import InputSpec, ModelSpec
    from audit.models import from_module

    rng = np.random.default_rng(0)
    label, b = np.arange(200) % 2, rng.random(200) < 0.5
    images = (rng.normal(0, 1, (200, 1, 4, 4)) + 2.0 * b[:, None, None, None]).astype(np.float32)
    cohort = small_cohort(
        label, attributes=[attribute("scanner", np.where(b, "b", "a"), "protocol")], images=ArrayImages(array=images)
    )
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1))
    spec = ModelSpec(
        kind="torch", task="binary", output="logits", classes=("well", "ill"),
        input=InputSpec(size=(4, 4), range=(-5.0, 5.0), scale=False),
    )  # fmt: skip
    found = run(context(from_module(module.eval(), spec), cohort))
    assert found["drift_effect", "features", "b"].low > 0.9
