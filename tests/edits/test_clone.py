"""What texture is measured with, and what lies near a mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from audit.edits import Grid, Shape
from audit.edits._clone import quantile, quantiles
from audit.probes.confounding._evidence import _level


def test_a_quantile_is_that_of_numpy_to_the_bit():
    """Of one value and of many, with ties and without, at the share in use and at others."""
    rng = np.random.default_rng(0)
    for number in range(400):
        values = rng.normal(size=int(rng.integers(1, 300))) ** 2 * rng.choice([1e-6, 1.0, 1e5])
        if number % 3 == 0:
            values = np.round(values)
        share = 0.97 if number % 2 else float(rng.random())
        assert quantile(values, share) == float(np.quantile(values, share))
    assert quantile(np.array([3.0]), 0.97) == 3.0


def test_quantiles_are_those_of_numpy_to_the_bit():
    """Many shares of one array, the ends among them, with ties and without, of one value and of many."""
    rng = np.random.default_rng(1)
    shares = (0.0, 0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.995, 1.0)
    for number in range(200):
        values = rng.normal(size=int(rng.integers(1, 300))) ** 3 * rng.choice([1e-6, 1.0, 1e5])
        values = np.round(values) if number % 3 == 0 else values
        assert quantiles(values, shares).tolist() == np.quantile(values, shares).tolist()
        assert quantiles(values, (0.01, 0.99)).tolist() == np.percentile(values, (1, 99)).tolist()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 2.5), (3.0, 0.3, 1.0)])
def test_what_lies_near_a_mask_is_looked_for_near_it_only(spacing):
    """The part of the image that is looked at is large enough: the result is that of the whole image, at its edges."""
    rng, grid = np.random.default_rng(2), Grid(spacing=spacing, unit="mm")
    for number in range(40):
        mask = rng.random((17, 13, 9)[: len(spacing)]) < (0.02 if number % 2 else 0.2)
        mask[(0,) * mask.ndim] |= number % 5 == 0
        mask[(-1,) * mask.ndim] |= number % 4 == 0
        for radius in (0.0, 0.2, 1.0, 2.0, 3.3, 40.0):
            found = mask.copy()
            if mask.any() and radius > 0:
                found = (distance_transform_edt(~mask, sampling=spacing) <= radius + 1e-9) | binary_dilation(mask)
            assert np.array_equal(grid.dilated(mask, radius), found)


def test_level_and_spread_around_a_shape_are_mean_and_deviation_to_the_bit():
    """Of one channel and of three, of a few pixels and of many; 0 where nothing is clear."""
    rng = np.random.default_rng(3)
    for number in range(60):
        image = rng.normal(300, 20, (3 if number % 3 == 0 else 1, 20, 20)).astype(np.float32)
        shape, clear = Shape(region=rng.random((9, 9)) < 0.3, start=(4, 5)), rng.random((20, 20)) < 0.9
        values = image[:, 4:13, 5:14][:, ~shape.region & clear[4:13, 5:14]]
        assert _level(image, shape, (4, 5), clear) == (float(values.mean()), float(values.std()))
    assert _level(image, shape, (4, 5), np.zeros_like(clear)) == (0.0, 0.0)
