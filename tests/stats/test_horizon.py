"""Ranking, calibration and benefit of risks at a horizon."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import Followed, benefit_at_horizon, calibration_at_horizon, observed_risk, ranking_at_horizon
from audit.stats._horizon_slope import weighted_logistic

LEVELS = Levels()
HORIZON = 365.0


def followed(seed=1, n=500, scale=800.0, spread=0.8, shape=1.3, per_patient=1):
    """Return cases with their true risks by the horizon under Weibull failure and uniform censoring."""
    rng = np.random.default_rng(seed)
    linear = spread * rng.normal(size=n)
    failure, censored = scale * np.exp(-linear) * rng.weibull(shape, n), rng.uniform(100, 900, n)
    risk = 1 - np.exp(-((HORIZON / (scale * np.exp(-linear))) ** shape))
    cases = Followed(
        risk=risk, time=np.minimum(failure, censored), event=failure <= censored, patients=np.arange(n),
        horizon=HORIZON,
    )  # fmt: skip
    if per_patient == 1:
        return cases
    rows = np.repeat(np.arange(n), per_patient)
    return replace(cases.of(rows), patients=rows)


def all_of(cases, resamples=400, threshold=0.4, seed=0):
    """Return every estimate."""
    rng = np.random.default_rng(seed)
    given = {"resamples": resamples}
    return {
        **ranking_at_horizon(cases, LEVELS, rng, **given), **calibration_at_horizon(cases, LEVELS, rng, **given),
        **benefit_at_horizon(cases, LEVELS, rng, threshold=threshold, **given),
        "observed_risk": observed_risk(cases, LEVELS, rng, **given),
    }  # fmt: skip


def test_values_agree_with_scikit_survival():
    """Uno's and Harrell's index, AUC and Brier score at the horizon and the observed risk, to 1e-10."""
    metrics = pytest.importorskip("sksurv.metrics", reason="the independent reference")
    from sksurv.nonparametric import kaplan_meier_estimator

    cases = followed()
    found = all_of(cases)
    y = np.array(list(zip(cases.event, cases.time, strict=True)), dtype=[("event", bool), ("time", float)])
    theirs = {
        "c_index": metrics.concordance_index_ipcw(y, y, cases.risk, tau=HORIZON)[0],
        "c_index_harrell": metrics.concordance_index_censored(cases.event, cases.time, cases.risk)[0],
        "auc_at_horizon": metrics.cumulative_dynamic_auc(y, y, cases.risk, [HORIZON])[0][0],
        "brier_at_horizon": metrics.brier_score(y, y, 1 - cases.risk, [HORIZON])[1][0],
    }
    times, free = kaplan_meier_estimator(cases.event, cases.time)
    theirs["observed_risk"] = 1 - free[times <= HORIZON][-1]
    for name, value in theirs.items():
        assert found[name].value == pytest.approx(value, abs=1e-10), name
    observed = theirs["observed_risk"]
    assert found["observed_minus_expected"].value == pytest.approx(observed - cases.risk.mean(), abs=1e-12)
    assert found["observed_expected_ratio"].value == pytest.approx(observed / cases.risk.mean(), abs=1e-12)


def test_slope_is_that_of_statsmodels():
    """A weighted logistic regression of statsmodels gives the same slope, to 1e-6."""
    import statsmodels.api as sm

    cases = followed()
    logit = np.log(cases.risk / (1 - cases.risk))
    weights = cases.follow_up.shares(np.ones((1, 500)))[0]
    known = cases.follow_up.known
    model = sm.GLM(
        cases.follow_up.failed[known].astype(float), sm.add_constant(logit[known]), family=sm.families.Binomial(),
        var_weights=weights[known],
    )  # fmt: skip
    assert all_of(cases)["slope_at_horizon"].value == pytest.approx(model.fit().params[1], abs=1e-6)


def test_slope_does_not_depend_on_where_it_starts():
    """Newton's method from afar ends where it ends from nearby, to 1e-7; separated outcomes have no slope."""
    cases = followed()
    logit, failed = np.log(cases.risk / (1 - cases.risk)), cases.follow_up.failed
    weights = np.random.default_rng(0).integers(0, 3, (4, 500)).astype(float)
    near, far = (weighted_logistic(weights, logit, failed, np.array(s)) for s in ([0.0, 1.0], [5.0, -4.0]))
    assert near == pytest.approx(far, abs=1e-7)
    apart = weighted_logistic(np.ones((1, 500)), logit, logit > 0.1, np.zeros(2))
    assert np.isnan(apart).all()


