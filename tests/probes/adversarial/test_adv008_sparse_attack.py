"""ADV008: a model that leans on one pixel is caught, one that averages is not, and hidden gradients cannot pass."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.adversarial.adv008_sparse_attack import SparseAttack
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.probes.adversarial.attacked import HEADLINE, known, linear, measured, of, only


def test_a_model_that_leans_on_one_pixel_falls_to_it() -> None:
    """Most of the weight on one pixel: changing that one turns every case."""
    w = np.full(36, 0.2)
    w[17] = 20.0
    ctx, signed = linear(w, strength=0.1)
    given = list(SparseAttack().run(ctx))
    row = only(given, "robust_accuracy", **HEADLINE)
    assert row.condition["epsilon"] == 1.0
    assert row.condition["epsilon_unit"] == "pixels"
    assert row.value == 0.0
    assert (signed > 0).mean() > 0.9


def test_a_model_that_averages_stands_one_pixel() -> None:
    """Equal weights: one of 36 pixels cannot undo a clear difference, and the lower bound can pass a limit."""
    ctx, _ = linear(np.ones(36), strength=0.3)
    given = list(SparseAttack().run(ctx))
    row = only(given, "robust_accuracy", **HEADLINE)
    assert row.value == 1.0
    assert row.low is not None
    assert row.low > 0.9
    assert "checks" not in row.method
    assert only(given, "certificate_large_epsilon").value == 0.0


def test_numbers_follow_the_closed_form() -> None:
    """At every number of pixels the share right is that of the largest gains of a linear model."""
    w = np.random.default_rng(3).normal(size=36)
    ctx, signed = linear(w, strength=0.2)
    given = list(SparseAttack().run(ctx))
    assert ctx.cohort.images is not None
    flat = np.stack([ctx.cohort.images.load(i) for i in range(len(ctx.cohort))]).reshape(len(ctx.cohort), -1)
    sign = np.where(ctx.cohort.targets == 1, 1.0, -1.0)[:, None]
    gains = np.sort(np.abs(w * (np.where(sign * w > 0, 0.0, 1.0) - flat)), axis=1)[:, ::-1].cumsum(axis=1)
    for row in of(given, "robust_accuracy"):
        left = signed - gains[:, int(row.condition["epsilon"]) - 1]
        assert row.value == pytest.approx((left > 0).mean(), abs=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "argmax-inside",
        "detached-branch",
        "reversed-gradient",
        "dropout-on",
        "quantised-3-bit",
        "sign-and-live",
        "squashed-and-live",
    ],
)
def test_a_hidden_gradient_cannot_pass(name: str) -> None:
    """Where the attack is misled the lower side is 0."""
    row = only(measured(SparseAttack, name), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "upper bound only" in row.method


def test_more_pixels_break_more() -> None:
    """The share right never rises with the number of pixels, and the figure starts at the clean share."""
    ctx = known("undefended")
    given = list(SparseAttack().run(ctx))
    shares = [m.value for m in of(given, "robust_accuracy")]
    assert shares == sorted(shares, reverse=True)
    checks, curve = ctx.sink.artifacts
    assert checks.name == "attack_certificate"
    assert curve.name == "sparse_curve"
    assert curve.arrays["pixels"][0] == 0
    assert curve.arrays["share_right"][0, 1:].tolist() == shares


def test_a_model_without_gradients_is_not_applicable() -> None:
    """A model that can only be asked has no white-box attack."""
    with pytest.raises(NotApplicable, match="no gradients"):
        list(SparseAttack().run(context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(SparseAttack, {"undefended": lambda: known("undefended", n=24)}) == ("undefended",)
