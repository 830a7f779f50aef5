"""Photographs: linear light, focus and noise are what their formulas say, within 10 %."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import Frame
from audit.acquisition._operations import disc_kernel, line_kernel
from audit.acquisition._photo import from_light, to_light
from tests.acquisition._images import TENTH, changed, flat


class TestPhotograph:
    """Linear light."""

    frame = Frame(modality="photo", low=0.0, high=255.0)

    def test_linear_light_and_back(self) -> None:
        """sRGB of a mid grey of 0.5 is linear 0.2140 (IEC 61966-2-1), and the way back is exact to 1e-9."""
        grey = np.linspace(0, 255, 256)
        np.testing.assert_allclose(from_light(to_light(grey, self.frame), self.frame), grey, atol=1e-6)
        assert to_light(np.array(127.5), self.frame) == pytest.approx(0.2140, abs=1e-4)

    @pytest.mark.parametrize("share", [0.02, 0.05])
    def test_noise_has_the_sd_that_was_asked_at_half_light(self, share: float) -> None:
        """In linear light, to 10 %; at a tenth of the light the variance is 0.9 a fifth and 0.1 of it."""
        for light, wanted in ((0.5, 1.0), (0.1, np.sqrt(0.9 / 5 + 0.1))):
            image, spec = flat(float(from_light(np.array(light), self.frame)), self.frame, channels=3)
            out = to_light(changed("photo_noise", share, image, spec), self.frame)
            assert out.std() == pytest.approx(share * wanted, rel=TENTH)

    def test_exposure_is_in_stops(self) -> None:
        """One stop less halves the light, to a stored step."""
        image, spec = flat(200.0, self.frame, channels=3)
        before, after = (to_light(v, self.frame).mean() for v in (image, changed("photo_exposure", -1.0, image, spec)))
        assert after / before == pytest.approx(0.5, rel=0.02)

    def test_white_balance_is_diagonal(self) -> None:
        """Red grows by the factor, blue falls by it, green stays."""
        image, spec = flat(128.0, self.frame, channels=3)
        ratio = to_light(changed("photo_white_balance", 0.25, image, spec), self.frame) / to_light(image, self.frame)
        np.testing.assert_allclose(ratio[:, 0, 0], [1.25, 1.0, 0.8], rtol=0.03)

    @pytest.mark.parametrize("radius", [2.0, 4.0, 6.0])
    def test_a_disc_has_its_area_and_its_transfer(self, radius: float) -> None:
        """Unit sum; second moment r^2 / 4 along an axis (uniform disc), to 10 % with that of a pixel, 1 / 12."""
        kernel = disc_kernel(radius)
        place = np.arange(len(kernel)) - len(kernel) // 2
        assert kernel.sum() == pytest.approx(1)
        moment = (kernel.sum(axis=1) * place**2).sum()
        assert moment == pytest.approx(radius**2 / 4 + 1 / 12, rel=TENTH)

    @pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
    def test_a_line_has_its_length(self, angle: float) -> None:
        """Second moment along the line L^2 / 12 (even motion), to 10 % with that of linear weights, and unit sum."""
        kernel = line_kernel(8.0, angle)
        y, x = np.mgrid[: len(kernel), : len(kernel)] - len(kernel) // 2
        along = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
        assert kernel.sum() == pytest.approx(1)
        assert (kernel * along**2).sum() == pytest.approx(64 / 12 + 1 / 6, rel=TENTH)

    def test_vignetting_loses_the_share_in_the_corners(self) -> None:
        """1 - v in the corners, 1 in the middle, in linear light, to 3 %."""
        image, spec = flat(200.0, self.frame, channels=3)
        ratio = to_light(changed("photo_vignetting", 0.4, image, spec), self.frame) / to_light(image, self.frame)
        assert ratio[0, 0, 0] == pytest.approx(0.6, rel=0.03)
        assert ratio[0, 48, 48] == pytest.approx(1.0, rel=0.03)
