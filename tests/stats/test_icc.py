"""Intraclass correlations against pingouin, and their errors by simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from audit.core import Levels
from audit.metrics import icc as icc_value
from audit.stats import icc
from audit.stats._icc import _agreement_bounds, mean_squares

LEVELS = Levels()
NAMES = {"1,1": "ICC(1,1)", "2,1": "ICC(A,1)", "3,1": "ICC(C,1)"}


def ratings(n: int = 30, raters: int = 3, *, shift: float = 0.4, seed: int = 0):
    """Return ratings with patients 1 SD apart, raters `shift` apart and an error of 0.6."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) + shift * rng.normal(size=raters) + 0.6 * rng.normal(size=(n, raters))


def pingouin(x: np.ndarray, form: str):
    """Return value, low and high of pingouin, which prints its interval at two decimals."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pingouin import intraclass_corr

        n, k = x.shape
        table = pd.DataFrame({"case": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n), "y": x.ravel()})
        found = intraclass_corr(data=table, targets="case", raters="rater", ratings="y").set_index("Type")
    row = found.loc[NAMES[form]] if NAMES[form] in found.index else found.loc["ICC" + form[0]]
    interval = row[next(c for c in found.columns if c.startswith("CI"))]
    return float(row["ICC"]), float(interval[0]), float(interval[1])


@pytest.mark.parametrize("form", ["1,1", "3,1"])
@pytest.mark.parametrize("shift", [0.0, 0.4, 2.0])
def test_value_and_bounds_are_those_of_pingouin(form: str, shift: float):
    """The value agrees to 1e-9, the exact F bounds to the two decimals that pingouin prints."""
    x = ratings(shift=shift)
    value, low, high = pingouin(x, form)
    found = icc(x, np.arange(30), LEVELS, form=form)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.bounds(0.025) == pytest.approx((low, high), abs=0.00501)


@pytest.mark.parametrize("shift", [0.0, 0.4, 2.0])
def test_absolute_agreement_is_that_of_pingouin_and_more_cautious_below(shift: float):
    """Satterthwaite's bounds agree with pingouin to two decimals; the lower one that is given is not above them."""
    x = ratings(shift=shift)
    value, low, high = pingouin(x, "2,1")
    found = icc(x, np.arange(30), LEVELS, form="2,1")
    assert found.value == pytest.approx(value, abs=1e-9)
    plain = _agreement_bounds(value, mean_squares(x, "2,1"), 30, 3, np.array([0.025]))
    assert (plain[0][0], plain[1][0]) == pytest.approx((low, high), abs=0.00501)
    assert found.bounds(0.025)[1] == pytest.approx(high, abs=0.00501)
    assert found.bounds(0.025)[0] <= low + 0.00501


def test_the_generalised_lower_bound_is_that_of_draws():
    """It is the 2.5 % quantile of the fiducial distribution of the three variances, by 400,000 draws to 0.004."""
    x = ratings(raters=2, shift=0.8, seed=4)
    rng, n, k = np.random.default_rng(1), 30, 2
    between, raters, error = mean_squares(x, "2,1")
    draws = [df * ms / rng.chisquare(df, 400_000) for df, ms in ((n - 1, between), (k - 1, raters), ((n - 1), error))]
    cases, among = np.maximum(draws[0] - draws[2], 0) / k, np.maximum(draws[1] - draws[2], 0) / n
    wanted = np.quantile(cases / (cases + among + draws[2]), 0.025)
    assert icc(x, np.arange(n), LEVELS, form="2,1").bounds(0.025)[0] == pytest.approx(wanted, abs=0.004)


@pytest.mark.parametrize("form", ["2,1", "3,1"])
def test_the_value_is_that_of_the_metric(form: str):
    """The estimate's value equals `audit.metrics.icc` to 1e-12."""
    x = ratings(seed=3)
    assert icc(x, np.arange(30), LEVELS, form=form).value == pytest.approx(icc_value(x, form=form), abs=1e-12)


def test_the_curve_has_every_rung_and_widens():
    """All levels are there; far rungs are wider and finite."""
    found = icc(ratings(), np.arange(30), LEVELS, form="2,1")
    rows = np.array(found.curve)
    assert rows[:, 0].tolist() == list(LEVELS.rungs)
    assert (np.diff(rows[:, 1]) < 0).all()
    assert (np.diff(rows[:, 2]) > 0).all()


def test_a_large_offset_loses_no_digits():
    """Adding 1e7 to all ratings changes value and bounds by less than 1e-6."""
    near, far = ratings(), ratings() + 1e7
    one, two = (icc(x, np.arange(30), LEVELS, form="2,1") for x in (near, far))
    assert (one.value, *one.bounds(0.025)) == pytest.approx((two.value, *two.bounds(0.025)), abs=1e-6)


def test_repeated_cases_count_once():
    """Every case copied four times keeps about the interval of the cases, and says how it was made."""
    x, who = ratings(), np.arange(30)
    once = icc(x, who, LEVELS, form="3,1")
    copies = icc(np.repeat(x, 4, axis=0), np.repeat(who, 4), LEVELS, form="3,1")
    assert copies.n_patients == 30
    assert copies.bounds(0.025) == pytest.approx(once.bounds(0.025), abs=0.03)
    assert "a patient counts as one case" in copies.method


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((0, 2)), "no cases"),
        (ratings(4), "4 patients"),
        (np.repeat(np.arange(9.0)[:, None], 2, axis=1), "ratings of a case do not differ"),
        (np.tile([1.0, 2.0], (9, 1)) + 0.0, "do not differ"),
    ],
)
def test_no_number_has_its_reason(x: np.ndarray, reason: str):
    """Too few patients, and ratings or cases that do not differ, carry no interval."""
    found = icc(x, np.arange(len(x)), LEVELS, form="2,1")
    assert found.value is None
    assert reason in found.missing


def test_wrong_shapes_and_forms_are_errors():
    """One rater, a hole and an unknown form are errors."""
    with pytest.raises(ValueError, match="raters >= 2"):
        icc(np.zeros((9, 1)), np.arange(9), LEVELS, form="2,1")
    with pytest.raises(ValueError, match="finite"):
        icc(np.full((9, 2), np.nan), np.arange(9), LEVELS, form="2,1")
    with pytest.raises(ValueError, match="form"):
        icc(ratings(), np.arange(30), LEVELS, form="1,k")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "n", "raters", "shift"),
    [("3,1", 30, 2, 0.4), ("1,1", 30, 3, 0.0), ("2,1", 60, 2, 0.4), ("2,1", 30, 4, 0.4)],
)
def test_lower_bounds_hold_their_level(form: str, n: int, raters: int, shift: float):
    """The lower bound is above the truth in at most 3.5 % of 500 samples."""
    rng, missed = np.random.default_rng(5), 0
    truth = 1 / (1 + 0.36 + (shift**2 if form == "2,1" else 0))
    for _ in range(500):
        x = rng.normal(size=(n, 1)) + shift * rng.normal(size=raters) + 0.6 * rng.normal(size=(n, raters))
        missed += icc(x, np.arange(n), LEVELS, form=form).bounds(0.025)[0] > truth
    assert missed / 500 <= 0.035
