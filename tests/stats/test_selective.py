"""The risk among the kept cases, with the threshold found again in every resample."""

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import proportion, selective_risk

LEVELS = Levels()


def risk(wrong, confidence, coverages=(1.0, 0.8, 0.5), patients=None, seed=0, resamples=400, **more):
    """Return the selective risk of single-case patients unless they are given."""
    codes = np.arange(len(wrong)) if patients is None else patients
    rng = np.random.default_rng(seed)
    return selective_risk(
        np.asarray(wrong, dtype=bool), np.asarray(confidence, dtype=float), codes, LEVELS, rng, coverages=coverages,
        resamples=resamples, **more,
    )  # fmt: skip


def decided(n=500, seed=0, per_patient=1):
    """Return wrong decisions that become rarer as the confidence rises from 0 to 1: P(wrong) = 0.4 (1 - c)."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(n)
    return np.repeat(rng.random(n) < 0.4 * (1 - confidence), per_patient), np.repeat(confidence, per_patient)


def test_the_curve_is_worked_by_hand():
    """Ten cases, errors at the 1st, 8th and 10th in confidence: risks 3/10, 1/5 and 2/8."""
    wrong = np.zeros(10, dtype=bool)
    wrong[[0, 7, 9]] = True
    found = risk(wrong, np.arange(10, 0, -1))
    assert [r.value for r in found.risks] == pytest.approx([0.3, 0.25, 0.2], abs=1e-12)
    assert [r.n for r in found.risks] == [10, 8, 5]
    assert found.thresholds == (1.0, 3.0, 6.0)


def test_the_area_is_the_integral_of_the_curve():
    """A fine sum over coverages gives the closed form to 1e-4, with ties and without."""
    wrong, confidence = decided(n=200, seed=3)
    for values in (confidence, np.round(confidence, 1)):
        grid = (np.arange(20_000) + 0.5) / 20_000
        ordered = np.argsort(-values, kind="stable")
        levels, start = np.unique(-values[ordered], return_index=True)
        ends = np.append(start[1:], 200)
        kept, errors = np.append(0, ends) / 200, np.append(0, np.cumsum(wrong[ordered])[ends - 1]) / 200
        assert len(levels) == len(ends)
        expected = (np.interp(grid, kept, errors) / grid).mean()
        assert risk(wrong, values).area.value == pytest.approx(expected, abs=1e-4)


def test_equal_confidences_are_kept_in_equal_shares():
    """One confidence for all: whatever share is kept, the risk is that of all, to 1e-12."""
    wrong = np.arange(40) < 10
    found = risk(wrong, np.ones(40))
    assert [r.value for r in found.risks] == pytest.approx([0.25] * 3, abs=1e-12)
    assert found.area.value == pytest.approx(0.25, abs=1e-12)


def test_at_full_coverage_no_arm_is_shorter_than_the_exact_one():
    """The interval of all cases holds that of Korn and Graubard, and is at most a quarter wider."""
    wrong, confidence = decided()
    found, exact = risk(wrong, confidence).risks[0], proportion(wrong, np.arange(500), LEVELS)
    low, high = found.bounds(0.025)
    below, above = exact.bounds(0.025)
    assert found.value == exact.value
    assert low <= below
    assert high >= above
    assert high - low < 1.25 * (above - below)


def test_no_error_among_the_kept_is_no_proof_of_none():
    """Half of 200 cases kept without an error: the upper bound is that of 0 of 100, 1 - 0.025 ** (1 / 100)."""
    wrong = np.arange(200) < 20
    found = risk(wrong, np.arange(200)).risks[2]
    assert found.value == 0
    assert found.bounds(0.025) == pytest.approx((0, 1 - 0.025 ** (1 / 100)), abs=1e-9)


def test_risk_at_a_prevalence_is_worked_by_hand():
    """Four of 40 positives and two of 60 negatives wrong: at 10 %, 0.1 x 0.1 + 0.9 / 30; coverage is weighted too."""
    labels = np.arange(100) < 40
    wrong = np.isin(np.arange(100), [0, 1, 2, 3, 40, 41])
    found = risk(wrong, np.ones(100), labels=labels, prevalence=0.1)
    assert found.risks[0].value == pytest.approx(0.1 * 4 / 40 + 0.9 * 2 / 60, abs=1e-12)
    # Positives are the most confident: the first half of a population of 10 % holds them all, and 40 of 90 others.
    found = risk(wrong, np.where(labels, 1.0, 0.5), coverages=(0.5,), labels=labels, prevalence=0.1)
    assert found.risks[0].value == pytest.approx((0.1 * 4 / 40 + 0.4 * 2 / 60) / 0.5, abs=1e-12)


def test_intervals_cover_the_truth():
    """True risks 0.2, 0.16, 0.1 are inside in 92 to 99.5 % of 250 cohorts, the area of 0.1 in 95 % and more."""
    # P(wrong | c) = 0.4 (1 - c), c uniform; kept above 1 - coverage: risk 0.2 x coverage, area 0.1.
    truth = np.array([0.2, 0.16, 0.1, 0.1])
    inside = np.zeros(4)
    for seed in range(250):
        found = risk(*decided(n=150, seed=seed), seed=seed, resamples=200)
        for at, part in enumerate((*found.risks, found.area)):
            low, high = part.bounds(0.025)
            inside[at] += low <= truth[at] <= high
    assert (inside / 250 >= 0.92).all(), inside / 250
    assert (inside[:3] / 250 <= 0.995).all(), inside / 250
    assert inside[3] / 250 >= 0.95


def test_images_of_one_patient_do_not_narrow_it():
    """Five alike images a patient give intervals about as wide as one, and count patients."""
    one = risk(*decided(n=200)).risks[1]
    five = risk(*decided(n=200, per_patient=5), patients=np.repeat(np.arange(200), 5)).risks[1]
    wide, narrow = one.bounds(0.025), five.bounds(0.025)
    assert narrow[1] - narrow[0] == pytest.approx(wide[1] - wide[0], rel=0.15)
    assert (five.n, five.n_patients) == (800, 160)


def test_what_cannot_be_estimated_has_a_reason():
    """Too few kept patients, one class at a prevalence, and no cases at all."""
    wrong, confidence = decided(n=8)
    found = risk(wrong, confidence)
    assert found.risks[0].value is not None
    assert "4 patients kept" in found.risks[2].missing
    labels = np.ones(8, dtype=bool)
    assert "one class" in risk(wrong, confidence, labels=labels, prevalence=0.1).area.missing
    assert risk(np.zeros(0), np.zeros(0)).area.missing == "no cases"


def test_wrong_input_is_refused():
    """Coverages, prevalence, resamples and lengths are checked."""
    wrong, confidence = decided(n=20)
    for more in ({"coverages": (0.0,)}, {"prevalence": 0.1}, {"resamples": 10}):
        with pytest.raises(ValueError, match="expected"):
            risk(wrong, confidence, **more)
    with pytest.raises(ValueError, match="one shape"):
        risk(wrong[:-1], confidence, patients=np.arange(20))
