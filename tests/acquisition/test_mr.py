"""MR: Rician noise, fields and k-space are what their formulas say, within 10 %."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import KNOBS, Frame, ImageSpec, describe, frame_of, spin_echo, t1_ms
from audit.acquisition._operations import smooth_field
from audit.testing import scene
from tests.acquisition._images import TENTH, changed, flat, transfer


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
