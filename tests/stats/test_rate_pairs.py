"""The difference of two rates of the same cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from audit.core import Levels
from audit.stats import paired_difference, rate_difference

LEVELS = Levels()


def drawn(rng, *, patients, gain, loss, cases=(1, 1), rho=0.0):
    """Return two rows of right and wrong answers with these shares of discordance, and patient codes."""
    code = np.repeat(np.arange(patients), rng.integers(cases[0], cases[1] + 1, patients))
    shares = np.array([gain, loss, 1 - gain - loss])
    own = rng.dirichlet(shares * (1 - rho) / rho, patients) if rho else np.tile(shares, (patients, 1))
    u = rng.random(code.size)
    won = u < own[code, 0]
    lost = ~won & (u < own[code, 0] + own[code, 1])
    base = rng.random(code.size) < 0.8
    return won | (~lost & base), lost | (~won & base), code


def test_value_is_the_difference_of_both_shares():
    """With 12 gains and 5 losses in 90 cases the value is 7/90, and exchanging both turns it round, to 1e-12."""
    one, two = np.ones(90, bool), np.ones(90, bool)
    two[:12], one[12:17] = False, False
    found = rate_difference(one, two, np.arange(90), LEVELS)
    other = rate_difference(two, one, np.arange(90), LEVELS)
    assert found.value == pytest.approx(7 / 90, abs=1e-12)
    np.testing.assert_allclose(found.curve, [(a, -high, -low) for a, low, high in other.curve], atol=1e-12)


def test_a_single_loss_has_the_exact_bound_at_least():
    """One loss in 60 patients, no gain: the lower bound is at or below minus Clopper-Pearson's upper bound of 1/60."""
    one, two = np.ones(60, bool), np.ones(60, bool)
    one[0] = False
    low, high = rate_difference(one, two, np.arange(60), LEVELS).bounds(0.025)
    assert low <= -beta.ppf(0.975, 2, 59) + 1e-9
    assert high > 0


def test_never_nearer_than_the_mean_difference():
    """At every rung both bounds lie at or outside those of the paired mean."""
    one, two, code = drawn(np.random.default_rng(1), patients=70, gain=0.1, loss=0.05, cases=(1, 4), rho=0.3)
    plain, found = paired_difference(one, two, code, LEVELS), rate_difference(one, two, code, LEVELS)
    for (_, low, high), (_, inner_low, inner_high) in zip(found.curve, plain.curve, strict=True):
        assert low <= inner_low
        assert high >= inner_high


def test_agreement_in_all_cases_is_no_proof_of_equality():
    """No discordant case in 30 patients: 0, with the bounds that nothing seen in 30 leaves open."""
    right = np.arange(30) % 3 > 0
    low, high = rate_difference(right, right, np.arange(30), LEVELS).bounds(0.025)
    assert low <= -(1 - 0.025 ** (1 / 30)) + 1e-9
    assert high == pytest.approx(-low, abs=1e-12)


def test_few_patients_are_missing():
    """Four patients carry no interval."""
    found = rate_difference(np.ones(8, bool), np.zeros(8, bool), np.arange(8) // 2, LEVELS)
    assert found.value is None
    assert "4 patients" in found.missing


CELLS = {
    "one way": {"patients": 60, "gain": 0.0, "loss": 0.08}, "rare": {"patients": 200, "gain": 0.02, "loss": 0.0},
    "both ways": {"patients": 50, "gain": 0.1, "loss": 0.05}, "often": {"patients": 30, "gain": 0.4, "loss": 0.4},
    "clustered": {"patients": 60, "gain": 0.02, "loss": 0.15, "cases": (1, 4), "rho": 0.3},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CELLS))
def test_each_bound_misses_at_its_rate(name):
    """On 2,000 cohorts neither bound misses the true difference in more than 3.5 %."""
    rng, missed, cell = np.random.default_rng(41), np.zeros(2), CELLS[name]
    truth = cell["gain"] - cell["loss"]
    for _ in range(2000):
        low, high = rate_difference(*drawn(rng, **cell), LEVELS).bounds(0.025)
        missed += low > truth, high < truth
    assert (missed / 2000).max() <= 0.035
