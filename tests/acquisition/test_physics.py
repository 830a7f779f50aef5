"""Simulators do what their formulas say: noise, transfer and signal within 10 % of what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import KNOBS, Frame, ImageSpec, apply, describe, frame_of
from audit.acquisition._ct import F50_PER_MM
from audit.acquisition._mr_physics import spin_echo, t1_ms
from audit.acquisition._operations import disc_kernel, f50_of_sigma, line_kernel, smooth_field
from audit.acquisition._photo import from_light, to_light
from audit.acquisition._us import RANGE_DB, envelope_of
from audit.acquisition._xray import from_linear, quanta_of, to_linear
from audit.testing import scene
from audit.testing._scenes import CT_NOISE_HU

N = 96
TENTH = 0.10


def flat(
    value: float, frame: Frame, *, noise_sd: float | None = None, channels: int = 1
) -> tuple[np.ndarray, ImageSpec]:
    """Return an even image of real numbers, and what a simulator sees of it."""
    image = np.full((channels, N, N), value, dtype=np.float64)
    field = np.ones((N, N), dtype=bool)
    spec = ImageSpec(frame=frame, shape=(N, N), channels=channels, field=field, signal=value, noise_sd=noise_sd)
    return image, spec


def changed(name: str, severity: float, image: np.ndarray, spec: ImageSpec, seed: int = 0) -> np.ndarray:
    """Return the image under one change, over the whole of it."""
    change = KNOBS[name].sample(severity, spec, np.random.default_rng(seed))
    return apply(image, change, field=spec.field)


def spectrum(noise: np.ndarray) -> np.ndarray:
    """Return the noise power of a plane."""
    return np.abs(np.fft.fft2(noise)) ** 2


def transfer(name: str, severity: float, frame: Frame, f: float, values: tuple[float, float]) -> float:
    """Return the modulation that is left of a cosine across the columns, f in cycles a pixel."""
    x = np.arange(N)
    middle, amplitude = values
    image = np.broadcast_to(middle + amplitude * np.cos(2 * np.pi * f * x), (1, N, N)).copy()
    _, spec = flat(middle, frame)
    out = changed(name, severity, image, spec)[0, N // 2]
    inner = slice(16, 80)
    wave = np.exp(-2j * np.pi * f * x[inner])
    return float(np.abs(np.sum((out[inner] - middle) * wave)) / np.abs(np.sum((image[0, 0, inner] - middle) * wave)))


class TestMagneticResonance:
    """Rician noise, fields, k-space."""

    frame = Frame(modality="mr", low=0.0, high=4095.0, spacing_mm=(1.0, 1.0))

    @pytest.mark.parametrize("share", [0.02, 0.1])
    def test_noise_at_high_signal_has_the_sigma_that_was_asked(self, share: float) -> None:
        """SD of severity x mean signal, to 10 %, so that the SNR is its inverse."""
        image, spec = flat(1000.0, self.frame)
        out = changed("mr_noise", share, image, spec)
        assert out.std() == pytest.approx(share * 1000, rel=TENTH)
        assert out.mean() / out.std() == pytest.approx(1 / share, rel=TENTH)

    def test_noise_without_signal_is_of_rayleigh(self) -> None:
        """In a void the mean is sigma sqrt(pi / 2) and the SD sigma sqrt(2 - pi / 2) (Gudbjartsson and Patz 1995)."""
        image, spec = flat(1000.0, self.frame)
        image[0, :48] = 0.0
        void = changed("mr_noise", 0.1, image, spec)[0, :48]
        assert void.mean() == pytest.approx(100 * np.sqrt(np.pi / 2), rel=TENTH)
        assert void.std() == pytest.approx(100 * np.sqrt(2 - np.pi / 2), rel=TENTH)

    @pytest.mark.parametrize("peak", [0.1, 0.8])
    def test_bias_field_has_the_peak_that_was_asked(self, peak: float) -> None:
        """The largest factor, or its inverse, is 1 + peak to 1e-9; the mean logarithm is 0."""
        image, spec = flat(1000.0, self.frame)
        factor = changed("mr_bias", peak, image, spec)[0] / 1000
        assert max(factor.max(), 1 / factor.min()) == pytest.approx(1 + peak, rel=1e-3)
        assert np.log(factor).mean() == pytest.approx(0, abs=1e-3)
        assert np.abs(np.diff(factor, axis=0)).max() < peak / 5, "smooth"

    def test_a_bias_field_is_the_exponential_of_its_polynomials(self) -> None:
        """By hand for one linear term: exp(a y) with a = log(1 + peak)."""
        field = smooth_field((5, 3), (0.0, 1.0), order=1, peak=0.5)
        by_hand = np.exp(np.log(1.5) * np.linspace(-1, 1, 5))[:, None] * np.ones((5, 3))
        np.testing.assert_allclose(field, by_hand, rtol=1e-12)

    def test_contrast_turns_about_the_mean_signal(self) -> None:
        """(S / m)^gamma: the pivot stays, the order of the tissues stays, the ratio grows to its power."""
        image, spec = flat(1000.0, self.frame)
        image[0, :24], image[0, 24:48] = 500.0, 2000.0
        out = changed("mr_contrast", 0.4, image, spec)
        assert out[0, 60, 0] == 1000
        assert out[0, 30, 0] / out[0, 0, 0] == pytest.approx(4**1.4, rel=0.01)

    def test_gain_is_a_factor(self) -> None:
        """1 + severity, to a stored step."""
        image, spec = flat(1000.0, self.frame)
        np.testing.assert_allclose(changed("mr_gain", -0.25, image, spec), 750.0, atol=0.5)

    def test_resolution_keeps_what_is_inside_and_removes_what_is_outside(self) -> None:
        """At 40 % removed a wave at 0.25 of 0.5 cycles a pixel passes whole, one at 0.375 not at all."""
        assert transfer("mr_resolution", 0.4, self.frame, 24 / 96, (1000.0, 200.0)) == pytest.approx(1, abs=0.01)
        assert transfer("mr_resolution", 0.4, self.frame, 36 / 96, (1000.0, 200.0)) == pytest.approx(0, abs=0.01)

    def test_an_edge_rings_by_gibbs(self) -> None:
        """A cropped k-space overshoots an edge by about 9 % of its height."""
        image, spec = flat(1000.0, self.frame)
        image[0, :, 24:72] = 2000.0
        out = changed("mr_resolution", 0.7, image, spec)
        assert (out.max() - 2000) / 1000 == pytest.approx(0.0895, abs=0.02)

    def test_motion_of_all_segments_but_the_middle_shifts_the_edges_of_kspace_only(self) -> None:
        """The mean of the image is read in the middle of k-space and stays; the largest shift is the severity."""
        s = scene("mr", size=64)
        spec = describe(s.image, frame_of(s.input))
        change = KNOBS["mr_motion"].sample(3.0, spec, np.random.default_rng(0))
        far = max(np.hypot(*shift) for shift in change.parameters.shifts_mm)  # type: ignore[union-attr]
        assert far == pytest.approx(3.0, abs=1e-9)
        moved = change.parameters.change(s.image.astype(np.float64), spec.frame)  # type: ignore[union-attr]
        assert moved.mean() == pytest.approx(s.image.mean(), rel=0.05)

    def test_a_shift_of_every_segment_is_a_shift_of_the_image(self) -> None:
        """k(line) exp(-2 pi i k d) for all lines is the image rolled by d, here 3 rows of 2 mm."""
        from audit.acquisition._mr_kspace import Motion

        frame = Frame(modality="mr", low=0.0, high=4095.0, spacing_mm=(2.0, 2.0))
        image = scene("mr", size=64).image.astype(np.float64)
        whole = Motion(shifts_mm=((6.0, 0.0),), rotations_degrees=(0.0,), edges_share=(1.0,))
        np.testing.assert_allclose(whole.change(image, frame), np.roll(image, 3, axis=1), atol=1e-3)

    def test_a_ghost_is_displaced_by_the_matrix_over_n(self) -> None:
        """Every second line weaker by a: a ghost half a field away with a / 2 of the signal (here 2 of 4 rows)."""
        from audit.acquisition._mr_kspace import Ghost

        image = np.zeros((1, 64, 64))
        image[0, 8:16, 20:40] = 1000.0
        out = Ghost(loss_share=0.3, every_lines=2).change(image, self.frame)
        assert out[0, 44, 30] == pytest.approx(150, rel=TENTH)
        assert out[0, 12, 30] == pytest.approx(850, rel=TENTH)

    def test_a_spike_is_one_wave(self) -> None:
        """One point of k-space with a share of the largest: a wave of that share of the mean signal."""
        image, spec = flat(1000.0, self.frame)
        out = changed("mr_spikes", 0.1, image, spec)
        assert (out.max() - out.min()) / 2 == pytest.approx(100, rel=TENTH)

    def test_thicker_planes_average_their_neighbours(self) -> None:
        """Planes of 2 mm made 6 mm thick: noise falls by sqrt(3), and an even volume stays as it is."""
        rng = np.random.default_rng(0)
        frame = Frame(modality="mr", low=0.0, high=4095.0, spacing_mm=(2.0, 1.0, 1.0))
        volume = 1000 + 50 * rng.standard_normal((1, 30, 48, 48))
        spec = ImageSpec(
            frame=frame, shape=(30, 48, 48), channels=1, field=np.ones((30, 48, 48), dtype=bool), signal=1000.0,
            noise_sd=50.0,
        )  # fmt: skip
        out = changed("mr_thickness", 4.0, volume, spec)
        middles = out[0, 1::3]
        assert middles.std() == pytest.approx(50 / np.sqrt(3), rel=TENTH)
        np.testing.assert_allclose(changed("mr_thickness", 4.0, np.full_like(volume, 700.0), spec), 700.0)

    def test_a_gap_interpolates_what_was_not_measured(self) -> None:
        """A gap as wide as a plane: every second plane is the mean of its neighbours."""
        from audit.acquisition._operations import resampled_planes

        volume = np.arange(9.0).reshape(1, 9, 1, 1) ** 2
        out = resampled_planes(volume, thickness=1.0, spacing=2.0)[0, :, 0, 0]
        # Planes 0, 2, 4 and so on are half a plane away from those read, so all but the ends are their means.
        read = (np.arange(9) + 0.0) ** 2
        middles = np.array([4.5 - 4 + 1 + 2 * k - 0.5 for k in range(4)])
        by_hand = np.interp(
            np.clip(np.arange(9.0), middles[0], middles[-1]), middles, np.interp(middles, np.arange(9), read)
        )
        np.testing.assert_allclose(out, by_hand, atol=1e-9)

    def test_signals_of_phantoms_follow_the_spin_echo(self) -> None:
        """PD (1 - e^(-TR/T1)) e^(-TE/T2) by hand; T1 of white matter at 3 T 0.887 s, of grey 1.295 s (Rooney 2007)."""
        assert spin_echo(proton_density=0.8, t1_ms=1000, t2_ms=100, tr_ms=1000, te_ms=100) == pytest.approx(
            0.8 * 0.6321206 * 0.3678794, rel=1e-6
        )
        assert t1_ms("white matter", field_tesla=3) == pytest.approx(887, rel=0.01)
        assert t1_ms("grey matter", field_tesla=3) == pytest.approx(1295, rel=0.01)
        assert t1_ms("white matter", field_tesla=1.5) < t1_ms("white matter", field_tesla=3)


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


class TestUltrasound:
    """Decibels of a log-compressed image."""

    frame = Frame(modality="us", low=0.0, high=255.0, spacing_mm=(0.4, 0.4))

    def test_gain_is_in_decibels(self) -> None:
        """6 dB of 60 are a tenth of the range, and double the envelope to 2 %."""
        image, spec = flat(100.0, self.frame)
        out = changed("us_gain", 6.0, image, spec)
        np.testing.assert_allclose(out - image, 25.5, atol=0.51)
        ratio = envelope_of(out, self.frame, RANGE_DB) / envelope_of(image, self.frame, RANGE_DB)
        assert ratio[0, 0, 0] == pytest.approx(2.0, rel=0.02)

    def test_attenuation_goes_there_and_back(self) -> None:
        """At the last row of 96 x 0.4 mm a loss of 1 dB/cm is 2 x 3.84 dB, to half a stored step."""
        image, spec = flat(200.0, self.frame)
        out = changed("us_attenuation", 1.0, image, spec)
        assert (200 - out[0, -1, 0]) / 255 * 60 == pytest.approx(2 * 3.84, abs=0.15)
        assert out[0, 0, 0] == 200

    def test_a_wider_dynamic_range_lowers_contrast_below_the_maximum(self) -> None:
        """The brightest stays; 30 dB below it of 60 are shown as 30 of 90."""
        image, spec = flat(127.5, self.frame)
        image[0, 0] = 255.0
        out = changed("us_range", 30.0, image, spec)
        assert out[0, 0, 0] == 255
        assert out[0, 50, 0] == pytest.approx(255 * (1 - 30 / 90), abs=1)

    def test_noise_is_of_rayleigh_where_nothing_echoes(self) -> None:
        """Mean envelope sigma sqrt(pi / 2) in a void, to 10 %, with sigma in decibels above the darkest level."""
        image, spec = flat(100.0, self.frame)
        image[0, :48] = 0.0
        out = changed("us_noise", 30.0, image, spec)
        mean = envelope_of(out[0, :48], self.frame, RANGE_DB).mean()
        # The envelope of the darkest level itself is 1.
        assert mean == pytest.approx(10 ** (30 / 20) * np.sqrt(np.pi / 2), rel=TENTH)

    def test_a_shadow_lowers_what_lies_below(self) -> None:
        """By the severity, in a strip, and nowhere above its top."""
        image, spec = flat(200.0, self.frame)
        loss = (200 - changed("us_shadow", 12.0, image, spec)[0]) / 255 * 60
        assert loss.max() == pytest.approx(12, rel=0.01)
        assert loss[:8].max() == 0
        assert 0.05 < (loss[-1] > 6).mean() < 0.25

    def test_the_point_spread_is_wider_across_the_beams(self) -> None:
        """One bright echo becomes twice as wide across as along, to 10 %, in the envelope."""
        image, spec = flat(0.0, self.frame)
        image[0, 48, 48] = 255.0
        envelope = envelope_of(changed("us_resolution", 1.6, image, spec), self.frame, RANGE_DB)[0] - 1
        place = (np.arange(N) - 48) * 0.4
        along, across = (np.sqrt((envelope.sum(axis=a) * place**2).sum() / envelope.sum()) for a in (1, 0))
        assert across / along == pytest.approx(2.0, rel=TENTH)


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


class TestMicroscopy:
    """Stains by their optical density."""

    frame = Frame(modality="microscopy", low=0.0, high=255.0)

    def test_a_stain_is_scaled_and_the_other_is_not(self) -> None:
        """Of a pixel with known amounts, haematoxylin grows by the factor and eosin stays, to 2 % of real numbers."""
        from audit.acquisition._microscopy import Stains, stain_matrix

        amounts = np.array([0.6, 0.4, 0.0])
        image = np.broadcast_to((256 * np.exp(-stain_matrix() @ amounts) - 1)[:, None, None], (3, 8, 8)).copy()
        out = Stains(alpha=(1.5, 1.0, 1.0), beta=(0.0, 0.0, 0.0)).change(image, self.frame)
        found = np.linalg.inv(stain_matrix()) @ -np.log((out[:, 0, 0] + 1) / 256)
        np.testing.assert_allclose(found, [0.9, 0.4, 0.0], atol=1e-9)

    def test_the_stain_vectors_are_of_unit_length(self) -> None:
        """So are those of Ruifrok and Johnston, and the third is at right angles to both."""
        from audit.acquisition._microscopy import stain_matrix

        np.testing.assert_allclose(np.linalg.norm(stain_matrix(), axis=0), 1.0)
        np.testing.assert_allclose(stain_matrix()[:, 2] @ stain_matrix()[:, :2], 0.0, atol=1e-12)

    def test_background_stain_darkens_glass(self) -> None:
        """A density of 0.1 of both stains on glass, red, green and blue by hand to a grey level."""
        from audit.acquisition._microscopy import stain_matrix

        image, spec = flat(255.0, self.frame, channels=3)
        by_hand = 256 * np.exp(-stain_matrix() @ np.array([0.1, 0.1, 0.0])) - 1
        np.testing.assert_allclose(changed("microscopy_background", 0.1, image, spec)[:, 0, 0], by_hand, atol=0.51)
