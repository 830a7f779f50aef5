"""Levels of the curve."""

from __future__ import annotations

import pytest

from audit.core import LADDER, Levels


@pytest.mark.parametrize(("confidence", "pointwise"), [(0.95, 0.025), (0.9, 0.05), (0.99, 0.005), (0.97, 0.015)])
def test_the_pointwise_level_is_a_rung(confidence: float, pointwise: float):
    """The policy's own level is among the rungs, once, and the rungs fall."""
    levels = Levels(confidence=confidence)
    assert levels.pointwise == pointwise
    assert levels.rungs.count(pointwise) == 1
    assert list(levels.rungs) == sorted(levels.rungs, reverse=True)
    assert set(LADDER) <= set(levels.rungs)


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95.0, -0.1, float("nan")])
def test_a_confidence_outside_its_range_is_an_error(confidence: float):
    """95 instead of 0.95, or anything else outside (0.5, 1), is an error."""
    with pytest.raises(ValueError, match="confidence"):
        Levels(confidence=confidence)
