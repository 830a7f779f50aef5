"""Weighted Kaplan-Meier, weights against censoring, and concordance, against scikit-survival and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.stats import kaplan_meier
from audit.stats._survival import Concordance, FollowUp

sksurv = pytest.importorskip("sksurv", reason="the independent reference")


def cohort(n=400, seed=1):
    """Return a linear risk, times without ties and events."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    failure, censored = 500 * np.exp(-risk) * rng.weibull(1.3, n), rng.uniform(50, 1500, n)
    return risk, np.minimum(failure, censored), failure <= censored


def surv(time, event):
    """Return what scikit-survival takes."""
    return np.array(list(zip(event, time, strict=True)), dtype=[("event", bool), ("time", float)])


ONE = np.ones((1, 400))


def test_kaplan_meier_by_hand():
    """Times 1, 2+, 3, 3+, 4: 4/5, 4/5, 4/5 x 2/3 and 0; of the time to censoring 1, 3/4, 3/8 and 3/8."""
    time, event = np.array([1.0, 2, 3, 3, 4]), np.array([True, False, True, False, True])
    times, free = kaplan_meier(time, event, np.ones((1, 5)))
    assert times.tolist() == [1, 2, 3, 4]
    assert free[0] == pytest.approx([0.8, 0.8, 0.8 * 2 / 3, 0])
    _, followed = kaplan_meier(time, event, np.ones((1, 5)), reverse=True)
    assert followed[0] == pytest.approx([1, 0.75, 0.375, 0.375])


@pytest.mark.parametrize("reverse", [False, True])
def test_kaplan_meier_agrees_with_scikit_survival(reverse):
    """With ties of time, to 1e-12."""
    from sksurv.nonparametric import kaplan_meier_estimator

    _, time, event = cohort()
    time = np.ceil(time / 30)
    times, free = kaplan_meier(time, event, ONE, reverse=reverse)
    theirs = kaplan_meier_estimator(event, time, reverse=reverse)
    assert times.tolist() == theirs[0].tolist()
    assert free[0] == pytest.approx(theirs[1], abs=1e-12)


def test_weights_are_repeated_rows():
    """Whole weights give what as many copies of each case give, to 1e-12, for every quantity."""
    risk, time, event = cohort()
    time, risk = np.ceil(time / 30), np.round(risk, 1)
    times = np.random.default_rng(2).integers(0, 4, 400)
    rows = np.repeat(np.arange(400), times)
    weights = times[None, :].astype(float)
    one, many = FollowUp(time, event, 12.0), FollowUp(time[rows], event[rows], 12.0)
    alone = np.ones((1, len(rows)))
    assert (weights / one.uncensored(weights))[0] @ one.failed == pytest.approx(
        (1 / many.uncensored(alone))[0] @ many.failed, rel=1e-12
    )
    assert one.shares(weights)[0] @ one.failed == pytest.approx(many.shares(alone)[0] @ many.failed, rel=1e-12)
    for corrected in (True, False):
        here = Concordance(risk, one).index(weights, corrected=corrected)
        there = Concordance(risk[rows], many).index(alone, corrected=corrected)
        assert here == pytest.approx(there, abs=1e-12)


def test_events_carry_one_minus_kaplan_meier():
    """The events' share of the weights is one minus Kaplan-Meier at the horizon, and all weight is kept; to 1e-12."""
    _, time, event = cohort()
    time = np.ceil(time / 30)
    weights = np.random.default_rng(3).integers(0, 3, (5, 400)).astype(float)
    follow_up = FollowUp(time, event, 12.0)
    shares = follow_up.shares(weights)
    times, free = kaplan_meier(time, event, weights)
    total = weights.sum(axis=1)
    assert shares @ follow_up.failed / total == pytest.approx(1 - free[:, np.searchsorted(times, 12.0)], abs=1e-12)
    assert shares.sum(axis=1) == pytest.approx(total, rel=1e-12)


def test_concordance_agrees_with_scikit_survival():
    """Harrell's index to 1e-12, with ties of time and risk; Uno's up to the horizon to 1e-12, without ties of time."""
    from sksurv.metrics import concordance_index_censored, concordance_index_ipcw

    risk, time, event = cohort()
    risk = np.round(risk, 1)
    ours = Concordance(risk, FollowUp(time, event, 365.0)).index(ONE, corrected=True)
    theirs = concordance_index_ipcw(surv(time, event), surv(time, event), risk, tau=365.0)[0]
    assert ours[0] == pytest.approx(theirs, abs=1e-12)
    time = np.ceil(time / 30)
    ours = Concordance(risk, FollowUp(time, event, np.inf)).index(ONE, corrected=False)
    assert ours[0] == pytest.approx(concordance_index_censored(event, time, risk)[0], abs=1e-12)


def test_censorings_come_after_events_of_the_same_day():
    """Days with events and censorings give what censorings a moment later give, of scikit-survival, to 1e-10."""
    from sksurv.metrics import brier_score, concordance_index_ipcw, cumulative_dynamic_auc

    from audit.stats._kernel import Ranking

    risk, time, event = cohort()
    time = np.ceil(time / 30)
    chance = 1 / (1 + np.exp(-risk))
    follow_up = FollowUp(time, event, 12.0)
    later = surv(time + 1e-6 * ~event, event)
    shares = follow_up.shares(ONE)
    area = Ranking(risk, np.flatnonzero(follow_up.failed), np.flatnonzero(follow_up.free)).area(shares)
    assert area[0] == pytest.approx(cumulative_dynamic_auc(later, later, risk, [12.0])[0][0], abs=1e-10)
    assert shares @ (chance - follow_up.failed) ** 2 / 400 == pytest.approx(
        brier_score(later, later, 1 - chance, [12.0])[1], abs=1e-10
    )
    ours = Concordance(risk, follow_up).index(ONE, corrected=True)
    theirs = concordance_index_ipcw(later, later, risk, tau=12.0 + 1e-9)[0]
    assert ours[0] == pytest.approx(theirs, abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2))
def test_concordance_is_the_sum_over_pairs(rows):
    """Whatever the ties, every pair counted by hand gives the same, to 1e-12."""
    time, event, risk, weight = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    event = event.astype(bool)
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                pairs += weight[i] * weight[j]
                right += weight[i] * weight[j] * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    found = Concordance(risk, FollowUp(time, event, np.inf)).index(weight[None, :], corrected=False)[0]
    assert found == pytest.approx(right / pairs, abs=1e-12) if pairs else np.isnan(found)


def test_follow_up_that_ends_before_the_horizon_is_no_number():
    """Where the last case of weight is censored before the horizon, a resample is NaN and not a risk of someone."""
    time, event = np.array([1.0, 2, 3, 9]), np.array([True, False, True, False])
    follow_up = FollowUp(time, event, 9.0)
    shares = follow_up.shares(np.array([[1.0, 1, 1, 1], [1, 2, 0, 0], [1, 0, 1, 0]]))
    assert shares[0].tolist() == pytest.approx([1, 0, 1.5, 1.5])
    assert np.isnan(shares[1]).all()
    assert shares[2].tolist() == [1, 0, 1, 0]
