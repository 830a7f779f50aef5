"""Radiography, the beam: dose, scatter, sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of
from audit.acquisition._operations import f50_of_sigma, filtered, gaussian_mtf

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
)  # fmt: skip
