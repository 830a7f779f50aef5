"""ADV001: a fragile model is caught, a sturdy one is not, and a fooled attack cannot pass anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Measurement, NotApplicable, ProbeContext
from audit.probes.adversarial import LinfEvasion
from audit.stats import auc, proportion
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.attacks.nets import Linear, Masked, Pixelwise, wrap

UNIT = InputSpec(scale=False)
BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=4)
LADDER = tuple(float(f"{s / 255:.6g}") for s in (0.5, 1, 2, 4, 8, 16))


def make(
    strength: float, *, n: int = 120, net: Any = None, patients: Any = None, **more: Any
) -> tuple[ProbeContext, np.ndarray, np.ndarray]:
    """Return the context of a linear model on a cohort, its weights and its signed logits.

    The images' mean differs by label; the larger `strength`, the larger the margin for the same weights.
    """
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, n)
    images = np.clip(0.5 + strength * (2 * target - 1)[:, None, None, None] + rng.normal(0, 0.03, (n, 1, 6, 6)), 0, 1)
    images = images.astype(np.float32)
    w = rng.uniform(0.5, 1.5, 36)
    model = wrap(net or Linear(w, -0.5 * w.sum()), input=UNIT, **more)
    cohort = from_arrays(images, target, patients, task="binary", classes=("no", "yes"))
    signed = (2 * target - 1) * (images.reshape(n, -1).astype(float) @ w - 0.5 * w.sum())
    return context(model, cohort, budget=BUDGET), w, signed


def of(measurements: list[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    return [
        m for m in measurements if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())
    ]


def test_a_fragile_model_is_caught() -> None:
    """A margin of a third of the headline size is gone under attack, interval and all, though clean it is perfect."""
    ctx, _, signed = make(0.02)
    given = list(LinfEvasion().run(ctx))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert (signed > 0).mean() > 0.95
    (last,) = of(given, "robust_accuracy", epsilon=LADDER[-1])
    assert last.high is not None
    assert last.high < 0.05
    assert headline.condition["epsilon"] == LADDER[2]


def test_a_sturdy_model_passes_unharmed() -> None:
    """A margin far beyond the ladder keeps every case right, with a lower bound that a rule can pass on."""
    ctx, _, _ = make(0.3)
    given = list(LinfEvasion().run(ctx))
    (last,) = of(given, "robust_accuracy", epsilon=LADDER[-1])
    assert last.value == 1.0
    assert last.low is not None
    assert last.low > 0.95
    assert all("certificate failed" not in m.method for m in given)


def test_every_number_is_the_exact_one_of_a_linear_model() -> None:
    """Every number is that of the closed form, with the suite's intervals."""
    patients = np.arange(120) // 2
    ctx, w, signed = make(0.02, patients=patients)
    given = list(LinfEvasion().run(ctx))
    target = ctx.cohort.targets
    for epsilon in LADDER:
        worst = signed - np.abs(w).sum() * epsilon
        right = worst > 0
        expected = proportion(right, ctx.cohort.patients, ctx.levels)
        (accuracy,) = of(given, "robust_accuracy", epsilon=epsilon)
        assert accuracy.value == pytest.approx(right.mean(), abs=1e-6)
        assert accuracy.curve == expected.curve
        assert (accuracy.n, accuracy.n_patients) == (120, 60)
        (sensitivity,) = of(given, "robust_sensitivity", epsilon=epsilon)
        assert sensitivity.value == pytest.approx(right[target == 1].mean(), abs=1e-6)
        assert sensitivity.n == (target == 1).sum()
        (specificity,) = of(given, "robust_specificity", epsilon=epsilon)
        assert specificity.value == pytest.approx(right[target == 0].mean(), abs=1e-6)
        (area,) = of(given, "robust_auc", epsilon=epsilon)
        logit = (2 * target - 1) * worst
        assert area.value == pytest.approx(auc(logit, target == 1, ctx.cohort.patients, ctx.levels).value, abs=2e-3)
        (success,) = of(given, "attack_success", epsilon=epsilon)
        assert success.value == pytest.approx((~right & (signed > 0)).sum() / (signed > 0).sum(), abs=1e-6)


