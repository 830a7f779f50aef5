"""The patient bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import bootstrap, bootstrap_many, mean
from audit.stats._kernel import patient_weights
from validation.statistics.scenarios import clustered_hits

LEVELS = Levels()


def weighted_mean(values):
    """Return the statistic sum(w x) / sum(w)."""
    return lambda w: float(w @ values / w.sum())


def test_equal_generators_give_equal_results():
    """The result is a function of the generator alone, to the last bit."""
    x, code = clustered_hits(np.random.default_rng(1), patients=40, p=0.7, rho=0.3, cases=(1, 4))
    one, other = (bootstrap(weighted_mean(x), code, LEVELS, np.random.default_rng(9), resamples=300) for _ in range(2))
    assert one == other


def test_both_paths_agree():
    """One resample at a time and many at a time draw the same weights: equal to 1e-12."""
    x, code = clustered_hits(np.random.default_rng(2), patients=40, p=0.7, rho=0.3, cases=(1, 4))
    one = bootstrap(weighted_mean(x), code, LEVELS, np.random.default_rng(9), resamples=500)
    many = bootstrap(
        lambda w: w @ x / w.sum(axis=1), code, LEVELS, np.random.default_rng(9), resamples=500, vectorised=True
    )
    np.testing.assert_allclose(one.curve, many.curve, atol=1e-12)


def test_standard_error_agrees_with_the_linearised_one():
    """For a mean the t bounds beyond the percentiles agree with the cluster t interval within 5 %."""
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(150), 3)
    x = rng.normal(size=450) + rng.normal(size=150)[code]
    boot = bootstrap(weighted_mean(x), code, LEVELS, np.random.default_rng(4), resamples=4000).bounds(1e-4)
    linear = mean(x, code, LEVELS).bounds(1e-4)
    assert np.ptp(boot) == pytest.approx(np.ptp(linear), rel=0.05)


def test_weights_are_whole_patients():
    """Every resample has as many patients as the cohort, and all cases of a patient weigh the same."""
    rows = np.concatenate(list(patient_weights(7, 50, np.random.default_rng(5), rows=8)))
    assert rows.shape == (50, 7)
    assert (rows.sum(axis=1) == 7).all()
    seen = []
    code = np.repeat(np.arange(6), 2)
    bootstrap(
        lambda w: seen.append(w) or float(w @ np.arange(12)), code, LEVELS, np.random.default_rng(6), resamples=100
    )
    assert all((w[::2] == w[1::2]).all() for w in seen)


def test_chunks_do_not_change_the_draws():
    """The weights do not depend on the size of the chunks."""
    one, other = (np.concatenate(list(patient_weights(9, 40, np.random.default_rng(7), rows=r))) for r in (3, 40))
    np.testing.assert_array_equal(one, other)


def test_a_statistic_that_is_often_missing_is_missing():
    """More than 1 % of resamples without a value: no interval, and the reason says so."""
    found = bootstrap(
        lambda w: None if w[0] == 0 else 1.0, np.arange(20), LEVELS, np.random.default_rng(8), resamples=200
    )
    assert found.value is None
    assert "resamples" in found.missing


@pytest.mark.parametrize(
    ("statistic", "n", "reason"),
    [
        (lambda w: None, 20, "cannot be computed on these cases"),
        (lambda w: 3.0, 20, "does not vary"),
        (lambda w: 3.0, 4, "4 patients"),
        (lambda w: 3.0, 0, "no cases"),
    ],
)
def test_no_interval_is_missing_with_its_reason(statistic, n: int, reason: str):
    """A statistic without a value, without a spread or without patients is missing."""
    found = bootstrap(statistic, np.arange(n), LEVELS, np.random.default_rng(8), resamples=200)
    assert found.value is None
    assert reason in found.missing


def test_bounds_stay_in_the_support():
    """Bounds are clipped to the support, for example [0, 1] for a share."""
    x = np.arange(30) > 1
    found = bootstrap(weighted_mean(x), np.arange(30), LEVELS, np.random.default_rng(8), resamples=400, support=(0, 1))
    assert max(high for _, _, high in found.curve) == 1.0
    assert all(low <= found.value for _, low, _ in found.curve)


def test_too_few_resamples_are_an_error():
    """Fewer than 100 resamples carry no interval."""
    with pytest.raises(ValueError, match="100"):
        bootstrap(lambda w: 1.0, np.arange(20), LEVELS, np.random.default_rng(8), resamples=50)


@pytest.mark.slow
@pytest.mark.parametrize("patients", [20, 60])
def test_coverage_of_a_ratio(patients: int):
    """The interval of a share by patient covers the truth in at least 93 %."""
    rng, covered = np.random.default_rng(60), 0
    for _ in range(500):
        x, code = clustered_hits(rng, patients=patients, p=0.6, rho=0.3, cases=(1, 4))
        found = bootstrap(lambda w, x=x: w @ x / w.sum(axis=1), code, LEVELS, rng, resamples=800, vectorised=True)
        low, high = found.bounds(0.025)
        covered += low <= 0.6 <= high
    assert covered / 500 >= 0.93


def test_many_statistics_share_their_resamples():
    """Two statistics at once are bit for bit what each alone is from an equal generator; one may be absent."""
    rng = np.random.default_rng(12)
    values, code = rng.normal(2, 1, 90), np.arange(90) // 3

    def mean(weights):
        return weights @ values / weights.sum(axis=1)

    def square(weights):
        return weights @ values**2 / weights.sum(axis=1)

    together = bootstrap_many(
        lambda w: np.stack([mean(w), square(w), np.full(len(w), np.nan)], axis=1), code, Levels(),
        np.random.default_rng(1), resamples=200, methods=("a", "b", "c"), supports=((None, None), (0, None), (0, 1)),
    )  # fmt: skip
    for one, statistic, support in zip(together[:2], (mean, square), ((None, None), (0, None)), strict=True):
        alone = bootstrap(
            statistic, code, Levels(), np.random.default_rng(1), resamples=200, vectorised=True, support=support
        )
        assert one.curve == alone.curve
    assert "cannot be computed on these cases" in together[2].missing


def test_jackknife_widens_where_one_patient_weighs_much():
    """With it no bound is nearer than the t bound with the jackknife's error, written out; without it some are."""
    rng = np.random.default_rng(13)
    x = np.append(rng.normal(size=14), 6.0)
    y, code = x + rng.normal(size=15), np.arange(15)

    def slope(weights):
        total = weights.sum(axis=1)
        mx, my = weights @ x / total, weights @ y / total
        return ((weights @ (x * y) / total - mx * my) / (weights @ x**2 / total - mx**2))[:, None]

    def bounds(**more):
        (found,) = bootstrap_many(
            slope, code, LEVELS, np.random.default_rng(1), resamples=400, methods=("slope",), **more
        )
        return found.bounds(0.025)

    left = np.array([slope((np.arange(15) != i)[None].astype(float))[0, 0] for i in range(15)])
    half = 2.1447867 * np.sqrt(14 / 15 * np.sum((left - left.mean()) ** 2))
    value = float(slope(np.ones((1, 15)))[0, 0])
    low, high = bounds(jackknife=True)
    assert low <= value - half + 1e-6
    assert high >= value + half - 1e-6
    plain = bounds()
    assert low <= plain[0]
    assert high >= plain[1]