def test_net_benefit_by_hand():
    """Of 40 called half have the event, of 40 others 5: 20/80 - 20/80/3 = 1/6, and acting on all gives 1/8."""
    event = np.zeros(80, dtype=bool)
    event[[*range(20), *range(40, 45)]] = True
    risk = np.repeat([0.6, 0.1], 40)
    time = np.where(event, 100.0, 800.0)
    cases = Followed(risk=risk, time=time, event=event, patients=np.arange(80), horizon=HORIZON)
    found = all_of(cases, threshold=0.25)
    assert found["net_benefit"].value == pytest.approx(1 / 6)
    assert found["net_benefit_over_all"].value == pytest.approx(1 / 6 - (25 / 80 - 55 / 80 / 3))


def test_net_benefit_is_of_kaplan_meier_among_those_called():
    """One minus Kaplan-Meier among the called, times their share, less the odds times the rest; to 1e-12."""
    estimator = pytest.importorskip("sksurv.nonparametric", reason="the independent reference").kaplan_meier_estimator

    cases = followed()
    called = cases.risk >= 0.4
    times, free = estimator(cases.event[called], cases.time[called])
    risk, share = 1 - free[times <= HORIZON][-1], called.mean()
    by_hand = share * risk - share * (1 - risk) * 0.4 / 0.6
    assert all_of(cases)["net_benefit"].value == pytest.approx(by_hand, abs=1e-12)


def test_images_of_one_patient_count_once():
    """Four copies of every case give the same values to 1e-9, and the same intervals to 1e-9."""
    once, often = all_of(followed()), all_of(followed(per_patient=4))
    for name, estimate in once.items():
        assert often[name].n == 4 * estimate.n
        assert often[name].n_patients == estimate.n_patients
        assert often[name].value == pytest.approx(estimate.value, abs=1e-9), name
        assert often[name].bounds(0.025) == pytest.approx(estimate.bounds(0.025), abs=1e-7), name


def test_one_seed_one_answer():
    """Equal generators give equal curves."""
    assert all_of(followed()) == all_of(followed())


@pytest.mark.parametrize(
    "changed, reason",
    [
        ({"event": np.zeros(500, dtype=bool)}, "every case is censored"),
        ({"horizon": 0.001}, "no event was seen by the horizon"),
        ({"horizon": 5000.0}, "follow-up ends before the horizon"),
        ({"horizon": 890.0}, "followed to the horizon without an event"),
        ({"horizon": 15.0}, "with an event by the horizon"),
    ],
)
def test_what_follow_up_cannot_say_is_missing(changed, reason):
    """No event, none by the horizon, follow-up too short, too few on either side: a reason and never a number."""
    cases = replace(followed(), **changed)
    rng = np.random.default_rng(0)
    for found in (ranking_at_horizon(cases, LEVELS, rng, resamples=100), calibration_at_horizon(
        cases, LEVELS, rng, resamples=100
    )):  # fmt: skip
        for estimate in found.values():
            assert estimate.value is None
            assert reason in estimate.missing


def test_few_events_make_wide_bounds():
    """With eight events no bound on a C-index is better than that of eight patients ranked without fault."""
    cases = followed(n=100, scale=4000.0, spread=1.5, seed=3)
    assert int(cases.follow_up.failed.sum()) == 8
    found = all_of(cases)
    assert found["auc_at_horizon"].bounds(0.025)[0] <= 0.025 ** (1 / 8)
    ratio = found["observed_expected_ratio"]
    assert ratio.bounds(0.025)[1] / ratio.value > 1.8


@pytest.mark.parametrize("threshold, who", [(0.9999999, "no case"), (1e-9, "every case")])
def test_a_threshold_that_tells_nobody_apart_has_no_benefit(threshold, who):
    """A threshold above every risk, or below, is named."""
    cases = replace(followed(), risk=np.clip(followed().risk, 0.01, 0.99))
    found = benefit_at_horizon(cases, LEVELS, np.random.default_rng(0), resamples=100, threshold=threshold)
    assert all(who in e.missing for e in found.values())


