"""CT: dose, kernel, calibration and lung are what their formulas say, within 10 %."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import Frame, describe, frame_of
from audit.acquisition._ct import F50_PER_MM
from audit.testing import scene
from audit.testing._scenes import CT_NOISE_HU
from tests.acquisition._images import TENTH, N, changed, flat, spectrum, transfer


class TestComputedTomography:
    """Dose, kernel, calibration, lung."""

    frame = Frame(modality="ct", low=-1024.0, high=3071.0, spacing_mm=(0.8, 0.8))

    @pytest.mark.parametrize(("saved", "factor"), [(0.5, 1.0), (0.75, np.sqrt(3)), (0.9, 3.0)])
    def test_a_lower_dose_adds_the_noise_that_is_missing(self, saved: float, factor: float) -> None:
        """sigma0 sqrt(D0 / D - 1), to 10 %: as much as there is at half, three times as much at a tenth."""
        image, spec = flat(40.0, self.frame, noise_sd=12.0)
        assert (changed("ct_dose", saved, image, spec) - image).std() == pytest.approx(12 * factor, rel=TENTH)

    def test_the_noise_power_is_that_of_filtered_back_projection(self) -> None:
        """|f| MTF(f)^2: in eight rings the mean power is within 10 % of the formula, over sixteen images."""
        image, spec = flat(40.0, self.frame, noise_sd=30.0)
        power = np.mean([spectrum(changed("ct_dose", 0.5, image, spec, seed=i)[0] - 40) for i in range(16)], axis=0)
        f = np.hypot(*np.meshgrid(np.fft.fftfreq(N, 0.8), np.fft.fftfreq(N, 0.8)))
        wanted = f * np.exp(-np.log(2) * (f / F50_PER_MM) ** 2) ** 2
        wanted *= power.mean() / wanted.mean()
        for low, high in zip(np.linspace(0.05, 0.55, 9)[:-1], np.linspace(0.05, 0.55, 9)[1:], strict=True):
            ring = (f >= low) & (f < high)
            assert power[ring].mean() == pytest.approx(wanted[ring].mean(), rel=TENTH)

    def test_noise_is_measured_in_soft_tissue(self) -> None:
        """The noise of the phantom, correlated as that of a scanner, is found to 10 % beside lungs, bone and edges."""
        s = scene("ct", size=160)
        spec = describe(s.image, frame_of(s.input))
        assert spec.noise_sd == pytest.approx(CT_NOISE_HU, rel=TENTH)

    def test_at_half_the_dose_the_noise_of_a_phantom_grows_by_the_root_of_two(self) -> None:
        """Measured before and after by the same estimate, to 10 %."""
        s = scene("ct", size=160)
        frame = frame_of(s.input)
        spec = describe(s.image, frame)
        after = describe(changed("ct_dose", 0.5, s.image, spec), frame)
        assert after.noise_sd is not None
        assert after.noise_sd / CT_NOISE_HU == pytest.approx(np.sqrt(2), rel=TENTH)

    @pytest.mark.parametrize("severity", [-0.4, -0.2, 0.2])
    @pytest.mark.parametrize("cycles", [6, 12, 24])
    def test_the_kernel_has_the_transfer_that_was_asked(self, severity: float, cycles: int) -> None:
        """A wave is changed by MTF_target / MTF_source at its frequency, to 10 %."""
        f = cycles / N / 0.8
        wanted = np.exp(-np.log(2) * f**2 * ((F50_PER_MM * (1 + severity)) ** -2 - F50_PER_MM**-2))
        assert transfer("ct_kernel", severity, self.frame, cycles / N, (40.0, 200.0)) == pytest.approx(
            wanted, rel=TENTH
        )

    def test_the_kernel_amplifies_no_more_than_four_times(self) -> None:
        """At the highest frequencies of the sharpest kernel."""
        assert transfer("ct_kernel", 2.0, self.frame, 40 / N, (40.0, 20.0)) == pytest.approx(4.0, rel=0.05)

    def test_noise_goes_through_the_kernel(self) -> None:
        """A smoother kernel takes noise away from an image that has it."""
        s = scene("ct", size=N)
        spec = describe(s.image, frame_of(s.input))
        soft = describe(changed("ct_kernel", -0.4, s.image, spec), spec.frame).noise_sd
        assert soft is not None
        assert spec.noise_sd is not None
        assert soft < 0.6 * spec.noise_sd

    def test_calibration_moves_air_and_water_as_stated(self) -> None:
        """-1000 + s (HU + 1000) + b: b moves all alike, s leaves air and moves water."""
        image, spec = flat(0.0, self.frame)
        image[0, :48] = -1000.0
        np.testing.assert_allclose(changed("ct_offset", 20.0, image, spec) - image, 20.0)
        scaled = changed("ct_scale", 0.02, image, spec) - image
        assert (scaled[0, 0, 0], scaled[0, 60, 0]) == (0.0, 20.0)

    def test_a_deeper_breath_keeps_the_mass_of_the_lung(self) -> None:
        """(HU + 1000) V is the same before and after; tissue keeps its number."""
        image, spec = flat(40.0, self.frame)
        image[0, :48] = -800.0
        out = changed("ct_inspiration", 0.25, image, spec)
        assert (out[0, 0, 0] + 1000) * 1.25 == pytest.approx(200, abs=1)
        assert out[0, 60, 0] == 40

    def test_tables_move_what_they_declare(self) -> None:
        """Contrast medium: soft tissue by the severity, fat and bone not. Voltage: bone by its factor, water not."""
        image, spec = flat(60.0, self.frame)
        image[0, :32], image[0, 32:64] = -100.0, 1100.0
        phase = changed("ct_enhancement", 50.0, image, spec) - image
        assert (phase[0, 80, 0], phase[0, 0, 0], phase[0, 40, 0]) == (50.0, 0.0, 0.0)
        voltage = changed("ct_voltage", 0.2, image, spec) - image
        assert (voltage[0, 80, 0], voltage[0, 0, 0], voltage[0, 40, 0]) == (0.0, 0.0, 200.0)

    def test_streaks_have_the_amplitude_that_was_asked(self) -> None:
        """No more than the severity anywhere, more than two thirds of it beside the metal, and about 0 on the whole."""
        image, spec = flat(40.0, self.frame)
        streaks = changed("ct_metal", 300.0, image, spec) - image
        assert 200 < np.abs(streaks).max() <= 300
        assert abs(streaks.mean()) < 20

    def test_a_larger_field_shows_the_patient_smaller(self) -> None:
        """The area of the body falls by the square of the factor, to 5 %."""
        s = scene("ct", size=N)
        spec = describe(s.image, frame_of(s.input))
        out = changed("ct_field", 0.25, s.image, spec)
        assert (out > -500).sum() / (s.image > -500).sum() == pytest.approx(1 / 1.25**2, rel=0.05)
        assert out[0, 0, 0] == -1024
