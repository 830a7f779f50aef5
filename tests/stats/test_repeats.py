"""Repeatability from sets of repeated examinations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from audit.core import Levels
from audit.stats import REPEATABILITY, Repeats, between_patient_sd, icc, repeat_icc, within_patient_cv
from audit.stats import within_patient_sd as within

LEVELS = Levels()


def pairs(n: int = 40, *, noise: float = 2.0, between: float = 10.0, seed: int = 0, size: int = 2, mean: float = 50):
    """Return repeats of normal values, `size` examinations a patient."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), size)
    values = mean + between * rng.normal(size=n)[who] + noise * rng.normal(size=n * size)
    return Repeats(values=values, sets=who, patients=who)


def test_pairs_by_hand():
    """Differences 2, 4, 0, 2 and 4 have squares that add up to 40: SD the root of 40 / 10 = 2, coefficient 5.54."""
    values = np.array([10, 12, 10, 14, 10, 10, 10, 12, 10, 14], dtype=float)
    who = np.repeat(np.arange(5), 2)
    found = Repeats(values=values, sets=who, patients=who)
    assert within(found, LEVELS).value == pytest.approx(2)
    assert within(found, LEVELS, factor=REPEATABILITY).value == pytest.approx(1.959964 * np.sqrt(2) * 2, abs=1e-5)
    share = np.mean([(d**2 / 2) / m**2 for d, m in ((2, 11), (4, 12), (0, 10), (2, 11), (4, 12))])
    assert within_patient_cv(found, LEVELS).value == pytest.approx(np.sqrt(share))


def test_the_lower_bound_is_that_of_the_chi_square():
    """Where patients vary no more than normal values do, it is s sqrt(df / chi2) to 1e-9; the upper one is no lower."""
    even = np.tile([1.0, 2.0, 3.0], 14)
    who = np.repeat(np.arange(42), 2)
    values = np.stack([np.zeros(42), even], axis=1).ravel() + who
    found = within(Repeats(values=values, sets=who, patients=who), LEVELS)
    low, high = found.bounds(0.025)
    assert low == pytest.approx(found.value * np.sqrt(42 / chi2.isf(0.025, 42)), rel=1e-9)
    assert high >= found.value * np.sqrt(42 / chi2.ppf(0.025, 42))


def test_patients_who_repeat_badly_widen_the_interval():
    """With one patient in ten who repeats five times as badly the interval is much wider, relative to its value."""
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(40), 2)
    spread = np.where(np.arange(40) % 10 == 0, 5.0, 1.0)[who]
    uneven = within(Repeats(values=spread * rng.normal(size=80), sets=who, patients=who), LEVELS)
    even = within(pairs(), LEVELS)
    ratio = [high / low for low, high in (uneven.bounds(0.025), even.bounds(0.025))]
    assert ratio[0] > 1.4 * ratio[1]


def test_components_are_found_again():
    """2,000 patients of SD 10 with a noise of 2: both SDs and the ICC of 100 / 104 are found to 5 %."""
    found, rng = pairs(2000), np.random.default_rng(0)
    assert within(found, LEVELS).value == pytest.approx(2, rel=0.05)
    assert between_patient_sd(found, LEVELS, rng, resamples=200).value == pytest.approx(10, rel=0.05)
    assert repeat_icc(found, LEVELS, rng, resamples=200).value == pytest.approx(100 / 104, abs=0.005)


def test_icc_of_pairs_is_the_f_interval():
    """One set a patient, all of one size: ICC(1,1) with its F interval, in any order of the rows."""
    found, rng = pairs(), np.random.default_rng(0)
    order = np.random.default_rng(1).permutation(80)
    mixed = Repeats(values=found.values[order], sets=found.sets[order], patients=found.patients[order])
    wanted = icc(found.values.reshape(40, 2), np.arange(40), LEVELS, form="1,1")
    given = repeat_icc(mixed, LEVELS, rng, resamples=200)
    assert (given.value, *given.bounds(0.025)) == pytest.approx((wanted.value, *wanted.bounds(0.025)), abs=1e-12)
    assert (given.n, given.n_patients) == (80, 40)


def test_uneven_sets_are_resampled():
    """Two sets of a patient, or sets of three among pairs, are estimated by patient bootstrap; n counts cases."""
    who = np.repeat(np.arange(30), 4)
    sets = np.repeat(np.arange(60), 2)
    rng = np.random.default_rng(3)
    values = 5 * rng.normal(size=30)[who] + rng.normal(size=120)
    found = repeat_icc(Repeats(values=values, sets=sets, patients=who), LEVELS, rng, resamples=400)
    assert "bootstrap" in found.method
    assert (found.n, found.n_patients) == (120, 30)
    assert found.bounds(0.025)[0] < 25 / 26 < found.bounds(0.025)[1]


def test_no_number_has_its_reason():
    """Equal repeats, four patients, means that are not positive and patients alike have no number."""
    rng, equal = np.random.default_rng(0), pairs()
    same = Repeats(values=equal.patients.astype(float), sets=equal.sets, patients=equal.patients)
    assert "do not differ" in within(same, LEVELS).missing
    assert "4 patients" in within(pairs(4), LEVELS).missing
    assert "4 patients" in between_patient_sd(pairs(4), LEVELS, rng, resamples=100).missing
    assert "no positive mean" in within_patient_cv(pairs(mean=0), LEVELS).missing
    turned = np.tile([1.0, -1.0], 40)
    alike = Repeats(values=turned, sets=equal.sets, patients=equal.patients)
    assert "do not differ more" in between_patient_sd(alike, LEVELS, rng, resamples=100).missing


def test_sets_that_are_none_are_errors():
    """A set of one case and a set of two patients are errors."""
    with pytest.raises(ValueError, match="at least two"):
        Repeats(values=np.zeros(3), sets=np.array([0, 0, 1]), patients=np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="one patient"):
        Repeats(values=np.zeros(4), sets=np.array([0, 0, 1, 1]), patients=np.array([0, 0, 1, 2]))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "size"), [(10, 2), (35, 2), (35, 4)])
def test_bounds_hold_their_level(n: int, size: int):
    """With normal values either bound misses in at most 3.5 % of 2,000 samples."""
    missed = np.zeros(2)
    for seed in range(2000):
        low, high = within(pairs(n, seed=seed, size=size), LEVELS).bounds(0.025)
        missed += low > 2, high < 2
    assert (missed / 2000 <= 0.035).all()