@pytest.mark.parametrize("how", ["quantised", "detached", "nan"])
def test_a_masked_gradient_cannot_pass_and_can_still_fail(how: str) -> None:
    """With hidden gradients the lower bound is 0, that of success 1; value and upper bound stay."""
    n = 60
    w = np.full(36, 1.0)

    class Centred(Masked):
        def forward(self, x: Any) -> Any:
            return super().forward(x - 0.5)

    ctx, _, _ = make(0.3, n=n, net=Centred(w, how))
    given = list(LinfEvasion().run(ctx))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert headline.value is not None
    assert headline.value > 0.9
    assert headline.low == 0.0
    assert headline.high == 1.0
    assert "upper bound only" in headline.method
    assert "certificate_gradient" in headline.method
    assert all(low == 0.0 for _, low, _ in headline.curve)
    (success,) = of(given, "attack_success", parameter="headline")
    assert success.high == 1.0
    (row,) = of(given, "certificate_gradient")
    assert row.value == 0.0
    assert row.method == "count"


def test_certificate_sizes_are_never_robust_numbers() -> None:
    """Size 0 and the whole range stand under certificate names only."""
    ctx, _, _ = make(0.1)
    given = list(LinfEvasion().run(ctx))
    assert of(given, "certificate_identity")[0].condition["epsilon"] == 0.0
    assert of(given, "certificate_large_epsilon")[0].condition["epsilon"] == 1.0
    robust = {m.condition["epsilon"] for m in given if m.metric.startswith("robust_")}
    assert robust == set(LADDER)


