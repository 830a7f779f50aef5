"""Models whose important pixels are known rank them first under every metric that works."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from audit.core import Estimate, Levels
from audit.explain import (
    CONTROLS,
    FILLS,
    collect_infidelity,
    control_maps,
    fractions,
    known_support,
    make_fill,
    selftest_curves,
    selftest_scores,
    stands,
)

LEVELS = Levels()


def textures(kind: str) -> np.ndarray:
    """Return twelve images: noise, something smooth, or smooth within an outline on black."""
    rng = np.random.default_rng(3)
    images = rng.normal(100, 20, (12, 1, 32, 32))
    if kind != "noise":
        images = ndimage.gaussian_filter(images, (0, 0, 2, 2)) * 3
    if kind == "outlined":
        rows, columns = np.mgrid[:32, :32]
        images = (images + rng.normal(0, 2, images.shape)) * (np.hypot(rows - 16, columns - 16) < 12)
    return images.astype(np.float32)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("kind", ["noise", "smooth", "outlined"])
def test_metrics_that_work_are_found_to_work(kind: str, fill: str) -> None:
    """The true map beats every control under deletion and insertion, whatever the images are like."""
    images, rng = textures(kind), np.random.default_rng(0)
    known = known_support(images, rng)
    made = make_fill(fill, known.images, rng)
    for insertion in (False, True):
        assert stands(selftest_curves(known, made, fractions(6), LEVELS, rng, insertion=insertion), LEVELS)


def test_a_metric_that_gives_the_same_whatever_it_is_shown_is_found_out() -> None:
    """A fill that changes nothing leaves all curves flat: the self-test is not passed."""
    images, rng = textures("noise"), np.random.default_rng(0)
    known = known_support(images, rng)
    flat = selftest_curves(known, lambda removed: known.images, fractions(6), LEVELS, rng, insertion=False)
    assert not stands(flat, LEVELS)


def test_a_metric_turned_round_is_found_out() -> None:
    """One that calls the highest area of deletion the best is not passed."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.3, 24)
    scores = {"truth": truth, **{name: truth + rng.uniform(0.1, 0.4, 24) for name in CONTROLS}}
    assert stands(selftest_scores(scores, LEVELS, lower_is_better=True), LEVELS)
    assert not stands(selftest_scores(scores, LEVELS, lower_is_better=False), LEVELS)


def test_a_control_that_is_always_worse_by_the_same_is_beaten() -> None:
    """No interval can be had of a constant difference; it counts as beaten if it is above 0, and only then."""
    truth = np.zeros(24)
    worse = dict.fromkeys(CONTROLS, np.ones(24))
    assert selftest_scores({"truth": truth, **worse}, LEVELS, lower_is_better=True).value == 1.0
    assert not stands(selftest_scores({"truth": truth, **worse, "edge": truth}, LEVELS, lower_is_better=True), LEVELS)
    assert not stands(Estimate.absent("no", method="none"), LEVELS)


def test_what_a_known_model_looks_at_is_known() -> None:
    """1 on the image, 0 without the box, a half with half of the way; its true map adds up to 1 inside the box."""
    images = textures("noise")
    known = known_support(images, np.random.default_rng(0), cases=5)
    assert known.strength(known.images) == pytest.approx(1.0)
    gone = np.where(known.support[:, None], known.baseline, known.images)
    assert known.score(gone) == pytest.approx(0.0, abs=1e-6)
    assert known.strength((gone + known.images) / 2) == pytest.approx(0.5, abs=1e-6)
    assert known.truth.reshape(5, -1).sum(axis=1) == pytest.approx(1.0)
    assert (known.truth[~known.support] == 0).all()
    assert 0.01 < known.support.mean() < 0.04
    volume = known_support(np.random.default_rng(0).random((2, 1, 6, 10, 12)).astype(np.float32), rng_of(1))
    assert volume.support.shape == (24, 6, 10, 12)


def rng_of(seed: int) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


def test_flat_images_have_no_known_model() -> None:
    """Where no image has any detail there is nothing to look at."""
    assert known_support(np.full((4, 1, 8, 8), 3.0, np.float32), rng_of(0)) is None


@pytest.mark.parametrize("kind", ["square", "noise"])
def test_the_true_map_foretells_a_known_model(kind: str) -> None:
    """A linear model is foretold by its true map to rounding, by no control better than by a half."""
    images, rng = textures("outlined"), np.random.default_rng(0)
    known = known_support(images, rng)
    maps = {"truth": known.truth, **control_maps(known.images, rng)}
    found = collect_infidelity(
        known.strength, known.images, known.baseline, maps, frozenset(), rng, kind=kind, count=24
    )
    touched = np.isfinite(found["truth"])
    assert touched.sum() > 12
    assert found["truth"][touched] == pytest.approx(0.0, abs=1e-4)
    assert min(found[name][touched].mean() for name in CONTROLS) > 0.5
