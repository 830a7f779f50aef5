"""How alike two maps are, against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from audit.explain import RANKS, STRUCTURES, Prepared, alike
from audit.explain._similarity import _ranks_on, centred_ranks

SHAPES = [(9, 12), (4, 9, 10)]


def pair(shape: tuple[int, ...], *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, *shape))
    two = one + rng.normal(size=(3, *shape))
    return (np.round(one), np.round(two)) if ties else (one, two)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ties", [False, True])
def test_ranks_correlate_as_scipy_says(shape: tuple[int, ...], ties: bool) -> None:
    """Signed and absolute rank correlations are those of scipy, many equal values among them."""
    one, two = pair(shape, ties=ties)
    found = alike(Prepared(one), Prepared(two))
    for name, change in zip(RANKS, (lambda v: v, np.abs), strict=True):
        expected = [spearmanr(change(a).ravel(), change(b).ravel()).statistic for a, b in zip(one, two, strict=True)]
        assert found[name] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("values", ["drawn", "tied", "zeros"])
def test_ranks_are_those_of_scipy(values: str) -> None:
    """Twice the ranks about their mean are whole and equal to scipy's, one zero like the other, on devices too."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 501)).astype(np.float32)
    x = {"drawn": x, "tied": np.round(x), "zeros": np.where(x > 1, x, np.copysign(0, x))}[values].astype(np.float32)
    expected = 2 * np.stack([rankdata(row) for row in x]) - (x.shape[1] + 1)
    assert np.array_equal(centred_ranks(x), expected)
    assert np.array_equal(_ranks_on(x, "cpu"), expected)


@pytest.mark.parametrize("plain", ["", "one", "two", "one and two"])
@pytest.mark.parametrize("shape", [(9, 12), (8, 9, 10)])
def test_structure_is_that_of_scikit_image(shape: tuple[int, ...], plain: str) -> None:
    """Structural similarity under both signs and both scalings is that of scikit-image with windows of 7.

    Also where one of the maps, or both, are never negative, so that both signs are the same.
    """
    metrics = pytest.importorskip("skimage.metrics")
    one, two = (np.abs(v) if name in plain else v for name, v in zip(("one", "two"), pair(shape), strict=True))
    found = alike(Prepared(one), Prepared(two))
    scales = {
        "by the largest value": lambda v: np.abs(v).max(), "by the second moment": lambda v: np.sqrt((v**2).mean()),
    }  # fmt: skip
    for name in STRUCTURES:
        sign, scale = name.split(", ")
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            x, y = (v / scales[scale](v) for v in (a, b))
            x, y = (np.abs(v) if sign == "absolute" else v for v in (x, y))
            span = max(x.max(), y.max()) - min(x.min(), y.min())
            assert found[name][i] == pytest.approx(metrics.structural_similarity(x, y, data_range=span), abs=1e-4)


def test_a_map_is_like_itself_whatever_its_scale() -> None:
    """Every measure is 1 for a map and a multiple of it, however small its values are."""
    one, _ = pair((9, 12))
    for values in alike(Prepared(one), Prepared(1e-60 * one)).values():
        assert values == pytest.approx(np.ones(3), abs=1e-5)


def test_a_flat_map_is_like_nothing() -> None:
    """A map of one value has no number, neither as the first nor as the second."""
    one, _ = pair((9, 12))
    two = one.copy()
    two[1] = 3.0
    for values in (*alike(Prepared(one), Prepared(two)).values(), *alike(Prepared(two), Prepared(one)).values()):
        assert np.isnan(values).tolist() == [False, True, False]


def test_maps_can_be_compared_across_cases() -> None:
    """Rows name the map that each one is compared with."""
    one, two = pair((9, 12))
    across = alike(Prepared(one), Prepared(two), np.array([2, 0, 1]))
    straight = alike(Prepared(one), Prepared(two[[2, 0, 1]]))
    for name, values in across.items():
        assert values == pytest.approx(straight[name], abs=1e-6)