def test_a_sample_is_of_whole_patients() -> None:
    """A budget of cases is spent on all cases of randomly chosen patients, and n says so."""
    ctx, _, _ = make(0.1, patients=np.arange(120) // 4)
    ctx = replace(ctx, budget=replace(BUDGET, attack_cases=40))
    given = list(LinfEvasion().run(ctx))
    (headline,) = of(given, "robust_accuracy", parameter="headline")
    assert (headline.n, headline.n_patients) == (40, 10)
    ((condition, cases, raw),) = ctx.sink.conditions
    assert condition == f"linf epsilon={LADDER[2]:g}"
    assert np.unique(ctx.cohort.patients[cases]).size == 10
    assert raw.shape == (40, 1)


def test_no_operating_point_leaves_the_auc_alone() -> None:
    """Without an operating point right and wrong are missing with the reason; the AUC is not."""
    ctx, _, _ = make(0.02, operating_point=None)
    given = list(LinfEvasion().run(ctx))
    for metric in ("robust_accuracy", "robust_sensitivity", "robust_specificity", "attack_success"):
        assert all(m.value is None and m.missing == "no operating point is declared" for m in of(given, metric))
    assert all(m.value is not None for m in of(given, "robust_auc"))


def test_grey_levels_have_a_stored_row_from_one_step_on() -> None:
    """On 8-bit images the number for whole steps stands beside the other, from the size of one step on."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, 40)
    images = (rng.integers(90, 160, (40, 3, 4, 4)) + 12 * target[:, None, None, None]).astype(np.float32)
    w = np.full(48, 1 / 48)
    model = wrap(Linear(w, -131.0), input=InputSpec(modality="photo", range=(0, 255), channels=3, scale=False))
    cohort = from_arrays(images, target, task="binary", classes=("no", "yes"))
    given = list(LinfEvasion().run(context(model, cohort, budget=BUDGET)))
    stored = {m.condition["epsilon"]: m.value for m in of(given, "robust_accuracy_stored")}
    free = {m.condition["epsilon"]: m.value for m in of(given, "robust_accuracy")}
    assert sorted(stored) == [1, 2, 4, 8, 16]
    assert sorted(free) == [0.5, 1, 2, 4, 8, 16]
    assert all(free[e] <= stored[e] for e in stored)
    assert of(given, "robust_accuracy")[0].condition["epsilon_unit"] == "stored units"


def test_findings_are_reported_one_by_one() -> None:
    """A multilabel model has rows a finding, with its own certificate."""
    rng = np.random.default_rng(2)
    images = rng.uniform(0.2, 0.8, (30, 1, 6, 6)).astype(np.float32)
    w = rng.normal(size=(2, 36))
    bias = -0.5 * w.sum(axis=1)
    target = (images.reshape(30, -1) @ w.T + bias > 0).astype(int)
    model = wrap(Linear(w, bias), input=UNIT, task="multilabel", classes=("oedema", "mass"))
    cohort = from_arrays(images, target, task="multilabel", classes=("oedema", "mass"))
    ctx = context(model, cohort, budget=BUDGET)
    given = list(LinfEvasion().run(ctx))
    for name in ("oedema", "mass"):
        assert len(of(given, "robust_accuracy", **{"class": name})) == 6
        assert len(of(given, "certificate_gradient", **{"class": name})) == 1
    assert [c[0] for c in ctx.sink.conditions] == [
        f"linf epsilon={LADDER[2]:g} class=oedema", f"linf epsilon={LADDER[2]:g} class=mass",
    ]  # fmt: skip


def test_masks_and_values_have_robust_accuracy_alone() -> None:
    """A segmentation is attacked against its reference, a value against its tolerance."""
    images = np.full((12, 1, 6, 6), 0.2, dtype=np.float32)
    images[:, :, 1:4, 1:4] = 0.8
    masks = (images > 0.5).astype(np.float32)
    segmenter = wrap(
        Pixelwise(level=0.5), input=UNIT, task="segmentation", output="mask_logits", operating_point=None, classes=()
    )
    cohort = from_arrays(images, np.zeros(12), task="segmentation", masks=masks)
    ctx = context(segmenter, cohort, budget=BUDGET, raw=np.ones((12, 1)), columns=("dice",))
    given = list(LinfEvasion().run(ctx))
    for name in ("dice", "erased", "invented"):
        assert [m.value for m in of(given, "robust_accuracy", **{"class": name})] == [1.0] * 6
    volume = of(given, "robust_accuracy", **{"class": "volume"})
    assert [m.missing for m in volume] == [
        "no clinical tolerance is declared, so no change of the volume is too large"
    ] * 6
    assert of(given, "certificate_large_epsilon")[0].value == 0.0
    assert ctx.sink.conditions == []
    w = np.full(36, 1.0)
    value = wrap(
        Linear(w), input=UNIT, task="regression", output="value", operating_point=None, classes=(),
        clinical_tolerance=1.0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 0.9, (12, 1, 6, 6)).astype(np.float32)
    cohort = from_arrays(images, images.reshape(12, -1).sum(axis=1), task="regression")
    given = list(LinfEvasion().run(context(value, cohort, budget=BUDGET)))
    assert [m.value for m in of(given, "robust_accuracy")] == [1.0 if 36 * e <= 1 else 0.0 for e in LADDER]
    assert {m.metric for m in given if m.metric.startswith("robust")} == {"robust_accuracy"}


def test_several_classes_have_a_sensitivity_each() -> None:
    """An untargeted attack gives the sensitivity of each class and no specificity."""
    rng = np.random.default_rng(4)
    images = rng.uniform(0.2, 0.8, (60, 1, 6, 6)).astype(np.float32)
    w = rng.normal(size=(3, 36))
    target = (images.reshape(60, -1) @ w.T).argmax(axis=1)
    names = ("a", "b", "c")
    model = wrap(Linear(w), input=UNIT, task="multiclass", classes=names, operating_point=None)
    cohort = from_arrays(images, target, task="multiclass", classes=names)
    given = list(LinfEvasion().run(context(model, cohort, budget=BUDGET)))
    for code, name in enumerate(names):
        assert all(m.n == (target == code).sum() for m in of(given, "robust_sensitivity", **{"class": name}))
    assert not of(given, "robust_specificity")
    assert not of(given, "robust_auc")


def test_examples_are_marked_as_pixels() -> None:
    """Three cases in eight bits, none changed by more than the headline size, marked so as to be withheld."""
    ctx, _, _ = make(0.1)
    list(LinfEvasion().run(ctx))
    kept = {a.name: a for a in ctx.sink.artifacts}
    shown, visible, settings = (kept[n] for n in ("adversarial_examples", "attack_visibility", "attack_settings"))
    assert visible.arrays["psnr_db"].shape == visible.arrays["overturned"].shape == (64,)
    assert shown.pixels
    assert not settings.pixels
    assert shown.arrays["images"].shape == (3, 1, 6, 6)
    assert shown.arrays["images"].dtype == np.uint8
    change = shown.arrays["perturbed"].astype(int) - shown.arrays["images"]
    assert 0 < np.abs(change).max() <= 3
    towards_label = np.where(ctx.cohort.targets[:3] == 1, 1, -1)
    assert (towards_label * (shown.arrays["score"] - shown.arrays["score_attacked"]) > 0).all()


def test_settings_say_what_was_tried_and_what_it_cost() -> None:
    """Steps, starts, gradients and the sizes as multiples of the noise are kept."""
    ctx, _, _ = make(0.1)
    list(LinfEvasion().run(ctx))
    settings = ctx.sink.artifacts[-1]
    assert settings.meta["steps"] == 4
    assert settings.meta["cases"] == 120
    # Every step at the headline and the last size, half of them at least at the others.
    sizes = len(settings.arrays["epsilon"])
    assert settings.meta["gradients"] >= 120 * (1 + 2 * 4 + 2 * (sizes - 2))
    assert settings.arrays["epsilon_in_noise_sd"][2] == pytest.approx(LADDER[2] / 0.03, rel=0.1)


def test_a_model_without_gradients_is_not_applicable() -> None:
    """A model that can only be asked has no white-box attack."""
    ctx = context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))
    with pytest.raises(NotApplicable, match="no gradients"):
        list(LinfEvasion().run(ctx))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(LinfEvasion, {"linear": lambda: make(0.02, n=40)[0]}) == ("linear",)


def test_risks_at_a_horizon_are_attacked_where_the_status_is_known() -> None:
    """Right is a risk on the event's side of the operating point; who was lost before the horizon has no question."""
    rng = np.random.default_rng(6)
    images = rng.uniform(0.3, 0.7, (80, 1, 6, 6)).astype(np.float32)
    w = rng.uniform(0.5, 1.5, 36)
    time, event = rng.uniform(1, 9, 80), rng.random(80) < 0.7
    model = wrap(
        Linear(w, -0.5 * w.sum(), squash="sigmoid"), input=UNIT, task="survival", output="probabilities", classes=(),
        horizon=5.0,
    )  # fmt: skip
    cohort = from_arrays(images, task="survival", time=time, event=event)
    ctx = context(model, cohort, budget=BUDGET)
    given = list(LinfEvasion().run(ctx))
    known = (time > 5) | event
    signed = np.where(event & (time <= 5), 1, -1) * (images.reshape(80, -1).astype(float) @ w - 0.5 * w.sum())
    for epsilon in LADDER:
        (accuracy,) = of(given, "robust_accuracy", epsilon=epsilon)
        assert accuracy.n == known.sum() < 80
        assert accuracy.value == pytest.approx((signed[known] > w.sum() * epsilon).mean(), abs=1e-6)
    told = {m.metric for m in given if m.metric.startswith("robust")}
    assert told == {"robust_accuracy", "robust_sensitivity", "robust_specificity"}
