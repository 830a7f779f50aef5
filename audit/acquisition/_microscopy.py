"""Microscopy of stained tissue: stains by their optical density, focus, file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage
from audit.acquisition._photo import Defocus, defocused
from audit.acquisition._xray_display import Jpeg, compressed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

# Columns haematoxylin, eosin and what is left, in red, green and blue (Ruifrok and Johnston 2001), of length 1.
HAEMATOXYLIN, EOSIN = (0.650, 0.704, 0.286), (0.072, 0.990, 0.105)
RUIFROK = "Ruifrok and Johnston 2001, Quantification of histochemical staining by color deconvolution, Analytical and Quantitative Cytology and Histology 23"  # noqa: E501
TELLEZ = "Tellez and others 2019, Quantifying the effects of data augmentation and stain color normalization in convolutional neural networks for computational pathology, Medical Image Analysis 58"  # noqa: E501


def stain_matrix() -> Floats:
    """Return (3 colours, 3 stains): haematoxylin, eosin, and a direction at right angles to both, each of length 1."""
    h, e = (np.asarray(v) / np.linalg.norm(v) for v in (HAEMATOXYLIN, EOSIN))
    rest = np.cross(h, e)
    return np.stack([h, e, rest / np.linalg.norm(rest)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Stains(Parameters):
    """OD = M c; c' = alpha c + beta, stain by stain.

    Args:
        alpha: Of haematoxylin, eosin and the rest.
        beta: Of the same.
    """

    stage: ClassVar[Stage] = "object"
    alpha: tuple[float, float, float]
    beta: tuple[float, float, float]

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`.

        Raises:
            ValueError: The image has not three channels.
        """
        if image.shape[0] != 3:
            raise ValueError(f"expected three channels, got {image.shape[0]}")
        step = frame.span / 255
        density = -np.log(np.maximum(image - frame.low, 0.0) / step + 1) + np.log(256.0)
        matrix = stain_matrix()
        amounts = np.tensordot(np.linalg.inv(matrix), density, axes=1)
        column = (3, *[1] * (image.ndim - 1))
        other = np.reshape(self.alpha, column) * amounts + np.reshape(self.beta, column)
        light = 256.0 * np.exp(-np.tensordot(matrix, other, axes=1)) - 1
        return np.asarray(frame.low + step * light, dtype=np.float64)


def _haematoxylin(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Stains:
    del spec, rng
    return Stains(alpha=(1 + severity, 1.0, 1.0), beta=(0.0, 0.0, 0.0))


def _eosin(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Stains:
    del spec, rng
    return Stains(alpha=(1.0, 1 + severity, 1.0), beta=(0.0, 0.0, 0.0))


def _background(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Stains:
    del spec, rng
    return Stains(alpha=(1.0, 1.0, 1.0), beta=(severity, severity, 0.0))


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="microscopy_haematoxylin", title="haematoxylin", unit="share", amount="change of the amount of stain",
        kind=Stains, channels=(3,), draw=_haematoxylin, ladder=(0.15, 0.3, 0.6), most=3.0, least=-0.9, standard=True,
        formula="OD = −log((I + 1)/256) = M c; c_H′ = (1 + severity) c_H",
        approximates=(
            "The stain vectors of Ruifrok and Johnston for every laboratory; a linear law of Beer and "
            "Lambert."
        ),
        references=(RUIFROK, TELLEZ),
    ),
    Knob(
        name="microscopy_eosin", title="eosin", unit="share", amount="change of the amount of stain",
        kind=Stains, channels=(3,), draw=_eosin, ladder=(0.15, 0.3, 0.6), most=3.0, least=-0.9, standard=True,
        formula="OD = −log((I + 1)/256) = M c; c_E′ = (1 + severity) c_E",
        approximates=(
            "The stain vectors of Ruifrok and Johnston for every laboratory; a linear law of Beer and "
            "Lambert."
        ),
        references=(RUIFROK, TELLEZ),
    ),
    Knob(
        name="microscopy_background", title="background stain", unit="optical density", amount="stain everywhere",
        kind=Stains, channels=(3,), draw=_background, ladder=(0.05, 0.1, 0.2), most=2.0, least=-1.0, standard=True,
        formula="OD = −log((I + 1)/256) = M c; c′ = c + severity for both stains",
        approximates="The same amount everywhere, glass among it.", references=(RUIFROK, TELLEZ),
    ),
    Knob(
        name="microscopy_focus", title="focus", unit="pixels", amount="radius of the disc",
        kind=Defocus, draw=defocused, ladder=(1.0, 2.0, 4.0), most=30.0, standard=True,
        formula="L ∗ disc(severity) in linear light", approximates="A thin section in one plane; geometric optics.",
        one_way="sharpness that was lost cannot be regained", references=(TELLEZ,),
    ),
    Knob(
        name="microscopy_jpeg", title="JPEG", unit="quality lost", amount="libjpeg quality below 96",
        kind=Jpeg, draw=compressed, channels=(1, 3), ladder=(10.0, 30.0, 60.0), most=95.0, standard=True,
        formula="written with quality 96 − severity and read again",
        approximates="libjpeg as Pillow has it; what was compressed before is compressed again.",
        one_way="what the file lost cannot be regained", references=(TELLEZ,),
    ),
)  # fmt: skip
