"""Ultrasound: decibels of a log-compressed image, within 10 %."""

from __future__ import annotations

import numpy as np
import pytest

from audit.acquisition import Frame
from audit.acquisition._us import RANGE_DB, envelope_of
from tests.acquisition._images import TENTH, N, changed, flat


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
