"""What texture is measured with, and what lies near a mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from audit.edits import (
    Grid,
    Insertion,
    Shape,
    Texture,
    _places,
    in_turn,
    inserted,
    levels_around,
    median,
    parts_of,
    shape_of,
    shapes_of,
    spots_of,
    texture_of,
    tissue,
)
from audit.edits._clone import LEVELS, Covariances, quantile, quantiles

GRID = Grid(spacing=(1.0, 1.0), unit="mm")


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


def test_a_median_is_that_of_numpy_to_the_bit():
    """Of odd and even numbers of values, with ties and without."""
    rng = np.random.default_rng(6)
    for number in range(400):
        values = rng.normal(size=1 + number) ** 3 * rng.choice([1e-6, 1.0, 1e5])
        values = np.round(values) if number % 3 == 0 else values
        assert median(values) == float(np.median(values))


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


@pytest.mark.parametrize("together", [100, 2**20])
def test_levels_and_spreads_around_a_shape_are_means_and_deviations_to_the_bit(monkeypatch, together):
    """Of one channel and of three, few places at once or all, few clear pixels or many; 0 where none is clear."""
    monkeypatch.setattr(_places, "_TOGETHER", together)
    rng = np.random.default_rng(3)
    for number in range(20):
        image = rng.normal(300, 20, (3 if number % 3 == 0 else 1, 20, 20)).astype(np.float32)
        shape, clear = Shape(region=rng.random((9, 9)) < 0.3, start=(4, 5)), rng.random((20, 20)) < 0.9
        if number % 2:
            clear[:, :10] = True
        places = np.array([[4, 5], [0, 0], [11, 11], [4, 0], [3, 1]])
        for place, (mean, spread) in zip(places, levels_around(image, shape, places, clear), strict=True):
            box = tuple(slice(p, p + 9) for p in place)
            values = image[(slice(None), *box)][:, ~shape.region & clear[box]]
            assert (mean, spread) == (values.mean(), values.std())
    assert not levels_around(image, shape, places, np.zeros_like(clear)).any()
    assert levels_around(image, shape, places[:0], clear).shape == (0, 2)


@pytest.mark.parametrize("sides", [(6, 9), (4, 5, 3)])
def test_covariances_are_those_of_every_pair(sides):
    """Noise aside, the level and a share of the detail that falls with the distance in mm, of many pairs and of few."""
    spacing = (2.0, 0.5, 1.5)[: len(sides)]
    texture = Texture(noise=3.0, detail=5.0, reach=2.0, spacing=spacing)
    every = np.nonzero(np.ones(sides, bool))
    few = tuple(line[[3, 7]] for line in every)
    for a, b in ((every, every), (few, every), (few, few)):
        here, there = (np.array(some).T * spacing for some in (a, b))
        apart = np.linalg.norm(here[:, None] - there, axis=2)
        wanted = LEVELS * 8.0 + 5.0 * np.exp(-apart / 2.0)
        assert Covariances(texture, sides)(a, b) == pytest.approx(wanted, rel=1e-12)


def test_shapes_are_those_of_the_parts_of_a_mask():
    """In the order of the parts, with a margin that ends at the edge; a part in the box of another is not of it."""
    mask = np.random.default_rng(4).random((40, 30)) < 0.1
    parts, shapes = parts_of(mask), shapes_of(mask)
    assert len(parts) == len(shapes) > 20
    for part, shape in zip(parts, shapes, strict=True):
        assert shape.start == shape_of(part).start
        assert np.array_equal(shape.region, part[shape.box])
        assert shape.region.sum() == part.sum()
    assert shapes_of(np.zeros((4, 4), bool)) == []


def test_spots_put_in_one_after_the_other_are_those_put_in_at_once():
    """To the bit, with and without contrast, where the second lies beside the first."""
    rng = np.random.default_rng(5)
    image = rng.normal(300, 20, (1, 30, 30)).astype(np.float32)
    mask = np.zeros((30, 30), bool)
    mask[10:13, 10:13] = True
    clear = np.ones_like(mask)
    (spot,) = spots_of(image + 80 * mask, mask, ~clear, clear, 0, rng, grid=GRID, edge=1.0)
    drawn = [Insertion(spot=spot, place=place) for place in ((2, 2), (2, 7), (15, 14))]
    texture = texture_of(image, tissue(image), GRID.spacing)
    for sham in (False, True):
        for k, after in enumerate(in_turn(image, drawn, texture=texture, span=(0.0, 4095.0), sham=sham), start=1):
            assert np.array_equal(after, inserted(image, drawn[:k], grid=GRID, span=(0.0, 4095.0), sham=sham))
        assert k == 3