def test_benefit_without_a_miss_is_not_sure_of_none():
    """Where none of 100 who are spared had the event, the bound allows for 1 - 0.025^(1/100) of them all the same."""
    event = np.zeros(200, dtype=bool)
    event[:20] = True
    time = np.where(event, 100.0, 800.0)
    cases = Followed(
        risk=np.repeat([0.3, 0.05], 100), time=time, event=event, patients=np.arange(200), horizon=HORIZON
    )  # fmt: skip
    found = all_of(cases, threshold=0.1)["net_benefit_over_all"]
    assert found.value == pytest.approx(0.5 / 9)
    assert found.bounds(0.025)[0] < 0.5 / 9 - (1 - 0.025 ** (1 / 180))


def test_no_events_still_have_an_upper_bound():
    """None of 30 followed to the horizon: the observed risk is 0 and its upper bound that of 30 patients."""
    cases = Followed(
        risk=np.full(30, 0.1), time=np.full(30, 400.0), event=np.zeros(30, dtype=bool), patients=np.arange(30),
        horizon=HORIZON,
    )  # fmt: skip
    found = observed_risk(cases, LEVELS, np.random.default_rng(0), resamples=100)
    assert found.value == 0
    assert found.bounds(0.025) == pytest.approx((0, 1 - 0.025 ** (1 / 30)))


@pytest.mark.parametrize(
    "changed", [{"horizon": 0.0}, {"time": np.full(500, -1.0)}, {"risk": np.full(500, np.nan)}, {"time": np.ones(3)}]
)
def test_wrong_cases_are_errors(changed):
    """Horizons of 0, negative times, risks that are no number, and arrays that do not fit."""
    with pytest.raises(ValueError, match="expected"):
        replace(followed(), **changed)


def test_wrong_risks_are_errors():
    """Calibration asks for probabilities, benefit for a threshold inside (0, 1), all for 100 resamples."""
    cases, rng = followed(), np.random.default_rng(0)
    with pytest.raises(ValueError, match="probabilities"):
        calibration_at_horizon(replace(cases, risk=cases.risk * 2), LEVELS, rng, resamples=100)
    with pytest.raises(ValueError, match="threshold"):
        benefit_at_horizon(cases, LEVELS, rng, resamples=100, threshold=1.0)
    with pytest.raises(ValueError, match="resamples"):
        ranking_at_horizon(cases, LEVELS, rng, resamples=50)


@pytest.mark.slow
@pytest.mark.parametrize("n, scale", [(300, 800.0), (150, 3500.0)], ids=["97 events", "11 events"])
def test_intervals_hold_the_truth(n, scale):
    """In 300 cohorts each tail misses in at most 5 % (nominal 2.5 %, three standard errors of 300 are 2.7 %)."""
    big = followed(seed=99, n=200_000, scale=scale)
    whole = np.ones((1, 200_000))
    failed, shares = big.follow_up.failed, big.follow_up.shares(whole)
    truth = {
        "slope_at_horizon": 1.0, "observed_minus_expected": 0.0, "observed_expected_ratio": 1.0,
        "brier_at_horizon": float(np.mean(big.risk * (1 - big.risk))), "observed_risk": float(big.risk.mean()),
    }  # fmt: skip
    from audit.stats._kernel import Ranking
    from audit.stats._survival import Concordance

    truth["auc_at_horizon"] = Ranking(big.risk, np.flatnonzero(failed), np.flatnonzero(big.follow_up.free)).area(
        shares
    )[0]
    truth["c_index"] = Concordance(big.risk, big.follow_up).index(whole, corrected=True)[0]
    threshold = truth["observed_risk"]
    gains = np.where(big.risk >= threshold, big.risk - threshold / (1 - threshold) * (1 - big.risk), 0)
    everybody = threshold - threshold / (1 - threshold) * (1 - threshold)
    truth |= {"net_benefit": float(gains.mean()), "net_benefit_over_all": float(gains.mean()) - everybody}
    over, under = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for seed in range(300):
        found = all_of(followed(seed=1000 + seed, n=n, scale=scale), resamples=400, threshold=threshold)
        for name, value in truth.items():
            bounds = found[name].bounds(0.025)
            if bounds is not None:
                over[name] += bounds[0] > value
                under[name] += bounds[1] < value
    assert max(over.values()) <= 15, over
    assert max(under.values()) <= 15, under
