"""The critical severity and the worst of several, worked by hand and simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.core import Estimate, Levels
from audit.probes.shift._critical import CROSSED, NOT_CROSSED, critical, worst
from audit.stats import rate_difference

LEVELS = Levels()


def known(value: float, se: float) -> Estimate:
    """Return a normal estimate of 100 patients."""
    curve = tuple((a, value - stats.norm.isf(a) * se, value + stats.norm.isf(a) * se) for a in LEVELS.rungs)
    return Estimate(value=value, curve=curve, method="normal", n=100, n_patients=100)


def path(*changes: float, se: float = 0.01) -> list[tuple[float, Estimate]]:
    """Return severities 1, 2, 3 and so on with their changes."""
    return [(float(i + 1), known(c, se)) for i, c in enumerate(changes)]


def found(changes: list[tuple[float, Estimate]], *, higher: bool = True) -> Estimate:
    return critical(changes, 0.1, furthest=10.0, higher=higher, levels=LEVELS)


def test_by_hand() -> None:
    """Losses 0.02, 0.06, 0.16, 0.3 with SE 0.01: 0.1 is crossed at 2.4; surely not at 2, surely from 3 on."""
    e = found(path(-0.02, -0.06, -0.16, -0.3))
    assert e.value == pytest.approx(2.4, abs=1e-12)
    assert e.bounds(0.025) == (2.0, 3.0)
    assert e.method == CROSSED


def test_an_error_that_grows_is_a_loss() -> None:
    """The same with the sign of an absolute error."""
    assert found(path(0.02, 0.06, 0.16, 0.3), higher=False).value == pytest.approx(2.4, abs=1e-12)


def test_a_wide_interval_leaves_it_open() -> None:
    """With SE 0.05 the second loss may be 0.158, and only the fourth is above 0.1 for sure."""
    assert found(path(-0.02, -0.06, -0.16, -0.3, se=0.05)).bounds(0.025) == (0.0, 4.0)


def test_what_is_never_lost_has_the_largest_tried_as_lower_bound_and_no_end_but_the_simulators() -> None:
    """Value and lower bound are the last severity, the upper one is where the simulator ends."""
    e = found(path(-0.01, -0.02, 0.0))
    assert (e.value, e.bounds(0.025), e.method) == (3.0, (3.0, 10.0), NOT_CROSSED)


def test_a_loss_that_comes_back_is_not_sure_from_there_on() -> None:
    """Lost at 2, regained at 3: the lower bound is before it, the upper one beyond what was tried."""
    e = found(path(-0.01, -0.3, -0.01))
    assert e.value == pytest.approx(1 + 0.09 / 0.29)
    assert e.bounds(0.025) == (1.0, 10.0)


def test_one_missing_change_is_a_missing_severity() -> None:
    """The reason names the severity."""
    e = found([*path(-0.01), (2.0, Estimate.absent("no cases", method="m"))])
    assert e.value is None
    assert "severity 2: no cases" in (e.missing or "")


@pytest.mark.slow
def test_bounds_cover_the_truth() -> None:
    """1,000 cohorts of 150 with losses of 0, 0.02, 0.08, 0.15, 0.25: each side misses at most 2.5 % + 3 SE of that."""
    rng, truth = np.random.default_rng(0), (0.0, 0.02, 0.08, 0.15, 0.25)
    missed = np.zeros(2)
    for _ in range(1000):
        clean = rng.random(150) < 0.9
        dose = rng.random(150)
        # Losses of a case grow with the severity, as where one threshold is crossed by more and more of them.
        right = [clean & (dose >= loss / 0.9) for loss in truth]
        e = found([(float(i + 1), rate_difference(r, clean, np.arange(150), LEVELS)) for i, r in enumerate(right)])
        low, high = e.bounds(0.025) or (0.0, 0.0)
        # The first severity of those tried at which more than 0.1 is lost is the fourth.
        missed += [low >= 4, high < 4]
    assert (missed / 1000 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 1000)).all()


def test_bounds_cover_the_truth_in_few_cohorts() -> None:
    """100 cohorts of the same kind: neither side misses more than 8 times (2.5 % would with a chance of 0.1 %)."""
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(100):
        clean, dose = rng.random(150) < 0.9, rng.random(150)
        right = [clean & (dose >= loss / 0.9) for loss in (0.02, 0.08, 0.15)]
        e = found([(float(i + 1), rate_difference(r, clean, np.arange(150), LEVELS)) for i, r in enumerate(right)])
        low, high = e.bounds(0.025) or (0.0, 0.0)
        missed += [low >= 3, high < 3]
    assert (missed <= 8).all()


def test_the_worst_of_several_by_hand() -> None:
    """Of 0.8 and 0.7 the second: its lower bound at the level, its upper one at half of it or stricter."""
    one, two = known(0.8, 0.01), known(0.7, 0.02)
    index, e = worst([one, two], higher=True, least=0.0, most=1.0, levels=LEVELS)
    assert (index, e.value) == (1, 0.7)
    low, high = e.bounds(0.025) or (0.0, 0.0)
    assert low == pytest.approx(0.7 - 1.959964 * 0.02, abs=1e-6)
    # The next stricter rung below 0.0125 is 0.01.
    assert high == pytest.approx(0.7 + 2.326348 * 0.02, abs=1e-6)


def test_the_lower_bound_is_the_lowest_of_all() -> None:
    """A less certain acquisition with a better value decides the side on which a rule must hold."""
    _, e = worst([known(0.8, 0.1), known(0.75, 0.01)], higher=True, least=0.0, most=1.0, levels=LEVELS)
    assert e.value == 0.75
    assert (e.bounds(0.025) or (0.0,))[0] == pytest.approx(0.8 - 1.959964 * 0.1, abs=1e-6)


def test_of_errors_the_largest_is_worst() -> None:
    """Mirrored for a number of which less is better; beyond the strictest rung there is no bound but the possible."""
    index, e = worst([known(1.0, 0.1), known(2.0, 0.1)], higher=False, least=0.0, most=9.0, levels=LEVELS)
    assert index == 1
    assert (e.bounds(0.025) or (0, 0))[1] == pytest.approx(2.196, abs=1e-3)
    assert (e.bounds(1e-6) or (0, 0))[0] == 0.0


def test_one_missing_acquisition_is_a_missing_worst() -> None:
    """Nobody knows whether it is the worst."""
    _, e = worst(
        [known(0.8, 0.1), Estimate.absent("no cases", method="m")], higher=True, least=0, most=1, levels=LEVELS
    )
    assert e.value is None
    assert "acquisition 2 of 2" in (e.missing or "")
