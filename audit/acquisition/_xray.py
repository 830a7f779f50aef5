"""Radiography: dose, scatter, sharpness, display, file, geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of
from audit.acquisition._operations import f50_of_sigma, filtered, gaussian_mtf, jpeg, rotated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

LATITUDE = 3.0
ELECTRONIC_QUANTA = 3.0
UNKNOWN_QUANTA = 10_000.0
SCATTER_MM = 20.0
BATH = "Båth, Håkansson, Tingberg and Månsson 2005, Method of simulating dose reduction for digital radiographic systems, Radiation Protection Dosimetry 114"  # noqa: E501
BOONE = "Boone and Seibert 1988, An analytical model of the scattered radiation distribution in diagnostic radiology, Medical Physics 15"  # noqa: E501


def to_linear(image: Floats, frame: Frame) -> Floats:
    """Return the relative intensity at the detector, above 0 and at most 1 in the stored range.

    The declared table is logarithmic: what absorbs is bright, and the stored range spans `LATITUDE` natural logarithms.
    """
    return np.asarray(np.exp(-LATITUDE * (image - frame.low) / frame.span), dtype=np.float64)


def from_linear(intensity: Floats, frame: Frame) -> Floats:
    """Return what `to_linear` was given; intensities of 0 and less become the brightest that can be stored."""
    floor = np.exp(-LATITUDE) * 1e-3
    return np.asarray(frame.low - np.log(np.maximum(intensity, floor)) / LATITUDE * frame.span, dtype=np.float64)


def quanta_of(noise_sd: float | None, signal: float, frame: Frame) -> float:
    """Return the quanta a pixel, at relative intensity 1, that explain the noise of an image at its mean signal."""
    if not noise_sd:
        return UNKNOWN_QUANTA
    intensity = float(to_linear(np.array(signal), frame))
    relative = LATITUDE * noise_sd / frame.span
    return float(1 / (intensity * relative**2))


@dataclass(frozen=True, kw_only=True)
class LowerExposure(Parameters):
    """What is missing from Poisson(I q d) / (q d) + N(0, s_e) when the image has the noise of d = 1 already.

    The added noise has the variance I (1/d - 1) / q + (s_e / q)^2 (1/d^2 - 1); the brightness stays as it is, since the
    display is rescaled.

    Args:
        dose_share: d, above 0 and below 1.
        quanta: q, a pixel at relative intensity 1.
        electronic_quanta: s_e.
        seed: Of the noise.
    """

    stage: ClassVar[Stage] = "detector"
    dose_share: float
    quanta: float
    electronic_quanta: float
    seed: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        rng = np.random.default_rng(self.seed)
        intensity = to_linear(image, frame)
        # Poisson counts of q d / (1 - d) quanta have just the variance that is missing.
        fewer = self.quanta * self.dose_share / (1 - self.dose_share)
        counted = rng.poisson(intensity * fewer) / fewer
        electronic = self.electronic_quanta / self.quanta * np.sqrt(self.dose_share**-2 - 1)
        return from_linear(counted + electronic * rng.standard_normal(image.shape), frame)


@dataclass(frozen=True, kw_only=True)
class Scatter(Parameters):
    """(1 - f) I + f (G * I), with a wide Gaussian G.

    Args:
        scatter_share: f.
        sigma_mm: Width of G.
    """

    stage: ClassVar[Stage] = "object"
    scatter_share: float
    sigma_mm: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        from scipy.ndimage import gaussian_filter

        intensity = to_linear(image, frame)
        widths = (*[0.0] * (image.ndim - 2), self.sigma_mm / frame.pixel_mm(-2), self.sigma_mm / frame.pixel_mm(-1))
        wide = gaussian_filter(intensity, widths, mode="nearest")
        return from_linear((1 - self.scatter_share) * intensity + self.scatter_share * wide, frame)


@dataclass(frozen=True, kw_only=True)
class Unsharpness(Parameters):
    """A Gaussian modulation transfer on the intensity at the detector.

    Args:
        sigma_mm: Width of the point spread.
        f50_per_mm: Where its modulation transfer is one half.
    """

    stage: ClassVar[Stage] = "detector"
    sigma_mm: float
    f50_per_mm: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        spacing = (frame.pixel_mm(-2), frame.pixel_mm(-1))
        blurred = filtered(to_linear(image, frame), spacing, lambda f: gaussian_mtf(f, self.f50_per_mm))
        return from_linear(blurred, frame)


@dataclass(frozen=True, kw_only=True)
class DisplayWindow(Parameters):
    """Another window: middle + (v - middle) / width + level, as shares of the stored range.

    Args:
        width_ratio: Above 1 for a wider window, which shows less contrast.
        level_share: Brightness added, as a share of the stored range.
    """

    stage: ClassVar[Stage] = "display"
    width_ratio: float
    level_share: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        middle = (frame.low + frame.high) / 2
        return middle + (image - middle) / self.width_ratio + self.level_share * frame.span


@dataclass(frozen=True, kw_only=True)
class Jpeg(Parameters):
    """The image written as JPEG and read again; images of more than 8 bits lose the rest.

    Args:
        quality: 1 to 95, as libjpeg counts it.
    """

    stage: ClassVar[Stage] = "file"
    quality: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return jpeg(image, quality=self.quality, low=frame.low, high=frame.high)


@dataclass(frozen=True, kw_only=True)
class Rotation(Parameters):
    """The plane rotated about its middle.

    Args:
        degrees: Anticlockwise.
        fill: What comes in at the corners, in stored units.
    """

    stage: ClassVar[Stage] = "object"
    whole: ClassVar[bool] = True
    degrees: float
    fill: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        return rotated(image, self.degrees, fill=self.fill)


@dataclass(frozen=True, kw_only=True)
class Collimation(Parameters):
    """A border of the plane that the beam does not reach.

    Args:
        border_share: Width on every side, as a share of that side.
        fill: What is shown there, in stored units.
    """

    stage: ClassVar[Stage] = "detector"
    whole: ClassVar[bool] = True
    border_share: float
    fill: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        out = np.full_like(image, self.fill)
        rows, columns = (round(self.border_share * n) for n in image.shape[-2:])
        inside = (..., slice(rows, image.shape[-2] - rows), slice(columns, image.shape[-1] - columns))
        out[inside] = image[inside]
        return out


@dataclass(frozen=True, kw_only=True)
class Inversion(Parameters):
    """Grey levels turned round, as when MONOCHROME1 is read as MONOCHROME2.

    Args:
        share: 1; between 0 and 1 a mixture of both images, which no device makes.
    """

    stage: ClassVar[Stage] = "display"
    whole: ClassVar[bool] = True
    share: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return (1 - self.share) * image + self.share * (frame.low + frame.high - image)


def _dose(severity: float, spec: ImageSpec, rng: np.random.Generator) -> LowerExposure:
    return LowerExposure(
        dose_share=1 - severity, quanta=quanta_of(spec.noise_sd, spec.signal, spec.frame),
        electronic_quanta=ELECTRONIC_QUANTA, seed=seed_of(rng),
    )  # fmt: skip


def _scatter(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Scatter:
    del rng
    known = spec.frame.spacing_mm is not None
    return Scatter(scatter_share=severity, sigma_mm=SCATTER_MM if known else 0.06 * spec.shape[-1])


def _blur(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Unsharpness:
    del spec, rng
    return Unsharpness(sigma_mm=severity, f50_per_mm=f50_of_sigma(severity))


def _width(severity: float, spec: ImageSpec, rng: np.random.Generator) -> DisplayWindow:
    del spec, rng
    return DisplayWindow(width_ratio=1 + severity, level_share=0.0)


def _level(severity: float, spec: ImageSpec, rng: np.random.Generator) -> DisplayWindow:
    del spec, rng
    return DisplayWindow(width_ratio=1.0, level_share=severity)


def compressed(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Jpeg:
    """Return a JPEG whose quality is `severity` below 96."""
    del spec, rng
    return Jpeg(quality=max(1, round(96 - severity)))


def _turn(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Rotation:
    del rng
    return Rotation(degrees=severity, fill=spec.frame.low)


def _collimated(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Collimation:
    del rng
    return Collimation(border_share=severity, fill=spec.frame.low)


def _inverted(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Inversion:
    del spec, rng
    return Inversion(share=severity)


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="xray_dose", title="lower dose", unit="share", amount="share of the dose that is saved",
        kind=LowerExposure, noise=True, draw=_dose, ladder=(0.25, 0.5, 0.75, 0.9), most=0.99, standard=True,
        formula=(
            "I′ = Poisson(I q d)/(q d) + N(0, σ_e): only what is missing at d = 1 is added; q from the "
            "image's own noise"
        ),
        approximates=(
            "White quantum noise; the table from intensity to grey level is taken to be logarithmic over 3 "
            "e-folds."
        ),
        one_way="noise that is in an image cannot be taken out again", references=(BATH,),
    ),
    Knob(
        name="xray_scatter", title="scatter", unit="share", amount="share of the intensity that is scattered",
        kind=Scatter, draw=_scatter, ladder=(0.1, 0.25, 0.5), most=0.95, standard=True,
        formula="(1 − f) I + f (G_σ ∗ I), σ = 20 mm (6 % of the width where the spacing is unknown)",
        approximates="One Gaussian kernel for every thickness; no grid, no noise of its own.",
        one_way="scatter that is in an image is not known", references=(BOONE,),
    ),
    Knob(
        name="xray_blur", title="unsharpness", unit="mm",
        amount="width of the point spread (SD), pixels where the spacing is unknown",
        kind=Unsharpness, draw=_blur, ladder=(0.5, 1.0, 2.0), most=50.0, standard=True,
        formula="intensity filtered by MTF(f) = exp(−2 (π σ f)²)",
        approximates="A Gaussian point spread, alike everywhere.",
        one_way="sharpness that was lost cannot be regained", references=(BATH,),
    ),
    Knob(
        name="xray_window", title="window width", unit="share", amount="change of the width; above 0 less contrast",
        kind=DisplayWindow, draw=_width, ladder=(0.1, 0.25, 0.5), most=4.0, least=-0.8, standard=True,
        formula="middle + (v − middle) / (1 + severity)", approximates="A linear window about the middle of the range.",
    ),
    Knob(
        name="xray_level", title="window level", unit="share of the range", amount="brightness that is added",
        kind=DisplayWindow, draw=_level, ladder=(0.05, 0.1, 0.2), most=0.8, least=-0.8, standard=True,
        formula="v + severity × range", approximates="A linear window; clipping at the ends of the range is real.",
    ),
    Knob(
        name="xray_rotation", title="rotation", unit="degrees", amount="turn of the patient, anticlockwise",
        kind=Rotation, draw=_turn, ladder=(2.0, 5.0, 10.0), most=180.0, least=-180.0, standard=True,
        formula="bilinear rotation about the middle, corners at the lowest grey level",
        approximates="The plane turns, not the patient in the beam.",
    ),
    Knob(
        name="xray_collimation", title="collimation", unit="share of a side",
        amount="border that the beam does not reach",
        kind=Collimation, draw=_collimated, ladder=(0.05, 0.1, 0.2), most=0.45,
        formula="a border of severity × side at the lowest grey level", approximates="Straight edges without penumbra.",
        one_way="what the beam did not reach is not in the image",
    ),
    Knob(
        name="xray_inversion", title="inversion", unit="share", amount="1: grey levels turned round",
        kind=Inversion, draw=_inverted, ladder=(1.0,), most=1.0,
        formula="low + high − v", approximates="Only severity 1 exists in practice.",
        one_way="turned round twice is the image itself",
    ),
    Knob(
        name="xray_jpeg", title="JPEG", unit="quality lost", amount="libjpeg quality below 96",
        kind=Jpeg, draw=compressed, channels=(1, 3), ladder=(10.0, 30.0, 60.0), most=95.0, standard=True,
        formula="written with quality 96 − severity and read again, 8 bits over the stored range",
        approximates="libjpeg as Pillow has it; what was compressed before is compressed again.",
        one_way="what the file lost cannot be regained",
    ),
)  # fmt: skip
