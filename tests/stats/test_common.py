"""What all estimators share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from audit.core import Levels
from audit.stats._common import Patients, alphas, estimate, t_quantile, too_few

LEVELS = Levels()


def test_bounds_that_are_not_finite_make_no_number():
    """An infinite bound is missing with the reason, never written."""
    wide = np.full(len(LEVELS.rungs), np.inf)
    found = estimate(0.5, (-wide, wide), LEVELS, method="t", n=9, n_patients=9)
    assert found.value is None
    assert "not finite" in found.missing


def test_a_curve_is_made_to_widen_and_to_hold_its_value():
    """Bounds that narrow by rounding, or leave the value out, are opened."""
    ragged = np.where(np.arange(len(LEVELS.rungs)) % 2, 0.6, 0.4)
    found = estimate(0.5, (ragged, ragged + 0.05), LEVELS, method="t", n=9, n_patients=9)
    rows = np.array(found.curve)
    assert rows[:, 1].max() == 0.4
    assert rows[0, 2] == 0.5
    assert (np.diff(rows[:, 2]) >= 0).all()


def test_the_t_quantile_agrees_with_scipy_far_out():
    """Quantiles agree with scipy to 1e-9 relative, down to 1e-6."""
    np.testing.assert_allclose(t_quantile(alphas(LEVELS), 7), student.isf(alphas(LEVELS), 7), rtol=1e-9)


def test_patient_codes_may_have_holes():
    """Sums and sizes are by patient in the order of the codes, whatever the codes are."""
    found = Patients.of(np.array([70, -1, 70, 5]))
    assert found.ids.tolist() == [-1, 5, 70]
    assert found.sums(np.array([1, 2, 3, 4])).tolist() == [2, 4, 4]
    assert found.sizes.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("count", "reason"), [(5, None), (4, "4 patients with a positive case, fewer"), (1, "1 patient with")]
)
def test_five_patients_are_enough(count: int, reason: str | None):
    """Five patients carry an interval, four do not."""
    found = too_few(count, "with a positive case")
    assert found == reason if reason is None else reason in found
