"""P61: patients who are imaged lying down are missed more often, and they are the older ones."""

from __future__ import annotations

import numpy as np
import pytest

from audit.probes.fairness import GapDecomposition
from audit.testing import attribute, saved_context, small_cohort

# Share of each age that is imaged with the portable device.
PORTABLE = {"young": 0.2, "old": 0.8}
ILL = 1000


def gaps(missed_for: str) -> tuple[float, float, float]:
    """Return the gap of the old on the whole, and the bounds of their gap within the view.

    Sensitivity is 0.6 in those who have `missed_for` ("portable" or "old") and 0.9 in all others; age and view go
    together as above.
    """
    age, view, hit = [], [], []
    for level, share in PORTABLE.items():
        for portable, n in ((True, round(ILL * share)), (False, round(ILL * (1 - share)))):
            fault = portable if missed_for == "portable" else level == "old"
            hits = round(n * (0.6 if fault else 0.9))
            age += [level] * n
            view += ["AP" if portable else "PA"] * n
            hit += [True] * hits + [False] * (n - hits)
    n = len(hit)
    # Each ill patient has a well one of the same age and view beside it, who is called rightly.
    score = np.concatenate([np.where(hit, 2.0, -2.0), np.full(n, -2.0)])
    given = [attribute("age", np.tile(age, 2), "protected"), attribute("view", np.tile(view, 2), "protocol")]
    ctx = saved_context(score, small_cohort(np.repeat([1, 0], n), attributes=given), output="logits")
    old = {m.metric: m for m in GapDecomposition().run(ctx) if m.subgroup == {"age": "old"}}
    within = old["gap_within_strata"]
    assert within.condition["stratum"] == "within view"
    return old["threshold_part"].value + old["ranking_part"].value, within.low, within.high


def test_a_gap_of_the_view_is_no_gap_of_age_within_the_view() -> None:
    """The old lose 0.66 - 0.84 = -0.18 on the whole and nothing within either view."""
    whole, low, high = gaps("portable")
    assert whole == pytest.approx(-0.18, abs=1e-12)
    assert -0.05 < low < 0 < high < 0.05


def test_a_gap_of_age_stays_within_the_view() -> None:
    """Where the old are missed whatever the view, the gap is -0.3 on the whole and within the views alike."""
    whole, low, high = gaps("old")
    assert whole == pytest.approx(-0.3, abs=1e-12)
    assert low < -0.3 < high < -0.2
