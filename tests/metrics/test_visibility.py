"""Visibility of a change: hand-worked decibels, structural similarity against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest

from audit.metrics import psnr, ssim


def test_decibels_of_a_hand_worked_change() -> None:
    """A change of 2 everywhere on a span of 200 is 20 log10(100) = 40 dB; of one pixel in four, 6.02 dB more."""
    image = np.full((1, 2, 2), 50.0)
    assert psnr(image, image + 2, 200) == pytest.approx(40.0, abs=1e-12)
    one = image.copy()
    one[0, 0, 0] += 2
    assert psnr(image, one, 200) == pytest.approx(40 + 10 * np.log10(4), abs=1e-12)
    assert psnr(image, image, 200) is None


@pytest.mark.parametrize("shape", [(1, 24, 31), (3, 20, 20), (1, 14, 15, 16)])
def test_similarity_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    """In two and three dimensions and over channels, the number of scikit-image to 1e-10."""
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, shape)
    changed = image + rng.normal(0, 20, shape)
    expected = metrics.structural_similarity(
        image, changed, data_range=255, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(image, changed, 255) == pytest.approx(expected, abs=1e-10)
    assert 0 < expected < 0.999
    assert ssim(image, image, 255) == pytest.approx(1.0, abs=1e-12)


def test_an_image_smaller_than_the_window_has_no_similarity() -> None:
    """Ten pixels across hold no window of eleven."""
    image = np.zeros((1, 10, 40))
    assert ssim(image, image, 1.0) is None


def test_images_of_different_shapes_are_refused() -> None:
    """The two images must be one and the same grid."""
    with pytest.raises(ValueError, match="one shape"):
        psnr(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)), 1.0)
