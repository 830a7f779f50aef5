"""ADV002: exact on a linear model, a fragile model is caught, a sturdy one is not, and groups are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import BUDGETS, InputSpec, Measurement, NotApplicable, ProbeContext
from audit.probes.adversarial import L2Evasion, LinfEvasion
from audit.stats import proportion, proportion_gap
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.attacks.nets import Linear, Masked, wrap

BUDGET = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=8)
LADDER = tuple(float(f"{s / 255 / 4:.6g}") for s in (0.5, 1, 2, 4, 8, 16))


def make(
    strength: float, *, n: int = 120, side: int = 12, net: Any = None, sex: Any = None, **more: Any
) -> tuple[ProbeContext, np.ndarray, np.ndarray]:
    """Return the context of a linear model on a cohort, its weights and its signed logits.

    The weights vary by a factor of ten, so that the best change is unlike the one of equal size everywhere.
    """
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, n)
    images = 0.5 + strength * (2 * target - 1)[:, None, None, None] + rng.normal(0, 0.03, (n, 1, side, side))
    images = np.clip(images, 0, 1).astype(np.float32)
    w = rng.uniform(0.2, 2.0, side * side)
    model = wrap(net or Linear(w, -0.5 * w.sum()), input=InputSpec(scale=False), **more)
    attributes = {} if sex is None else {"sex": (sex, "protected")}
    cohort = from_arrays(images, target, np.arange(n) // 2, attributes, task="binary", classes=("no", "yes"))
    signed = (2 * target - 1) * (images.reshape(n, -1).astype(float) @ w - 0.5 * w.sum())
    return context(model, cohort, budget=BUDGET), w, signed


def of(measurements: list[Measurement], metric: str, **condition: Any) -> list[Measurement]:
    return [
        m for m in measurements if m.metric == metric and all(m.condition.get(k) == v for k, v in condition.items())
    ]


def test_every_number_is_the_exact_one_of_a_linear_model() -> None:
    """Right under attack means |w| epsilon sqrt(pixels) below the signed logit; intervals are those of the suite."""
    ctx, w, signed = make(0.004)
    given = list(L2Evasion().run(ctx))
    assert tuple(m.condition["epsilon"] for m in of(given, "robust_accuracy")) == LADDER
    for epsilon in LADDER:
        right = signed > np.linalg.norm(w) * epsilon * np.sqrt(w.size)
        (accuracy,) = of(given, "robust_accuracy", epsilon=epsilon)
        assert accuracy.value == pytest.approx(right.mean(), abs=0.01)
        if accuracy.value == right.mean():
            assert accuracy.curve == proportion(right, ctx.cohort.patients, ctx.levels).curve
    values = [m.value for m in of(given, "robust_accuracy")]
    assert values[0] > 0.7
    assert 0 < values[3] < values[0]


def test_a_fragile_model_is_caught_and_a_sturdy_one_passes() -> None:
    """A margin of a fraction of the largest size is gone; one far beyond it keeps every case, and a rule can pass."""
    fragile = list(L2Evasion().run(make(0.004)[0]))
    (last,) = of(fragile, "robust_accuracy", epsilon=LADDER[-1])
    assert last.high is not None
    assert last.high < 0.1
    sturdy = list(L2Evasion().run(make(0.3)[0]))
    (last,) = of(sturdy, "robust_accuracy", epsilon=LADDER[-1])
    assert last.value == 1.0
    assert last.low is not None
    assert last.low > 0.93
    assert all("certificate failed" not in m.method for m in sturdy)


def test_a_change_of_one_pixel_is_found_where_the_other_norm_sees_nothing() -> None:
    """A model that reads one pixel falls to a small energy, and stands where each pixel may change by as little."""
    w = np.zeros(144)
    w[50] = 1.0
    ctx, _, _ = make(0.13, net=Linear(w, -0.5))
    few, many = list(L2Evasion().run(ctx)), list(LinfEvasion().run(make(0.13, net=Linear(w, -0.5))[0]))
    for index, (epsilon, other) in enumerate(zip(LADDER, (4 * e for e in LADDER), strict=True)):
        here, there = of(few, "robust_accuracy")[index].value, of(many, "robust_accuracy")[index].value
        # All energy in one of 144 pixels is 12 times the root mean square, three times the size of the other ladder.
        assert here <= there
        assert epsilon * 12 == pytest.approx(3 * other, rel=1e-4)
    assert of(few, "robust_accuracy")[-1].value < 0.5 < 0.9 < of(many, "robust_accuracy")[-1].value


def test_the_gap_between_groups_is_that_of_their_robust_accuracy() -> None:
    """Women whose margin is smaller have a gap at the headline size, with the interval of the suite."""
    rng = np.random.default_rng(3)
    sex = rng.choice(np.array(["female", "male"]), 240)
    ctx, w, _ = make(0.002, n=240, sex=sex)
    images = np.stack([ctx.cohort.images.load(i) for i in range(240)])
    # Men are made easier by moving their images away from the boundary.
    images[sex == "male"] += 0.02 * (2 * ctx.cohort.targets[sex == "male"] - 1)[:, None, None, None]
    cohort = from_arrays(
        images, ctx.cohort.targets, np.arange(240), {"sex": (sex, "protected")}, task="binary", classes=("no", "yes"),
    )  # fmt: skip
    given = list(L2Evasion().run(context(ctx.model, cohort, budget=BUDGET)))
    signed = (2 * cohort.targets - 1) * (images.reshape(240, -1).astype(float) @ w - 0.5 * w.sum())
    right = signed > np.linalg.norm(w) * LADDER[2] * np.sqrt(w.size)
    expected = proportion_gap(right, sex == "female", cohort.patients, ctx.levels)
    rows = {m.subgroup["sex"]: m for m in of(given, "robust_accuracy_gap")}
    assert set(rows) == {"female", "male"}
    assert rows["female"].value == pytest.approx(expected.value, abs=0.01)
    assert rows["female"].high is not None
    assert rows["female"].high < 0
    assert rows["female"].condition["parameter"] == "headline"


def test_a_gap_under_a_failed_certificate_has_no_bound() -> None:
    """Where the attack may have missed anything, either group may be worse."""
    sex = np.array(["female", "male"] * 30)
    ctx, _, _ = make(0.3, n=60, sex=sex, net=Masked(np.full(144, 1.0), "detached"))
    rows = of(list(L2Evasion().run(ctx)), "robust_accuracy_gap")
    assert rows
    assert all((m.low, m.high) == (-1.0, 1.0) and "certificate failed" in m.method for m in rows)


def test_how_visible_the_changes_are_stands_beside_the_numbers() -> None:
    """Decibels of a change of that root mean square, similarity below 1, and the size over the noise of 0.03."""
    ctx, _, _ = make(0.3)
    given = list(L2Evasion().run(ctx))
    (noise,) = of(given, "visibility_psnr")
    assert noise.value == pytest.approx(-20 * np.log10(LADDER[2]), abs=0.1)
    assert (noise.n, noise.unit) == (64, "dB")
    (alike,) = of(given, "visibility_ssim")
    assert alike.value is not None
    assert 0.9 < alike.value < 1
    (share,) = of(given, "epsilon_over_noise_sd")
    assert share.value == pytest.approx(LADDER[2] / 0.03, rel=0.1)


def test_what_broke_the_cases_adds_up() -> None:
    """The shares of all ways are those of the overturned cases; a linear model falls to the one step."""
    given = of(list(L2Evasion().run(make(0.004)[0])), "winning_share")
    shares = {m.condition["attack"]: m.value for m in given}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["one step"] > 0
    assert shares["apgd"] == shares["random signs"] == 0
    none = of(list(L2Evasion().run(make(0.4)[0])), "winning_share")
    assert all(m.value is None and m.missing == "no case was overturned" for m in none)


def test_a_model_without_gradients_is_not_applicable() -> None:
    """A model that can only be asked has no white-box attack."""
    with pytest.raises(NotApplicable, match="no gradients"):
        list(L2Evasion().run(context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    sex = np.array(["female", "male"] * 20)
    assert check_probe(L2Evasion, {"linear": lambda: make(0.02, n=40, sex=sex)[0]}) == ("linear",)
