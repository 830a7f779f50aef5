"""Microscopy: stains by their optical density."""

from __future__ import annotations

import numpy as np

from audit.acquisition import Frame
from tests.acquisition._images import changed, flat


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
