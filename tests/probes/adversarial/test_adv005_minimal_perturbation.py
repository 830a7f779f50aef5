"""ADV005: the median is that of the closed form; what nothing turned is counted, and hidden gradients cannot pass."""

from __future__ import annotations

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import NotApplicable
from audit.probes.adversarial.adv005_minimal_perturbation import MinimalPerturbation, _median
from audit.testing import check_probe, context, planted, tiny_cohort
from tests.attacks.nets import Linear, wrap
from tests.probes.adversarial.attacked import BUDGET, UNIT, known, linear, measured, of, only

LINF, L2 = {"attack": "minimal linf"}, {"attack": "minimal l2"}


def test_a_linear_model_has_the_median_of_its_distances() -> None:
    """The median over cases is that of |margin| over the dual norm, 0 where the answer is wrong, within 2 %."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 36)
    ctx, signed = linear(w)
    given = list(MinimalPerturbation().run(ctx))
    margin = np.maximum(signed, 0)
    for condition, exact in (
        (LINF, margin / np.abs(w).sum()), (L2, margin / np.linalg.norm(w) / np.sqrt(36))
    ):  # fmt: skip
        row = only(given, "median_minimal_perturbation", **condition)
        assert row.value == pytest.approx(np.median(exact), rel=0.02)
        assert row.low is not None
        assert row.low <= np.median(exact) * 1.02
        right = only(given, "median_minimal_perturbation_right", **condition)
        assert right.value == pytest.approx(np.median(exact[signed > 0]), rel=0.02)
        assert right.n == (signed > 0).sum()
    assert all(m.value == 0.0 for m in of(given, "unbroken"))


def test_a_fragile_network_needs_little_and_a_sturdy_one_much() -> None:
    """An undefended network falls below 2/255, one trained on attacked images stands beyond 8/255, as a bound."""
    fragile = only(measured(MinimalPerturbation, "undefended"), "median_minimal_perturbation", **LINF)
    sturdy = only(measured(MinimalPerturbation, "adversarially-trained"), "median_minimal_perturbation", **LINF)
    assert fragile.high is not None
    assert fragile.high < 2 / 255
    assert sturdy.low is not None
    assert sturdy.low > 8 / 255


@pytest.mark.parametrize("name", ["argmax-inside", "reversed-gradient", "nan-gradient", "quantised-3-bit"])
def test_a_hidden_gradient_leaves_no_lower_bound(name: str) -> None:
    """Where the attack is misled nothing is known on the lower side, whatever size was reached."""
    for condition in (LINF, L2):
        row = only(measured(MinimalPerturbation, name), "median_minimal_perturbation", **condition)
        assert row.low == 0.0
        assert "upper bound only" in row.method


def test_half_unbroken_is_at_least() -> None:
    """With the upper middle case unbroken the value is the lower one, and the upper bound the whole range."""
    ctx, _ = linear(np.ones(36))
    found = np.array([0.1] * 10 + [np.inf] * 10)
    given = _median(found, np.arange(20), ctx, 0.5)
    assert given.value == 0.1
    assert "at least" in given.method
    assert given.bounds(0.025) == (0.1, 1.0)
    most = _median(np.array([0.1] * 2 + [np.inf] * 18), np.arange(20), ctx, 0.5)
    assert most.value == 0.5
    assert most.bounds(0.025) == (0.5, 1.0)
    few = _median(np.array([0.1] * 15 + [np.inf] * 5), np.arange(20), ctx, 0.5)
    assert few.value == 0.1
    assert "at least" not in few.method


def test_without_an_operating_point_nothing_is_right() -> None:
    """The median is missing with the reason where no operating point is declared."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (20, 1, 4, 4)).astype(np.float32)
    cohort = from_arrays(images, np.arange(20) % 2, task="binary", classes=("no", "yes"))
    model = wrap(Linear(np.ones(16)), input=UNIT, operating_point=None)
    given = list(MinimalPerturbation().run(context(model, cohort, budget=BUDGET)))
    assert [m.missing for m in given] == ["no operating point is declared"] * 2


def test_a_model_without_gradients_is_not_applicable() -> None:
    """A model that can only be asked has no white-box attack."""
    with pytest.raises(NotApplicable, match="no gradients"):
        list(MinimalPerturbation().run(context(planted("healthy"), tiny_cohort(np.random.default_rng(0)))))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(MinimalPerturbation, {"undefended": lambda: known("undefended", n=24)}) == ("undefended",)
