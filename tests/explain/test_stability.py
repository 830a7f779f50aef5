"""How far a map moves with the noise of its image."""

from __future__ import annotations

import numpy as np
import pytest

from audit.explain import noisy, relative_change


def test_the_change_is_relative_to_the_map() -> None:
    """Worked by hand: (3, 4) to (3, 5) moves by 1/5, whatever the unit; a map of zeros has no change."""
    before = np.array([[3.0, 4.0], [3e-200, 4e-200], [0.0, 0.0]])
    after = np.array([[3.0, 5.0], [3e-200, 5e-200], [0.0, 1.0]])
    found = relative_change(before, after)
    assert found[:2] == pytest.approx([0.2, 0.2])
    assert np.isnan(found[2])
    assert relative_change(before, before)[:2].tolist() == [0.0, 0.0]


def test_independent_maps_move_by_the_root_of_two() -> None:
    """Normal maps that share nothing are 1.41 of their length apart, within 2 %."""
    rng = np.random.default_rng(0)
    found = relative_change(rng.normal(size=(20, 60, 60)), rng.normal(size=(20, 60, 60)))
    assert found.mean() == pytest.approx(np.sqrt(2), rel=0.02)


def test_noise_has_the_size_of_the_scanner_and_keeps_to_what_can_be_stored() -> None:
    """Standard deviation as asked for; whole steps; within the range, but for what left it before."""
    rng = np.random.default_rng(0)
    images = np.full((4, 1, 50, 50), 100.0, np.float32)
    changed = noisy(images, 5.0, rng, limits=(0.0, 4095.0), whole=True)
    assert (changed - images).std() == pytest.approx(5.0, rel=0.05)
    assert (changed == np.round(changed)).all()
    images[0], images[1] = 0.0, -20.0
    changed = noisy(images, 5.0, rng, limits=(0.0, 4095.0), whole=False)
    assert changed[0].min() == 0.0
    assert changed[1].min() >= -20.0
