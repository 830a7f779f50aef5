"""Linear imputation equals a dense solution of its equations, and fills keep what they promise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from audit.explain import BLUR, FILLS, LINEAR, MEAN, blurred, flat, imputed, make_fill
from audit.explain._fills import NOISE_SHARE
from audit.explain._imputation import chosen


def dense(image: np.ndarray, removed: np.ndarray, reach: Sequence[float]) -> np.ndarray:
    """Solve the equations of one channel by elimination; a weight is a product of 1 or half the reach over the axes."""
    places = [tuple(p) for p in np.argwhere(removed)]
    index = {p: i for i, p in enumerate(places)}
    a, b = np.zeros((len(places), len(places))), np.zeros(len(places))
    for i, place in enumerate(places):
        for step in product((-1, 0, 1), repeat=image.ndim):
            other = tuple(p + s for p, s in zip(place, step, strict=True))
            if not any(step) or any(o < 0 or o >= side for o, side in zip(other, image.shape, strict=True)):
                continue
            weight = np.prod([r / 2 if s else 1.0 for s, r in zip(step, reach, strict=True)])
            a[i, i] += weight
            if other in index:
                a[i, index[other]] -= weight
            else:
                b[i] += weight * image[other]
    out = image.copy()
    out[removed] = np.linalg.solve(a, b)
    return out


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize(
    ("shape", "spacing", "reach"),
    [((13, 18), None, (1, 1)), ((4, 9, 5), None, (1, 1, 1)), ((3, 9, 6), (2.0, 1.0, 1.0), (0.25, 1, 1))],
)
def test_it_is_the_solution_of_the_equations(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None, reach: tuple[float, ...], share: float
) -> None:
    """Within 1e-5 of a dense solution, two channels of two images at once, scattered and in one piece."""
    rng = np.random.default_rng(0)
    images = rng.normal(50, 20, (2, 2, *shape))
    scattered = rng.random(shape) < share
    piece = np.zeros(shape, bool)
    piece.ravel()[: int(share * piece.size)] = True
    removed = np.stack([scattered, piece])
    got = imputed(images, removed, spacing=spacing, tolerance=1e-9)
    for i, c in product(range(2), range(2)):
        assert got[i, c] == pytest.approx(dense(images[i, c], removed[i], reach), abs=1e-5 * 20)


def test_the_usual_tolerance_is_below_the_noise() -> None:
    """Half of a 40 x 40 image in one piece: the root mean square error is below the noise that is added."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(1, 1, 40, 40)).astype(np.float32)
    removed = np.zeros((1, 40, 40), bool)
    removed[:, 5:35, 5:32] = True
    exact = dense(images[0, 0].astype(float), removed[0], (1, 1))
    error = (imputed(images, removed)[0, 0] - exact)[removed[0]]
    assert np.sqrt((error**2).mean()) < NOISE_SHARE


def test_weights_in_the_plane_are_those_of_the_paper() -> None:
    """A single pixel is 1/6 of each neighbour over a side and 1/12 of each over a corner (Rong et al. 2022)."""
    images = np.arange(9.0).reshape(1, 1, 3, 3) ** 2
    removed = np.zeros((1, 3, 3), bool)
    removed[0, 1, 1] = True
    x = images[0, 0]
    by_hand = (x[0, 1] + x[1, 0] + x[1, 2] + x[2, 1]) / 6 + (x[0, 0] + x[0, 2] + x[2, 0] + x[2, 2]) / 12
    assert imputed(images, removed, tolerance=1e-12)[0, 0, 1, 1] == pytest.approx(by_hand, abs=1e-9)


def test_a_plane_is_restored() -> None:
    """What is linear is imputed exactly from a frame; nothing that stays is touched."""
    rows, columns = np.mgrid[:12, :15].astype(float)
    images = (3 * rows - 2 * columns + 7)[None, None]
    removed = np.zeros((1, 12, 15), bool)
    removed[:, 3:9, 4:11] = True
    assert imputed(images, removed, tolerance=1e-10) == pytest.approx(images, abs=1e-6)


def test_nothing_removed_and_all_removed() -> None:
    """The image itself, and each channel's mean; a flat channel stays flat."""
    images = np.random.default_rng(0).normal(size=(2, 2, 9, 9))
    images[1, 1] = 4.0
    assert (imputed(images, np.zeros((2, 9, 9), bool)) == images).all()
    gone = imputed(images, np.ones((2, 9, 9), bool))
    assert gone == pytest.approx(np.broadcast_to(images.mean(axis=(2, 3), keepdims=True), images.shape))
    some = np.random.default_rng(1).random((2, 9, 9)) < 0.5
    assert imputed(images, some)[1, 1] == pytest.approx(4.0)


@pytest.mark.parametrize("name", FILLS)
def test_a_fill_replaces_what_is_removed_and_nothing_else(name: str) -> None:
    """Pixels that stay are those of the image, bit for bit; the rest stays within the image's own range."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 100, (3, 2, 12, 10)).astype(np.float32)
    fill = make_fill(name, images, rng)
    removed = rng.random((3, 12, 10)) < 0.4
    out = fill(removed)
    kept = np.broadcast_to(~removed[:, None], images.shape)
    assert (out[kept] == images[kept]).all()
    assert (out[~kept] != images[~kept]).mean() > 0.99
    assert out.min() >= images.min()
    assert out.max() <= images.max()
    assert (fill(removed) == out).all()


def test_what_is_put_in_is_known() -> None:
    """The blurred copy, the mean, and the imputed image with a noise of 1 % of its standard deviation."""
    rng = np.random.default_rng(0)
    images = rng.normal(100, 20, (1, 1, 64, 64)).astype(np.float32)
    removed = rng.random((1, 64, 64)) < 0.5
    where = np.broadcast_to(removed[:, None], images.shape)
    assert (make_fill(BLUR, images, rng)(removed)[where] == blurred(images)[where]).all()
    assert (make_fill(MEAN, images, rng)(removed)[where] == flat(images)[where]).all()
    noise = (make_fill(LINEAR, images, rng)(removed) - imputed(images, removed))[where]
    assert noise.std() == pytest.approx(NOISE_SHARE * images.std(), rel=0.1)


def test_a_blur_is_as_wide_in_mm_along_each_axis() -> None:
    """Planes 5 mm apart are blurred over fewer planes than pixels 1 mm apart."""
    images = np.zeros((1, 1, 9, 45, 45), np.float32)
    images[0, 0, 4, 22, 22] = 1.0
    out = blurred(images, spacing=(5.0, 1.0, 1.0))[0, 0]
    assert out[5, 22, 22] < 0.01 * out[4, 22, 22]
    assert out[4, 23, 22] > 0.5 * out[4, 22, 22]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_choosing_by_bits_is_choosing(kind: type) -> None:
    """What is chosen by its bits is what `np.where` chooses, with signs of zero, infinities and what is no number."""
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(2, 4, 5, 6)).astype(kind)
    one[0, 0, :4] = other[1, 1, :4] = (-0.0, np.inf, -np.inf, np.nan)
    for where in (rng.random((4, 5, 6)) < 0.5, rng.random((4, 1, 6)) < 0.5):
        for first, second in ((one, other), (one, other[:, :1, :1]), (np.zeros((), kind), other[..., ::-1])):
            got, expected = chosen(where, first, second), np.where(where, first, second)
            assert got.dtype == expected.dtype
            assert got.shape == expected.shape
            assert got.tobytes() == expected.tobytes()
    assert chosen(where, np.ones((), np.float16), other).dtype == np.where(where, np.ones((), np.float16), other).dtype
