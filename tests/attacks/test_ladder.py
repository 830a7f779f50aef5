"""Attack sizes by modality, and what of an image may be changed."""

from __future__ import annotations

import numpy as np
import pytest

from audit.attacks import attack_region, default_ladder, noise_sd, stored_step
from audit.core import InputSpec


@pytest.mark.parametrize(
    ("spec", "epsilons", "headline"),
    [
        (InputSpec(modality="photo", range=(0, 255)), (0.5, 1, 2, 4, 8, 16), 2),
        (InputSpec(modality="microscopy", range=(0, 255)), (0.5, 1, 2, 4, 8, 16), 2),
        (InputSpec(range=(0, 255)), (0.5, 1, 2, 4, 8, 16), 2),
        (InputSpec(), (0.00196078, 0.00392157, 0.00784314, 0.0156863, 0.0313725, 0.0627451), 0.00784314),
        (InputSpec(modality="us", range=(0, 255)), (1, 2, 4, 8), 4),
        (InputSpec(modality="ct", unit="HU", range=(-1000, 400), window=(-160, 240)), (1, 2, 4, 8, 16), 4),
        (InputSpec(modality="ct", unit="HU", range=(-1350, 150)), (4, 8, 15, 30, 60), 15),
        (InputSpec(modality="ct", unit="HU", range=(-1000, 3000), window=(0, 80)), (1, 2, 4), 1),
        (InputSpec(modality="xray", range=(0, 4095), window=(0, 1000)), (2.5, 5, 10, 20, 40), 10),
        (InputSpec(modality="xray", range=(0, 4000)), (10, 20, 40, 80, 160), 40),
    ],
)
def test_each_modality_has_its_ladder(spec: InputSpec, epsilons: tuple[float, ...], headline: float) -> None:
    """The sizes are those of the modality, in stored units, six digits."""
    ladder = default_ladder(spec, [])
    assert ladder.epsilons == epsilons
    assert ladder.headline == headline
    assert ladder.noise_sd is None


def test_mr_is_measured_on_the_foreground() -> None:
    """MR has no unit: sizes are percentages of the foreground's spread, whatever the air around it."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(20):
        image = np.abs(rng.normal(0, 5, (1, 40, 40)))
        image[0, 10:30, 10:30] = rng.uniform(400, 1400, (20, 20))
        images.append(image)
    ladder = default_ladder(InputSpec(modality="mr", range=(0, 4095)), images)
    assert ladder.headline == pytest.approx(9.9, rel=0.01)
    assert ladder.epsilons == pytest.approx([ladder.headline * f for f in (0.25, 0.5, 1, 2, 4)], rel=1e-5)
    assert "20 cases" in ladder.why


def test_noise_is_measured_through_edges() -> None:
    """White noise of sd 7 across a step of 100 is measured as 7 within 5 %."""
    rng = np.random.default_rng(1)
    image = np.repeat(np.arange(2) * 100.0, 64)[None, None, :] + rng.normal(0, 7, (1, 128, 128))
    assert noise_sd([image]) == pytest.approx(7, rel=0.05)
    assert noise_sd([np.zeros((1, 8, 8))]) is None


def test_padding_is_left_alone() -> None:
    """Constant padding at the border is not attacked in CT, dark pixels inside are, and photographs are throughout."""
    images = np.full((1, 1, 10, 10), -1000.0)
    images[0, 0, 2:8, 2:8] = 40.0
    images[0, 0, 5, 5] = -1000.0
    expected = np.zeros((10, 10), bool)
    expected[2:8, 2:8] = True
    assert (attack_region(images, "ct")[0, 0] == expected).all()
    assert attack_region(images, "photo").all()


def test_a_small_dark_corner_is_no_padding() -> None:
    """Under 5 % of the image at its minimum, everything is attacked."""
    images = np.ones((1, 1, 10, 10))
    images[0, 0, 0, :3] = 0.0
    assert attack_region(images, "mr").all()


def test_integers_tell_a_bit_depth() -> None:
    """Whole numbers on a wide range are stored steps; those of a binary image or a [0, 1] range are not."""
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 4, 4)).astype(float)
    assert stored_step(images, 255) == 1.0
    assert stored_step(images + 0.25, 255) is None
    assert stored_step(images > 100, 1.0) is None
