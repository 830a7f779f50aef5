"""Equivalence and non-inferiority from a curve."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Estimate, Levels
from audit.stats import equivalence, mean, non_inferiority, p_above, p_below

LEVELS = Levels()


def difference(n: int = 100, centre: float = 0.0):
    """Return a mean difference with standard error 0.1 exactly, for n = 100."""
    x = np.linspace(-1, 1, n)
    return mean(centre + x / x.std(ddof=1), np.arange(n), LEVELS)


def test_the_p_value_is_the_strictest_rung_that_holds():
    """A value of 0 with standard error 0.1: -0.3 is 3 errors away (p .0017), so the rungs hold down to .0025."""
    found = difference()
    assert found.bounds(0.025)[0] == pytest.approx(-0.1984, abs=1e-4)
    assert p_above(found, -0.3) == 0.0025
    assert p_below(found, 0.3) == 0.0025
    assert p_above(found, 0.1) == 1.0


def test_non_inferiority_is_the_lower_bound_against_the_margin():
    """A margin of 0.2 is shown at .025, one of 0.19 is not."""
    assert non_inferiority(difference(), 0.2, 0.025).holds
    shown = non_inferiority(difference(), 0.19, 0.025)
    assert (shown.holds, shown.p) == (False, 0.05)


def test_equivalence_needs_both_sides():
    """Centred at 0.1 it lies within -0.3 to 0.3 on one side only; the p-value is that of the worse side."""
    found = difference(centre=0.1)
    assert not equivalence(found, -0.3, 0.28, 0.025).holds
    assert equivalence(found, -0.3, 0.3, 0.025).holds
    assert equivalence(found, -0.3, 0.3, 0.025).p == 0.025
    assert equivalence(difference(), -0.3, 0.3, 0.025).p == 0.0025


def test_no_value_shows_nothing():
    """A missing value keeps its reason and is neither shown nor refuted; a level below all rungs has no answer."""
    shown = equivalence(Estimate.absent("no cases", method="t"), -1, 1, 0.025)
    assert (shown.holds, shown.p, shown.missing) == (None, None, "no cases")
    assert non_inferiority(difference(), 5.0, 1e-9).holds is None


def test_margins_that_make_no_sense_are_errors():
    """Margins must be positive or in order, levels below one half."""
    with pytest.raises(ValueError, match="margin"):
        non_inferiority(difference(), -0.1, 0.025)
    with pytest.raises(ValueError, match="low < high"):
        equivalence(difference(), 0.1, 0.1, 0.025)
    with pytest.raises(ValueError, match="level"):
        equivalence(difference(), -0.1, 0.1, 0.5)
