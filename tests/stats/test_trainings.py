"""The mean over trainings has an interval that holds for other patients and for other trainings."""

import numpy as np
import pytest
from scipy.stats import t

from audit.core import Levels
from audit.stats import auc, over_trainings

LEVELS = Levels()


def means(values):
    """Return the statistic of the weighted mean of (n, s) values, one a training."""
    return lambda weights: weights @ values / weights.sum(axis=1)[:, None]


def area(scores, labels):
    """Return the statistic of the AUC of (n, s) scores, counted pair by pair."""
    cases, controls = np.flatnonzero(labels), np.flatnonzero(~labels)
    won = (scores[cases][:, None] > scores[controls][None]) + 0.5 * (scores[cases][:, None] == scores[controls][None])

    def statistic(weights):
        top = np.einsum("bi,bj,ijs->bs", weights[:, cases], weights[:, controls], won)
        return top / (weights[:, cases].sum(axis=1) * weights[:, controls].sum(axis=1))[:, None]

    return statistic


def test_a_hand_worked_case():
    """Means 1, 2, 3 of three trainings of six patients: the variance is that of the patients' means plus 1 / 3.

    The jackknife of a mean is its plain variance; freedom is Satterthwaite's with 5 and 2. To 1e-12.
    """
    own = np.array([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])
    values = own[:, None] + np.array([1.0, 2.0, 3.0])
    found = over_trainings(means(values), np.arange(6), LEVELS)
    of_patients, of_trainings = own.var(ddof=1) / 6, 1 / 3
    total = of_patients + of_trainings
    df = total**2 / (of_patients**2 / 5 + of_trainings**2 / 2)
    assert found.value == pytest.approx(2.0, abs=1e-12)
    low, high = found.bounds(0.025)
    assert high - 2 == pytest.approx(t.ppf(0.975, df) * np.sqrt(total), abs=1e-9)
    assert 2 - low == pytest.approx(high - 2, abs=1e-12)


def test_equal_trainings_leave_the_interval_of_the_patients():
    """Where all trainings give the same scores the bounds are those of one AUC, within 0.01 for 150 patients."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 2 == 1
    scores = labels + rng.normal(size=150)
    plain = auc(scores, labels, np.arange(150), LEVELS)
    found = over_trainings(area(np.stack([scores] * 5, axis=1), labels), np.arange(150), LEVELS, rarer=75)
    assert found.value == pytest.approx(plain.value, abs=1e-12)
    assert found.bounds(0.025) == pytest.approx(plain.bounds(0.025), abs=0.01)


def test_it_holds_for_other_patients_and_other_trainings():
    """Of 600 draws of 40 patients and 5 trainings the 95 % interval misses the true mean in 2 % to 8 %."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(600):
        values = rng.normal(size=(40, 1)) + rng.normal(0, 0.15, 5) + rng.normal(0, 0.3, (40, 5))
        low, high = over_trainings(means(values), np.arange(40), LEVELS).bounds(0.025)
        missed += not low <= 0 <= high
    assert 0.02 <= missed / 600 <= 0.08


def test_patients_in_groups_hold_as_well():
    """With more than 200 patients, left out in groups, the standard error of a mean is right within 15 %."""
    rng = np.random.default_rng(2)
    own = rng.normal(size=(900, 1))
    found = over_trainings(means(own + np.zeros(3)), np.repeat(np.arange(900), 1), LEVELS)
    low, high = found.bounds(0.025)
    assert (high - low) / 2 / 1.96 == pytest.approx(own.std(ddof=1) / 30, rel=0.15)


def test_cases_of_one_patient_are_not_patients():
    """Each case four times, as four cases of its patient, gives the same interval to 1e-9."""
    values = np.random.default_rng(3).normal(size=(30, 3))
    once = over_trainings(means(values), np.arange(30), LEVELS)
    four = over_trainings(means(np.repeat(values, 4, axis=0)), np.repeat(np.arange(30), 4), LEVELS)
    assert four.bounds(0.025) == pytest.approx(once.bounds(0.025), abs=1e-9)
    assert (four.n, four.n_patients) == (120, 30)


def test_a_flawless_ranking_is_not_certain():
    """An AUC of 1 in every training has the lower bound that all of the rarer class still reach: 0.025^(1/20)."""
    labels = np.arange(40) % 2 == 1
    scores = np.stack([labels + 0.0] * 5, axis=1)
    found = over_trainings(area(scores, labels), np.arange(40), LEVELS, rarer=20)
    assert found.value == 1.0
    assert found.bounds(0.025)[0] == pytest.approx(0.025 ** (1 / 20), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "more", "said"),
    [
        (np.zeros((4, 3)), {}, "4 patients"),
        (np.random.default_rng(0).normal(size=(20, 1)), {}, "one training"),
        (np.full((20, 3), np.nan), {}, "cannot be computed"),
        (np.ones((20, 3)), {}, "does not vary"),
        (np.random.default_rng(0).normal(size=(20, 3)), {"rarer": 4}, "of a class"),
    ],
)
def test_what_has_no_interval_has_no_number(values, more, said):
    """Too few patients or trainings, nothing to compute and nothing that varies are reasons, not numbers."""
    found = over_trainings(means(values), np.arange(len(values)), LEVELS, **more)
    assert found.value is None
    assert said in found.missing
