"""Masks: overlap, distance, volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import f1_score

from audit.metrics import dice, hd95, relative_volume_error, surface_dice


def block(shape: tuple[int, ...], *corner_and_size: tuple[int, int]) -> np.ndarray:
    """Return a mask with one box, given start and length an axis."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in corner_and_size)] = True
    return mask


EMPTY, FULL = np.zeros((6, 6), bool), block((6, 6), (2, 3), (1, 4))


def test_dice_is_the_f1_score_of_voxels():
    """Dice equals scikit-learn's F1 over voxels, to 1e-12."""
    a, b = np.random.default_rng(1).random((2, 12, 12)) < 0.3
    assert dice(a, b) == pytest.approx(f1_score(b.ravel(), a.ravel()), abs=1e-12)
    assert dice(a.astype(np.uint8), b.astype(float)) == dice(a, b)


def test_the_rule_for_empty_masks():
    """Both empty: undefined, never 1. One empty: overlap 0, and no distance."""
    assert dice(EMPTY, EMPTY) is None
    assert surface_dice(EMPTY, EMPTY, (1, 1), 1) is None
    assert (dice(EMPTY, FULL), dice(FULL, EMPTY)) == (0.0, 0.0)
    assert (surface_dice(EMPTY, FULL, (1, 1), 1), surface_dice(FULL, EMPTY, (1, 1), 1)) == (0.0, 0.0)
    assert hd95(EMPTY, FULL, (1, 1)) is None
    assert hd95(FULL, EMPTY, (1, 1)) is None
    assert relative_volume_error(FULL, EMPTY) is None
    assert relative_volume_error(EMPTY, FULL) == -1.0


def test_volume_error_is_signed():
    """Half as many voxels: -.5; twice as many: 1."""
    small, large = block((6, 6), (0, 2), (0, 3)), block((6, 6), (0, 4), (0, 3))
    assert relative_volume_error(small, large) == -0.5
    assert relative_volume_error(large, small) == 1.0


def test_a_shift_is_measured_in_mm():
    """A line that is shifted by 3 voxels of 2 mm is 6 mm away; within 6 mm it agrees, within 5.9 mm nothing does."""
    a, b = block((9, 9), (1, 1), (2, 5)), block((9, 9), (4, 1), (2, 5))
    assert hd95(a, b, (2.0, 0.5)) == pytest.approx(6.0)
    assert surface_dice(a, b, (2.0, 0.5), 6.0) == 1.0
    assert surface_dice(a, b, (2.0, 0.5), 5.9) == 0.0


def test_anisotropic_volumes_agree_with_brute_force():
    """Distances in a volume of 1 x 1 x 5 mm voxels equal those over all pairs of surface voxels, to 1e-9."""
    spacing = np.array([1.0, 1.0, 5.0])
    a, b = block((14, 14, 6), (2, 6), (3, 5), (1, 3)), block((14, 14, 6), (4, 6), (3, 7), (2, 4))

    def surface(mask):
        padded = np.pad(mask, 1)
        inner = np.ones_like(mask)
        for axis in range(3):
            for step in (-1, 1):
                inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inner) * spacing

    pairs = cdist(surface(a), surface(b))
    from_a, from_b = pairs.min(axis=1), pairs.min(axis=0)
    expected = max(np.percentile(from_a, 95), np.percentile(from_b, 95))
    assert hd95(a, b, tuple(spacing)) == pytest.approx(expected, abs=1e-9)
    near = (from_a <= 2).sum() + (from_b <= 2).sum()
    assert surface_dice(a, b, tuple(spacing), 2.0) == pytest.approx(near / (from_a.size + from_b.size), abs=1e-12)


def test_a_far_voxel_does_not_decide():
    """One stray voxel among 100 does not reach the 95th percentile, which is what hd95 is for."""
    a = block((40, 40), (2, 20), (2, 20))
    b = a.copy()
    b[38, 38] = True
    assert hd95(b, a, (1, 1)) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: dice(FULL, FULL[:5]),
        lambda: hd95(FULL, FULL, (1.0,)),
        lambda: hd95(FULL, FULL, (1.0, 0.0)),
        lambda: surface_dice(FULL, FULL, (1.0, 1.0), -1.0),
    ],
)
def test_masks_that_do_not_fit_are_errors(call):
    """Other shapes, spacings that are absent or 0, and negative tolerances are errors."""
    with pytest.raises(ValueError, match="expected"):
        call()
