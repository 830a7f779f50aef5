"""Curves, controls and the advantage over the best of them, against hand-worked cases."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from audit.core import Levels
from audit.explain import (
    CONTROLS,
    advantage,
    area,
    blurred,
    control_maps,
    curves,
    explained_by,
    flat,
    fractions,
    ranks,
)
from audit.explain._fills import Still
from audit.stats import paired_difference
from audit.testing import planted

LEVELS = Levels()


def test_the_curves_of_a_sum_are_worked_by_hand() -> None:
    """Of four pixels 4, 3, 2, 1 replaced by 0 in that order 10, 6, 3, 1, 0 are left; the reverse is put back."""
    images = np.array([[[[4.0, 1.0], [2.0, 3.0]]]], dtype=np.float32)
    places = ranks(images[:, 0].astype(float), np.random.default_rng(0))
    assert places.tolist() == [[[0, 3], [2, 1]]]
    shares = np.array([0, 0.25, 0.5, 0.75, 1.0])

    def ask(x: np.ndarray) -> np.ndarray:
        return x.sum(axis=(1, 2, 3)).astype(float)

    ends = (ask(images), ask(np.zeros_like(images)))
    black = Still(images=images, instead=np.zeros_like(images))
    deletion = curves(ask, black, places, shares, insertion=False, ends=ends)
    insertion = curves(ask, black, places, shares, insertion=True, ends=ends)
    assert deletion.tolist() == [[10, 6, 3, 1, 0]]
    assert insertion.tolist() == [[0, 4, 7, 9, 10]]
    assert area(deletion, shares) == pytest.approx([(10 / 2 + 6 + 3 + 1) / 4])
    assert area(insertion, shares) == pytest.approx([(4 + 7 + 9 + 10 / 2) / 4])


@pytest.mark.parametrize("insertion", [False, True])
def test_steps_asked_about_together_have_the_scores_of_each_alone(insertion: bool) -> None:
    """Of 3 cases and 25 steps, 21 are asked about at once, then the last four; each case keeps its own class."""
    rng = np.random.default_rng(0)
    images, classes = rng.normal(size=(3, 1, 6, 6)).astype(np.float32), rng.normal(size=(36, 4))
    card = replace(planted().card, task="multiclass", output="logits", classes=tuple("abcd"))
    own = explained_by(images.reshape(3, -1) @ classes, card)
    assert np.unique(own.index).size > 1
    asked: list[int] = []

    def ask(changed: np.ndarray) -> np.ndarray:
        asked.append(len(changed))
        return own.score(changed.reshape(len(changed), -1) @ classes)

    fill, ends = Still(images=images, instead=np.zeros_like(images)), (ask(images), ask(np.zeros_like(images)))
    places, shares = ranks(rng.normal(size=(3, 6, 6)), rng), np.linspace(0, 1, 27)
    asked.clear()
    both = [curves(ask, fill, places, shares, insertion=insertion, ends=ends, together=k) for k in (None, 1)]
    assert asked == [63, 12, *[3] * 25]
    assert both[0] == pytest.approx(both[1], abs=1e-12)


def test_gradient_times_input_is_the_best_order_of_a_linear_model() -> None:
    """Closed form: of all 720 orders of six pixels w x, largest first, has the least deletion and most insertion area.

    Under a fill of 0 the areas are sums over pixels of w x times the share of steps that the pixel is there.
    """
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=6), rng.normal(size=(1, 1, 1, 6)).astype(np.float32)
    shares, parts = np.linspace(0, 1, 7), w * x.ravel()

    def ask(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ w

    fill, ends = Still(images=x, instead=np.zeros_like(x)), (ask(x), ask(np.zeros_like(x)))

    def areas(places: np.ndarray) -> list[float]:
        order = places.reshape(1, 1, 6)
        return [float(area(curves(ask, fill, order, shares, insertion=i, ends=ends), shares)[0]) for i in (False, True)]

    every = np.array([areas(np.array(p)) for p in permutations(range(6))])
    deletion, insertion = areas(ranks(parts.reshape(1, 1, 6), rng)[0, 0])
    assert deletion == pytest.approx(every[:, 0].min(), abs=1e-9)
    assert insertion == pytest.approx(every[:, 1].max(), abs=1e-9)
    falling = np.sort(parts)[::-1]
    assert deletion == pytest.approx((falling * (np.arange(6) + 0.5) / 6).sum(), abs=1e-6)
    assert insertion == pytest.approx((falling * (5.5 - np.arange(6)) / 6).sum(), abs=1e-6)


def test_the_area_is_that_of_numpy() -> None:
    """Trapezoids over uneven shares, as numpy has them."""
    shares, curve = fractions(16), np.random.default_rng(0).random((5, 17))
    assert area(curve, shares) == pytest.approx(np.trapezoid(curve, shares, axis=1), abs=1e-12)


def test_shares_run_from_nothing_to_all_and_start_small() -> None:
    """The first share of 16 is 0.4 %: a lesion of a few pixels is seen."""
    shares = fractions(16)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares[1] == pytest.approx(1 / 256)
    assert (np.diff(shares) > 0).all()


def test_ties_are_broken_by_chance() -> None:
    """A flat map is a random order, and not the order of the pixels."""
    places = ranks(np.zeros((2, 8, 8)), np.random.default_rng(0))
    assert sorted(places[0].ravel()) == list(range(64))
    assert abs(np.corrcoef(places[0].ravel(), np.arange(64))[0, 1]) < 0.3
    assert (places[0] != places[1]).any()


def test_a_blur_keeps_brightness_and_takes_detail_away() -> None:
    """The mean stays within 2 %, a single bright pixel loses four fifths of its height; channels do not mix."""
    images = np.full((1, 2, 32, 32), 10.0, dtype=np.float32)
    images[0, 0, 16, 16] = 110.0
    out = blurred(images)
    assert out[0, 0].mean() == pytest.approx(images[0, 0].mean(), rel=0.02)
    assert out[0, 0].max() < 30
    assert out[0, 1] == pytest.approx(10.0)
    assert flat(images)[0, 0] == pytest.approx(10 + 100 / 1024)
    assert flat(images).shape == images.shape


def test_controls_know_edges_and_the_centre() -> None:
    """The edge map peaks on the border of a square, the centre map in the middle, and the random map is seeded."""
    images = np.zeros((2, 1, 9, 9), dtype=np.float32)
    images[:, :, 2:7, 2:7] = 1.0
    maps = control_maps(images, np.random.default_rng(0))
    assert tuple(maps) == CONTROLS == ("random", "edge", "centre", "magnitude")
    assert maps["magnitude"][0, 4, 4] < maps["magnitude"][0, 2, 2]
    assert maps["edge"][0, 4, 4] == 0
    assert maps["edge"][0, 4, 1] > 0
    assert np.unravel_index(maps["centre"][1].argmax(), (9, 9)) == (4, 4)
    assert maps["centre"][0, 0, 0] == maps["centre"][0].min()
    again = control_maps(images, np.random.default_rng(0))
    assert (maps["random"] == again["random"]).all()
    volume = control_maps(np.zeros((1, 1, 3, 4, 5), np.float32), np.random.default_rng(0))
    assert all(m.shape == (1, 3, 4, 5) for m in volume.values())


def test_the_advantage_is_over_the_closest_control() -> None:
    """Value and low bound are the least over controls, the high bound the least at a third of the level."""
    rng = np.random.default_rng(1)
    patients = np.arange(60) // 2
    own = rng.normal(0.2, 0.05, 60)
    controls = {
        "a": own + rng.normal(0.3, 0.1, 60),
        "b": own + rng.normal(0.1, 0.1, 60),
        "c": own + 0.5 * rng.random(60),
    }
    estimate, name = advantage(own, controls, patients, LEVELS, lower_is_better=True)
    single = {k: paired_difference(v, own, patients, LEVELS) for k, v in controls.items()}
    assert name == "b"
    assert estimate.value == single["b"].value
    assert (estimate.n, estimate.n_patients) == (60, 30)
    bounds = estimate.bounds(0.025)
    assert bounds is not None
    loose = [s.bounds(0.025) for s in single.values()]
    assert bounds[0] == min(b[0] for b in loose if b is not None)
    third = Levels(confidence=1 - 2 * 0.025 / 3)
    strict = [paired_difference(v, own, patients, third).bounds(0.025 / 3) for v in controls.values()]
    assert bounds[1] == pytest.approx(min(b[1] for b in strict if b is not None), abs=1e-12)
    assert [rung[0] for rung in estimate.curve] == list(LEVELS.rungs)
    mirrored, _ = advantage(-own, {k: -v for k, v in controls.items()}, patients, LEVELS, lower_is_better=False)
    assert np.array(mirrored.curve) == pytest.approx(np.array(estimate.curve))


def test_no_better_than_the_best_control_is_found_out() -> None:
    """Far better than two controls and equal to the third is no advantage, in 95 of 100 cohorts or more."""
    false = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        own = rng.normal(size=30)
        controls = {
            "a": own + 5 + rng.normal(size=30),
            "b": own + rng.normal(size=30),
            "c": own + 3 + rng.normal(size=30),
        }
        estimate, _ = advantage(own, controls, np.arange(30), LEVELS, lower_is_better=True)
        low, high = estimate.bounds(0.025) or (0.0, 0.0)
        false += low > 0 or high < 0
    assert false <= 0.08 * 200


def test_equal_controls_are_missing_and_not_zero() -> None:
    """Where nothing varies there is no interval and so no number."""
    own = np.ones(20)
    estimate, _ = advantage(own, {"a": own, "b": own + 1}, np.arange(20), LEVELS, lower_is_better=True)
    assert estimate.value is None
    assert estimate.missing


def test_few_patients_are_missing_with_the_reason() -> None:
    """Four patients give no number, however many cases they have."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=40)
    estimate, _ = advantage(own, {"a": own + rng.normal(size=40)}, np.arange(40) % 4, LEVELS, lower_is_better=True)
    assert estimate.value is None
    assert estimate.n_patients == 4


def test_places_fall_with_the_map_and_chance_decides_among_what_is_alike() -> None:
    """Places are those of a sort by two keys, the map first, whether nothing, something or all is alike."""
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(5, 9, 11))
    maps[1], maps[2:4], maps[4] = rng.integers(0, 4, (9, 11)), 0.0, 1.0
    maps[2, ::2], maps[3, 0] = -0.0, np.nan
    maps[4, 0, :2] = -np.inf, np.inf
    found, again = ranks(maps, np.random.default_rng(8)), np.random.default_rng(8)
    for place, values in zip(found, maps, strict=True):
        order = np.lexsort((again.random(values.size), -values.ravel()))
        assert (place.ravel()[order] == np.arange(values.size)).all()
