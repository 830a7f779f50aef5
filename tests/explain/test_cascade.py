"""The scale from maps that share nothing to a map made twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from audit.core import InputSpec, Levels
from audit.explain import Likeness, compare, compare_with, corrected, explained_by, over_steps, pooled, redrawn
from tests.attacks.nets import convolutional, wrap

LEVELS = Levels()
UNIT = InputSpec(scale=False)
DRAWS = np.repeat(np.arange(6), 4)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.02, 24)


def test_the_share_of_the_way_from_unrelated_to_unchanged() -> None:
    """Worked by hand: (0.6 - 0.2) / (1 - 0.2) = 0.5, with the other maps and luck inside the interval."""
    own, other = 0.6 + noise(0) - noise(0).mean(), 0.2 + noise(1) - noise(1).mean()
    found = corrected(own, other, np.ones(24), DRAWS, LEVELS)
    assert found.value == pytest.approx(0.5, abs=1e-12)
    assert (found.n, found.n_patients) == (24, 24)
    low, high = found.bounds(0.025) or (1.0, 0.0)
    assert low < 0.5 < high
    assert high - low < 0.1


def test_the_interval_is_that_of_a_jackknife_over_draws() -> None:
    """Linearised standard errors are within a tenth of those of leaving out one draw after the other."""
    rng = np.random.default_rng(2)
    shared = rng.normal(0, 0.1, 30).repeat(4)
    own, other = 0.5 + shared + rng.normal(0, 0.05, 120), 0.3 + shared / 2 + rng.normal(0, 0.05, 120)
    again, draws = 0.9 + rng.normal(0, 0.02, 120), np.arange(30).repeat(4)

    def ratio(rows: np.ndarray) -> float:
        return float((own[rows].mean() - other[rows].mean()) / (again[rows].mean() - other[rows].mean()))

    left = np.array([ratio(draws != d) for d in range(30)])
    error = np.sqrt(29 / 30 * ((left - left.mean()) ** 2).sum())
    found = corrected(own, other, again, draws, LEVELS)
    low, high = found.bounds(0.025) or (0.0, 0.0)
    from scipy import stats

    assert (high - low) / 2 / stats.t.ppf(0.975, 29) == pytest.approx(error, rel=0.1)


def test_the_interval_holds_for_other_draws() -> None:
    """Over 400 simulated audits of 6 draws the true ratio lies outside 95 % intervals in at most 8 %."""
    rng, missed = np.random.default_rng(5), 0
    for _ in range(400):
        luck = rng.normal(0, 0.15, 6).repeat(4)
        own = 0.3 + luck + rng.normal(0, 0.1, 24)
        other = 0.1 + rng.normal(0, 0.1, 24)
        low, high = corrected(own, other, np.ones(24), DRAWS, LEVELS).bounds(0.025) or (0.0, 0.0)
        missed += not low <= 0.2 / 0.9 <= high
    assert missed <= 32


def test_a_map_that_never_changes_is_a_fact() -> None:
    """No spread and no interval, and yet a number that a rule can fail on."""
    found = corrected(np.ones(24), 0.3 + noise(0), np.ones(24), DRAWS, LEVELS)
    assert found.value == 1.0
    assert found.method == "count"


@pytest.mark.parametrize(
    ("own", "other", "again", "draws", "reason"),
    [
        (1.0, 0.95, 1.0, DRAWS, "alike whatever the weights"),
        (0.1, 0.08, 0.15, DRAWS, "as unlike itself"),
        (np.nan, 0.2, 1.0, DRAWS, "no map to compare"),
        (0.5, 0.2, 1.0, DRAWS // 2, "3 draws of the weights"),
    ],
)
def test_what_cannot_be_told_is_missing(own: float, other: float, again: float, draws: np.ndarray, reason: str) -> None:
    """Maps alike for all patients, maps of pure chance, flat maps and few draws have no number, so no rule passes."""
    found = corrected(own + noise(0), other + noise(1), np.full(24, again), draws, LEVELS)
    assert found.value is None
    assert reason in str(found.missing)


def test_means_over_steps_leave_out_what_is_not_known() -> None:
    """A step without a map in either part counts in neither."""
    own, other = np.array([[1.0, np.nan, 0.0], [np.nan] * 3]), np.array([[0.2, 0.4, 0.0], [0.1] * 3])
    first, second = over_steps(own, other)
    assert first[0] == pytest.approx(0.5)
    assert second[0] == pytest.approx(0.1)
    assert np.isnan([first[1], second[1]]).all()


def test_large_maps_are_averaged_over_blocks() -> None:
    """Blocks of two along every axis longer than 1, odd ends left out, until few enough are left."""
    maps = np.arange(2 * 1 * 5 * 4, dtype=float).reshape(2, 1, 5, 4)
    small = pooled(maps, 8)
    assert small.shape == (2, 1, 2, 2)
    assert small[0, 0, 0, 0] == pytest.approx(maps[0, 0, :2, :2].mean())
    assert pooled(maps, 20) is maps


def gradient(model: Any, images: np.ndarray, explained: Any) -> dict[str, np.ndarray]:
    """Return maps that follow the weights, maps of the image alone, and maps of chance."""
    x = torch.as_tensor(images).requires_grad_()
    logit = explained.logit(model.forward(x), *explained.tensors())
    (slope,) = torch.autograd.grad(logit.sum(), x)
    return {"gradient": slope.double().numpy().sum(axis=1), "image": images.astype(float).sum(axis=1)}


def likeness(**more: Any) -> tuple[Any, dict[str, Likeness]]:
    model, rng, found = wrap(convolutional(0), input=UNIT), np.random.default_rng(0), {}
    images = rng.normal(size=(12, 1, 6, 6)).astype(np.float32)
    explained = explained_by(model.predict(images), model.card)
    for number in range(6):
        rows = slice(2 * number, 2 * number + 2)
        compare(model, gradient, images[rows], explained.take(rows), found, rng=rng, steps=2, number=number, **more)
    return model, found


def test_a_gradient_follows_the_weights_and_an_image_does_not() -> None:
    """Of a copied network drawn from the output down, gradients change and the image, taken as a map, stays at 1."""
    model, found = likeness()
    digest = model.state_digest()
    estimates = {
        name: corrected(
            *over_steps(like.joined("own", "signed"), like.joined("other", "signed")), like.joined("again", "signed"),
            like.draws, LEVELS,
        )
        for name, like in found.items()
    }  # fmt: skip
    assert estimates["image"].value == 1.0
    assert estimates["gradient"].value is not None
    assert estimates["gradient"].value < 0.6
    assert model.state_digest() == digest
    assert found["gradient"].joined("own", "signed").shape == (12, 2)
    assert np.isfinite(found["gradient"].joined("alone", "signed")).all()


def test_the_single_step_can_be_left_out() -> None:
    """Then there is no number for it."""
    _, found = likeness(alone=False)
    assert np.isnan(found["gradient"].joined("alone", "signed")).all()


def test_another_model_takes_the_place_of_drawn_weights() -> None:
    """The same model is at 1, one whose map is absent has no number."""
    model, found = wrap(convolutional(0), input=UNIT), {}
    images = np.random.default_rng(0).normal(size=(4, 1, 6, 6)).astype(np.float32)
    explained = explained_by(model.predict(images), model.card)
    compare_with(model, model, gradient, images, explained, found, number=0)
    assert found["gradient"].joined("own", "signed").ravel() == pytest.approx(np.ones(4), abs=1e-6)
    drawn = redrawn(model, np.random.default_rng(1), image=images[:1])
    drawn.draw(drawn.layers)

    def none(of: Any, images: np.ndarray, explained: Any) -> dict[str, np.ndarray]:
        return {} if of is drawn else gradient(of, images, explained)

    compare_with(model, drawn, none, images, explained, found, number=1)
    assert np.isnan(found["gradient"].own["signed"][1]).all()
