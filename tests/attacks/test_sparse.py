"""Few pixels: the ones that matter are found, no more are changed than allowed, and the range holds."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from audit.attacks import Meter, questions
from audit.attacks._sparse import sparse
from tests.attacks.nets import Linear, convolutional, wrap


def test_a_linear_model_falls_to_the_number_of_pixels_of_the_closed_form() -> None:
    """Each pixel gains its weight times the way to the end of the range; the largest gains are the best choice."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=36)
    images = rng.uniform(-9, 9, (40, 1, 6, 6)).astype(np.float32)
    flat = images.reshape(40, -1).astype(float)
    target = (flat @ w > 0).astype(int)
    model = wrap(Linear(w))
    counts = (1, 2, 4, 8)
    out = sparse(
        model, questions(model.card)[0], images, target, counts=counts, headline=2, steps=4, rng=rng, meter=Meter()
    )
    sign = np.where(target == 1, 1.0, -1.0)[:, None]
    ends = np.where(sign * w > 0, -10.0, 10.0)
    gains = np.sort(np.abs(w * (ends - flat)), axis=1)[:, ::-1].cumsum(axis=1)
    margin = np.abs(flat @ w)
    for index, count in enumerate(counts):
        assert np.array_equal(out.right[:, index], margin - gains[:, count - 1] >= 0)
    changed = (out.worst != images).any(axis=1).reshape(40, -1).sum(axis=1)
    assert changed.max() <= 2
    assert np.abs(out.worst).max() <= 10.0


def test_one_pixel_is_as_good_as_trying_all() -> None:
    """On a small network the single pixel found breaks nearly as many cases as any pixel at either end does."""
    model = wrap(convolutional(1))
    rng = np.random.default_rng(2)
    images = rng.normal(0, 3, (24, 1, 6, 6)).astype(np.float32)
    clean = model.predict(images)[:, 0]
    target = (clean > 0).astype(int)
    every = np.ones(24, dtype=bool)
    for pixel in range(36):
        for end in (-10, 10):
            moved = images.copy()
            moved.reshape(24, -1)[:, pixel] = end
            every &= (model.predict(moved)[:, 0] >= 0) == (target == 1)
    out = sparse(
        model, questions(model.card)[0], images, target, counts=(1,), headline=1, steps=12, rng=rng, meter=Meter()
    )
    assert (~every).sum() >= 2
    assert not (~out.right[:, 0] & every).any()
    assert (~out.right[:, 0]).sum() >= 0.8 * (~every).sum()


def test_two_pixels_are_nearly_as_good_as_trying_every_pair() -> None:
    """Two pixels break all but one of the cases that any pair at any ends does, by exhaustive search."""
    model = wrap(convolutional(5))
    rng = np.random.default_rng(3)
    images = rng.normal(0, 3, (6, 1, 6, 6)).astype(np.float32)
    target = (model.predict(images)[:, 0] > 0).astype(int)
    pairs = list(combinations(range(36), 2))
    every = np.ones(6, dtype=bool)
    for i, image in enumerate(images):
        tries = np.repeat(image[None], 4 * len(pairs), axis=0)
        flat = tries.reshape(len(tries), -1)
        for k, (a, b) in enumerate(pairs):
            flat[4 * k : 4 * k + 4, a] = (-10, -10, 10, 10)
            flat[4 * k : 4 * k + 4, b] = (-10, 10, -10, 10)
        every[i] = ((model.predict(tries)[:, 0] >= 0) == (target[i] == 1)).all()
    out = sparse(
        model, questions(model.card)[0], images, target, counts=(1, 2), headline=2, steps=12, rng=rng, meter=Meter()
    )
    assert (~out.right[:, 1]).sum() >= (~every).sum() - 1
