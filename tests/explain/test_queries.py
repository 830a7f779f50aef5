"""Occlusion and RISE: closed forms on a linear model, captum as an independent reference, in 2-D and 3-D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.core import InputSpec
from audit.explain import Queries, explained_by
from audit.explain._queries import query_maps, random_mask
from tests.attacks.nets import Linear, wrap


def draw(shape: tuple[int, ...], n: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (n, 1, *shape)).astype(np.float32)
    w = rng.normal(size=images[0].size)
    return images, np.full_like(images, 0.5), w, wrap(Linear(w), input=InputSpec(scale=False))


def of(model: Any, images: np.ndarray, baseline: np.ndarray, name: str, **more: Any) -> np.ndarray:
    explained = explained_by(model.predict(images), model.card)
    batch = more.pop("batch", 7)
    rng = np.random.default_rng(more.pop("seed", 0))
    return query_maps(model, images, baseline, explained, (name,), Queries(**more), rng, batch)[name]


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 8)])
def test_occlusion_of_a_linear_model_is_its_weights_summed_over_windows(shape: tuple[int, ...]) -> None:
    """Windows side by side: each pixel has the sum of w (x - baseline) over its window, towards the decision."""
    images, baseline, w, model = draw(shape)
    part = (w * (images - baseline).reshape(len(images), -1)).reshape(len(images), *shape)
    for axis in range(1, len(shape) + 1):
        pairs = part.reshape(*part.shape[:axis], -1, 2, *part.shape[axis + 1 :]).sum(axis=axis + 1)
        part = np.repeat(pairs, 2, axis=axis)
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0).reshape(-1, *[1] * len(shape))
    found = of(model, images, baseline, "occlusion", window_share=0.25, overlap=0.0)
    assert found[:, : shape[0]] == pytest.approx((sign * part), abs=1e-4)


def test_occlusion_is_that_of_captum() -> None:
    """Windows of 3 by 3 at a stride of 1, each pixel the mean over its windows, within 1e-4."""
    import torch
    from captum.attr import Occlusion

    images, baseline, _, model = draw((9, 9))
    net = model.module.net
    alone = Occlusion(net).attribute(
        torch.as_tensor(images), (1, 3, 3), strides=(1, 1, 1), baselines=torch.as_tensor(baseline)
    )
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0)[:, None, None]
    found = of(model, images, baseline, "occlusion", window_share=1 / 3, overlap=2 / 3)
    assert found == pytest.approx(sign * alone.detach().numpy()[:, 0], abs=1e-4)


def test_a_window_is_measured_in_mm_where_spacing_is_known() -> None:
    """10 mm are 10 pixels of 1 mm and 4 planes of 2.5 mm; else a share of each side, at least 2 pixels."""
    assert Queries(window_mm=10.0).window((32, 40, 40), (2.5, 1.0, 1.0)) == (4, 10, 10)
    assert Queries(window_mm=10.0).window((64, 64), None) == (8, 8)
    assert Queries(window_share=0.25).window((4, 64, 64), (1.0, 1.0, 1.0)) == (2, 16, 16)
    assert Queries(window_share=0.25).window((1, 64), None) == (1, 16)


@pytest.mark.parametrize("shape", [(12, 12), (6, 12, 12)])
def test_rise_finds_the_pixels_that_a_model_uses(shape: tuple[int, ...]) -> None:
    """A model of the mean of one octant or quadrant: the map's mean inside is 2 standard deviations above outside."""
    images, baseline, _, _ = draw(shape)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(0, s // 2) for s in shape)] = True
    images = np.where(inside, 1.0, images).astype(np.float32)
    model = wrap(Linear((inside / inside.sum()).ravel() * 8, -5.0), input=InputSpec(scale=False))
    found = of(model, images, baseline, "rise", masks=300, cells=4)
    assert (found[:, inside].mean(axis=1) > found[:, ~inside].mean(axis=1) + 2 * found[:, ~inside].std(axis=1)).all()


def test_rise_of_independent_pixels_is_unbiased() -> None:
    """Masks of single pixels: a linear model's map is w (x - baseline), within 5 standard errors of 4000 masks."""
    images, baseline, w, model = draw((4, 4), n=2)
    rng, masks = np.random.default_rng(0), 4000
    grids = (rng.random((masks, 4, 4)) < 0.5).astype(float)
    sign = np.where(model.predict(images)[:, 0] >= 0, 1.0, -1.0)[:, None, None]
    expected = sign * (w.reshape(4, 4) * (images - baseline)[:, 0])
    explained = explained_by(model.predict(images), model.card)
    turn = iter(grids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.explain._queries.random_mask", lambda *_: next(turn))
        found = query_maps(
            model, images, baseline, explained, ("rise",), Queries(masks=masks), np.random.default_rng(0), 8
        )["rise"]
    spread = np.sqrt((expected**2).sum(axis=(1, 2), keepdims=True) / masks)
    assert (np.abs(found - expected) < 5 * spread).all()


def test_masks_are_smooth_and_as_often_kept_as_asked() -> None:
    """Values lie in [0, 1], their mean over 400 masks within 0.08 of the share, everywhere; neighbours are alike."""
    rng = np.random.default_rng(0)
    for shape in ((16, 20), (6, 16, 16), (1, 16, 16)):
        masks = np.stack([random_mask(shape, Queries(cells=4, kept=0.3), rng) for _ in range(400)])
        assert masks.shape == (400, *shape)
        assert masks.min() >= 0
        assert masks.max() <= 1
        assert masks.mean(axis=0) == pytest.approx(0.3, abs=0.08)
        assert np.abs(np.diff(masks, axis=-1)).max() <= 0.25 + 1e-9


def test_maps_follow_the_seed_and_not_the_batch() -> None:
    """The same seed in batches of 1 and of 50 gives the same maps; another seed another one."""
    images, baseline, _, model = draw((8, 8))
    for name in ("occlusion", "rise"):
        one, many = (of(model, images, baseline, name, masks=20, batch=size) for size in (1, 50))
        assert one == pytest.approx(many, abs=1e-5)
    assert (
        of(model, images, baseline, "rise", masks=20) != of(model, images, baseline, "rise", masks=20, seed=1)
    ).any()


def test_what_speaks_against_the_decision_is_negative() -> None:
    """A region whose removal raises the score has values below 0 in both maps."""
    images, baseline, _, _ = draw((8, 8))
    w = np.zeros((8, 8))
    w[:, :4], w[:, 4:] = 3.0, -1.0
    images[:] = 1.0
    model = wrap(Linear(w.ravel()), input=InputSpec(scale=False))
    for name in ("occlusion", "rise"):
        found = of(model, images, baseline, name, masks=200, window_share=0.25, overlap=0.0)
        assert found[:, :, :3].min() > 0
        assert found[:, :, 6:].mean() < 0


def test_rise_of_a_constant_is_nothing() -> None:
    """Answers that never change make a map of zeros, not one of rounding errors that a ratio blows up."""
    images, baseline, w, _ = draw((8, 8))

    class Offset(Linear):
        def forward(self, x: Any) -> Any:
            return 0 * super().forward(x) + 0.3

    assert not of(wrap(Offset(w), input=InputSpec(scale=False)), images, baseline, "rise", masks=50).any()
