"""Photographs, fundus images among them: light, colour, focus, sensor, file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of
from audit.acquisition._operations import convolved, disc_kernel, line_kernel, polynomial_terms, smooth_field
from audit.acquisition._xray_display import Jpeg, compressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

ORDER = 2
READ_SHARE = 0.1
SRGB = "IEC 61966-2-1:1999, Default RGB colour space, sRGB"
FOI = "Foi, Trimeche, Katkovnik and Egiazarian 2008, Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data, IEEE Transactions on Image Processing 17"  # noqa: E501
HENDRYCKS = "Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and perturbations, arXiv:1903.12261"  # noqa: E501


def to_light(image: Floats, frame: Frame) -> Floats:
    """Return linear light, 0 to 1 over the stored range, by the transfer function of sRGB."""
    v = (image - frame.low) / frame.span
    high = ((np.maximum(v, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(v <= 0.04045, v / 12.92, high), dtype=np.float64)


def from_light(light: Floats, frame: Frame) -> Floats:
    """Return what `to_light` was given."""
    high = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(frame.low + frame.span * np.where(light <= 0.0031308, 12.92 * light, high), dtype=np.float64)


def in_light(image: Floats, frame: Frame, change: Callable[[Floats], Floats]) -> Floats:
    """Return an image changed in linear light; the sensor saturates at 1."""
    return from_light(np.clip(change(to_light(image, frame)), 0.0, 1.0), frame)


@dataclass(frozen=True, kw_only=True)
class Illumination(Parameters):
    """L times a smooth field.

    Args:
        peak_share: Largest factor minus 1 (or its inverse minus 1).
        order: Order of the Legendre polynomials.
        coefficients: Of `polynomial_terms`, on any scale.
    """

    stage: ClassVar[Stage] = "object"
    peak_share: float
    order: int
    coefficients: tuple[float, ...]

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        field = smooth_field(image.shape[1:], self.coefficients, self.order, self.peak_share)
        return in_light(image, frame, lambda light: light * field)


@dataclass(frozen=True, kw_only=True)
class WhiteBalance(Parameters):
    """diag(r, 1, b) L.

    Args:
        red: r.
        blue: b.
    """

    stage: ClassVar[Stage] = "reconstruction"
    red: float
    blue: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        factors = np.array([self.red, 1.0, self.blue] if image.shape[0] == 3 else [1.0] * image.shape[0])
        return in_light(image, frame, lambda light: light * factors.reshape(-1, *[1] * (image.ndim - 1)))


@dataclass(frozen=True, kw_only=True)
class Exposure(Parameters):
    """L times 2 to the stops.

    Args:
        stops: Above 0 brighter.
    """

    stage: ClassVar[Stage] = "detector"
    stops: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return in_light(image, frame, lambda light: light * 2**self.stops)


@dataclass(frozen=True, kw_only=True)
class Defocus(Parameters):
    """The light convolved with a disc.

    Args:
        radius_px: Of the disc, in pixels.
    """

    stage: ClassVar[Stage] = "object"
    radius_px: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return in_light(image, frame, lambda light: convolved(light, disc_kernel(self.radius_px)))


@dataclass(frozen=True, kw_only=True)
class MotionBlur(Parameters):
    """The light convolved with a line.

    Args:
        length_px: Of the line, in pixels.
        angle_degrees: Of the line.
    """

    stage: ClassVar[Stage] = "object"
    length_px: float
    angle_degrees: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return in_light(image, frame, lambda light: convolved(light, line_kernel(self.length_px, self.angle_degrees)))


@dataclass(frozen=True, kw_only=True)
class SensorNoise(Parameters):
    """Noise of variance a L + b in linear light.

    Args:
        per_light: a, of the photons.
        constant: b, of reading.
        seed: Of the noise.
    """

    stage: ClassVar[Stage] = "detector"
    per_light: float
    constant: float
    seed: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        white = np.random.default_rng(self.seed).standard_normal(image.shape)
        return in_light(image, frame, lambda light: light + np.sqrt(self.per_light * light + self.constant) * white)


@dataclass(frozen=True, kw_only=True)
class Vignetting(Parameters):
    """L (1 - v r^2), r = 1 in the corners.

    Args:
        loss_share: v.
    """

    stage: ClassVar[Stage] = "object"
    loss_share: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        y, x = (np.linspace(-1, 1, n) for n in image.shape[-2:])
        squared = (y[:, None] ** 2 + x[None, :] ** 2) / 2
        return in_light(image, frame, lambda light: light * (1 - self.loss_share * squared))


def _light(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Illumination:
    drawn = rng.uniform(-1, 1, len(polynomial_terms(len(spec.shape), ORDER)))
    return Illumination(peak_share=severity, order=ORDER, coefficients=tuple(float(c) for c in drawn))


def _balance(severity: float, spec: ImageSpec, rng: np.random.Generator) -> WhiteBalance:
    del spec, rng
    return WhiteBalance(red=1 + severity, blue=1 / (1 + severity))


def _exposure(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Exposure:
    del spec, rng
    return Exposure(stops=severity)


def defocused(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Defocus:
    """Return a defocus of `severity` pixels."""
    del spec, rng
    return Defocus(radius_px=severity)


def _motion(severity: float, spec: ImageSpec, rng: np.random.Generator) -> MotionBlur:
    del spec
    return MotionBlur(length_px=severity, angle_degrees=float(rng.uniform(0, 180)))


def _noise(severity: float, spec: ImageSpec, rng: np.random.Generator) -> SensorNoise:
    del spec
    # At half light the standard deviation is the severity; a tenth of that variance is of reading.
    variance = severity**2
    return SensorNoise(
        per_light=2 * (1 - READ_SHARE) * variance, constant=READ_SHARE * variance, seed=seed_of(rng)
    )  # fmt: skip


def _vignette(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Vignetting:
    del spec, rng
    return Vignetting(loss_share=severity)


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="photo_illumination", title="uneven light", unit="share", amount="largest gain or loss of light",
        kind=Illumination, draw=_light, ladder=(0.1, 0.3, 0.6), most=4.0, standard=True,
        formula="L · exp(Σ c_k P_k) in linear light, peak 1 + severity",
        approximates="Polynomials of order 2; no specular reflection.",
        one_way="the field that is in an image is not known",
        references=(SRGB,),
    ),
    Knob(
        name="photo_white_balance", title="white balance", unit="share",
        amount="red up and blue down; below 0 the other way",
        kind=WhiteBalance, channels=(3,), draw=_balance, ladder=(0.1, 0.2, 0.4), most=2.0, least=-0.6, standard=True,
        formula="diag(1 + s, 1, 1 / (1 + s)) · L in linear light",
        approximates="Diagonal: no other illuminant spectrum.", references=(SRGB,),
    ),
    Knob(
        name="photo_exposure", title="exposure", unit="stops", amount="change of the exposure",
        kind=Exposure, draw=_exposure, ladder=(0.25, 0.5, 1.0), most=4.0, least=-4.0, standard=True,
        formula="L · 2^severity, clipped where the sensor saturates",
        approximates="Noise does not change with the exposure.",
        references=(SRGB,),
    ),
    Knob(
        name="photo_defocus", title="defocus", unit="pixels", amount="radius of the disc",
        kind=Defocus, draw=defocused, ladder=(1.0, 2.0, 4.0), most=30.0, standard=True,
        formula="L ∗ disc(severity)", approximates="One depth; no aberration.",
        one_way="sharpness that was lost cannot be regained",
        references=(HENDRYCKS,),
    ),
    Knob(
        name="photo_motion", title="camera shake", unit="pixels", amount="length of an even motion",
        kind=MotionBlur, draw=_motion, ladder=(2.0, 4.0, 8.0), most=60.0,
        formula="L ∗ line(severity, random angle)", approximates="Even and straight.",
        one_way="sharpness that was lost cannot be regained", references=(HENDRYCKS,),
    ),
    Knob(
        name="photo_noise", title="sensor noise", unit="share of full light", amount="standard deviation at half light",
        kind=SensorNoise, draw=_noise, ladder=(0.02, 0.05, 0.1), most=0.5, standard=True,
        formula="σ² = a L + b in linear light, a tenth of it b at half light",
        approximates="White noise of independent channels; no demosaicing, no noise reduction.",
        one_way="noise that is in an image cannot be taken out again", references=(FOI,),
    ),
    Knob(
        name="photo_vignetting", title="vignetting", unit="share", amount="loss of light in the corners",
        kind=Vignetting, draw=_vignette, ladder=(0.2, 0.4, 0.7), most=1.0,
        formula="L · (1 − severity · r²), r = 1 in the corners", approximates="A parabola about the middle.",
        one_way="the loss that is in an image is not known", references=(SRGB,),
    ),
    Knob(
        name="photo_jpeg", title="JPEG", unit="quality lost", amount="libjpeg quality below 96",
        kind=Jpeg, draw=compressed, channels=(1, 3), ladder=(10.0, 30.0, 60.0), most=95.0, standard=True,
        formula="written with quality 96 − severity and read again",
        approximates="libjpeg as Pillow has it; what was compressed before is compressed again.",
        one_way="what the file lost cannot be regained", references=(HENDRYCKS,),
    ),
)  # fmt: skip
