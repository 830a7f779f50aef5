"""Radiographs: dose, scatter, sharpness and display are what their formulas say, within 10 %."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import Frame, describe, frame_of
from audit.acquisition._operations import f50_of_sigma
from audit.acquisition._xray import from_linear, quanta_of, to_linear
from audit.testing import scene
from tests.acquisition._images import TENTH, N, changed, flat


class TestRadiograph:
    """Dose, scatter, sharpness, display."""

    frame = Frame(modality="xray", low=0.0, high=4095.0, spacing_mm=(0.5, 0.5))

    def test_linear_intensity_and_back(self) -> None:
        """The declared table is its own inverse, to 1e-9, and absorbing tissue is bright."""
        grey = np.linspace(0, 4095, 50)
        np.testing.assert_allclose(from_linear(to_linear(grey, self.frame), self.frame), grey, atol=1e-9)
        assert to_linear(np.array(4095.0), self.frame) < to_linear(np.array(0.0), self.frame)

    @pytest.mark.parametrize("saved", [0.5, 0.9])
    def test_a_lower_dose_adds_the_noise_that_is_missing(self, saved: float) -> None:
        """In linear intensity the variance I (1/d - 1) / q, to 10 % in SD, from the noise that the image has."""
        image, spec = flat(1500.0, self.frame, noise_sd=20.0)
        out = changed("xray_dose", saved, image, spec)
        d, intensity = 1 - saved, float(to_linear(np.array(1500.0), self.frame))
        q = quanta_of(20.0, 1500.0, self.frame)
        added = to_linear(out, self.frame).std()
        assert added == pytest.approx(np.sqrt(intensity * (1 / d - 1) / q), rel=TENTH)
        total = np.hypot(out.std(), 20.0)
        assert total == pytest.approx(20.0 / np.sqrt(d), rel=TENTH)
        assert out.mean() == pytest.approx(1500, abs=5), "exposure changes noise, not brightness"

    def test_scatter_takes_contrast(self) -> None:
        """Of a fine wave the share (1 - f) is left in intensity, to 5 %."""
        x = np.arange(N)
        intensity = 0.4 + 0.05 * np.cos(2 * np.pi * 12 / N * x)
        image = np.broadcast_to(from_linear(intensity, self.frame), (1, N, N)).copy()
        _, spec = flat(float(image.mean()), self.frame)
        row = to_linear(changed("xray_scatter", 0.5, image, spec), self.frame)[0, 48, 32:64]
        assert np.ptp(row) / np.ptp(intensity) == pytest.approx(0.5, rel=0.05)

    @pytest.mark.parametrize("sigma", [0.5, 1.0])
    def test_unsharpness_has_half_its_modulation_where_it_says(self, sigma: float) -> None:
        """exp(-2 (pi sigma f)^2) of a wave, to 10 %, and one half at f50."""
        x, cycles = np.arange(N), 12
        f = cycles / N / 0.5
        intensity = 0.4 + 0.05 * np.cos(2 * np.pi * cycles / N * x)
        image = np.broadcast_to(from_linear(intensity, self.frame), (1, N, N)).copy()
        _, spec = flat(float(image.mean()), self.frame)
        row = to_linear(changed("xray_blur", sigma, image, spec), self.frame)[0, 48, 32:64]
        assert np.ptp(row) / 0.1 == pytest.approx(np.exp(-2 * (np.pi * sigma * f) ** 2), rel=TENTH)
        assert np.exp(-2 * (np.pi * sigma * f50_of_sigma(sigma)) ** 2) == pytest.approx(0.5, rel=1e-9)

    def test_display_window_inversion_and_collimation(self) -> None:
        """By hand: half the contrast about the middle, a level of a tenth, MONOCHROME turned round, a dark border."""
        image, spec = flat(3000.0, self.frame)
        assert changed("xray_window", 1.0, image, spec)[0, 0, 0] == pytest.approx(2047.5 + 952.5 / 2, abs=1)
        assert changed("xray_level", 0.1, image, spec)[0, 0, 0] == pytest.approx(3409.5, abs=1)
        assert changed("xray_inversion", 1.0, image, spec)[0, 0, 0] == 1095
        dark = changed("xray_collimation", 0.25, image, spec)[0]
        assert (dark == 0).mean() == pytest.approx(0.75, abs=0.01)
        assert dark[48, 48] == 3000

    def test_jpeg_loses_more_at_a_lower_quality(self) -> None:
        """The error of an 8-bit photograph grows, and is small at quality 86."""
        s = scene("photo", size=64)
        spec = describe(s.image, frame_of(s.input))
        errors = [float(np.abs(changed("photo_jpeg", v, s.image, spec) - s.image).mean()) for v in (10.0, 60.0)]
        assert errors[0] < errors[1]
        assert errors[0] < 4
