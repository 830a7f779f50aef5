"""Computed tomography: dose, kernel, planes, calibration, inspiration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of
from audit.acquisition._mr import Planes, thicker
from audit.acquisition._operations import coloured, filtered, frequencies, gaussian_mtf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

AIR_HU = -1000.0
F50_PER_MM = 0.35
MOST_GAIN = 4.0
LUNG_HU = (-1000.0, -400.0)
NO_NOISE_SD_HU = 10.0
RIEDERER = "Riederer, Pelc and Chesler 1978, The noise power spectrum in computed X-ray tomography, Physics in Medicine and Biology 23"  # noqa: E501
KIJEWSKI = "Kijewski and Judy 1987, The noise power spectrum of CT images, Physics in Medicine and Biology 32"
BOEDEKER = "Boedeker, Cooper and McNitt-Gray 2007, Application of the noise power spectrum in modern diagnostic MDCT, Physics in Medicine and Biology 52"  # noqa: E501


def _plane_mm(frame: Frame) -> tuple[float, float]:
    return frame.pixel_mm(-2), frame.pixel_mm(-1)


@dataclass(frozen=True, kw_only=True)
class LowerDose(Parameters):
    """HU + n, with the noise power of filtered back-projection, |f| MTF(f)^2.

    Args:
        dose_share: Dose as a share of that of the image, above 0 and below 1.
        sigma_source_hu: Standard deviation of the noise of the image.
        sigma_added_hu: sigma_source sqrt(1 / dose_share - 1).
        f50_per_mm: Where the modulation transfer of the kernel is one half.
        seed: Of the noise.
    """

    stage: ClassVar[Stage] = "detector"
    dose_share: float
    sigma_source_hu: float
    sigma_added_hu: float
    f50_per_mm: float
    seed: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        f = frequencies(image.shape, _plane_mm(frame))
        amplitude = np.sqrt(f) * gaussian_mtf(f, self.f50_per_mm)
        return image + self.sigma_added_hu * coloured(image.shape, amplitude, self.seed)


@dataclass(frozen=True, kw_only=True)
class OtherKernel(Parameters):
    """F^-1{F[HU] MTF_target / MTF_source}: the noise of the image goes through it, too.

    Args:
        f50_source_per_mm: Where the modulation transfer of the image's kernel is taken to be one half.
        f50_target_per_mm: The same of the other kernel.
        most_gain: Where the ratio is capped.
    """

    stage: ClassVar[Stage] = "reconstruction"
    f50_source_per_mm: float
    f50_target_per_mm: float
    most_gain: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return filtered(image, _plane_mm(frame), self.ratio)

    def ratio(self, frequency: Floats) -> Floats:
        """Return the capped ratio of both modulation transfers."""
        exponent = np.log(2) * frequency**2 * (self.f50_source_per_mm**-2 - self.f50_target_per_mm**-2)
        return np.asarray(np.exp(np.minimum(exponent, np.log(self.most_gain))), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Calibration(Parameters):
    """-1000 + s (HU + 1000) + b.

    Args:
        scale: s.
        offset_hu: b.
    """

    stage: ClassVar[Stage] = "reconstruction"
    scale: float
    offset_hu: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        return AIR_HU + self.scale * (image - AIR_HU) + self.offset_hu


@dataclass(frozen=True, kw_only=True)
class LungDensity(Parameters):
    """-1000 + (HU + 1000) V / V' in the lung: its mass is kept, its shape, too.

    Args:
        volume_ratio: V' / V, above 1 for a deeper breath.
        lowest_hu: Lung is what lies above this,
        highest_hu: and below that, in the field.
    """

    stage: ClassVar[Stage] = "object"
    volume_ratio: float
    lowest_hu: float
    highest_hu: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        lung = (image >= self.lowest_hu) & (image <= self.highest_hu)
        return np.where(lung, AIR_HU + (image - AIR_HU) / self.volume_ratio, image)


def _dose(severity: float, spec: ImageSpec, rng: np.random.Generator) -> LowerDose:
    share = 1 - severity
    # Where no tissue is even enough to measure the noise, the usual noise of soft tissue stands in.
    sigma = NO_NOISE_SD_HU if spec.noise_sd is None else spec.noise_sd
    return LowerDose(
        dose_share=share, sigma_source_hu=sigma, sigma_added_hu=float(sigma * np.sqrt(1 / share - 1)),
        f50_per_mm=F50_PER_MM, seed=seed_of(rng),
    )  # fmt: skip


def _kernel(severity: float, spec: ImageSpec, rng: np.random.Generator) -> OtherKernel:
    del spec, rng
    return OtherKernel(f50_source_per_mm=F50_PER_MM, f50_target_per_mm=F50_PER_MM * (1 + severity), most_gain=MOST_GAIN)


def _offset(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Calibration:
    del spec, rng
    return Calibration(scale=1.0, offset_hu=severity)


def _scale(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Calibration:
    del spec, rng
    return Calibration(scale=1 + severity, offset_hu=0.0)


def _inspiration(severity: float, spec: ImageSpec, rng: np.random.Generator) -> LungDensity:
    del spec, rng
    return LungDensity(volume_ratio=1 + severity, lowest_hu=LUNG_HU[0], highest_hu=LUNG_HU[1])


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="ct_dose", title="lower dose", unit="share", amount="share of the dose that is saved",
        kind=LowerDose, noise=True, draw=_dose, ladder=(0.25, 0.5, 0.75, 0.9), most=0.99, standard=True,
        formula="HU + n, noise power ∝ |f| · MTF(f)², σ_add = σ0 · √(D0/D − 1), σ0 measured in homogeneous soft tissue",
        approximates=(
            "Noise that is alike everywhere in the field, independent from plane to plane, of a Gaussian kernel with "
            "MTF 50 at 0.35 /mm; no photon starvation, no iterative or learnt reconstruction."
        ),
        one_way="noise that is in an image cannot be taken out again", references=(RIEDERER, KIJEWSKI),
    ),
    Knob(
        name="ct_kernel", title="reconstruction kernel", unit="share", amount="change of MTF 50; above 0 sharper",
        kind=OtherKernel, draw=_kernel, ladder=(0.2, 0.4, 0.6), most=2.0, least=-0.8, standard=True,
        formula="F⁻¹{F[HU] · MTF_target / MTF_source}, ratio at most 4",
        approximates=(
            "Gaussian kernels, that of the image taken to have MTF 50 at 0.35 /mm; where the spacing is "
            "unknown, a pixel counts as 1 mm."
        ),
        references=(BOEDEKER,),
    ),
    Knob(
        name="ct_thickness", title="plane thickness", unit="mm", amount="how much thicker the planes are",
        kind=Planes, draw=thicker, ladder=(1.0, 2.5, 5.0), most=50.0, volumes=True, standard=True,
        formula="mean over t_new / t_old planes, resampled to the old grid",
        approximates="A rectangular plane profile.", one_way="thin planes cannot be had from thick ones",
        references=(BOEDEKER,),
    ),
    Knob(
        name="ct_offset", title="calibration, offset", unit="HU", amount="shift of all numbers",
        kind=Calibration, draw=_offset, ladder=(5.0, 10.0, 20.0, 40.0), most=500.0, least=-500.0, standard=True,
        formula="−1000 + (HU + 1000) + severity", approximates="The same shift everywhere.",
    ),
    Knob(
        name="ct_scale", title="calibration, scale", unit="share", amount="stretch of all numbers about air",
        kind=Calibration, draw=_scale, ladder=(0.01, 0.02, 0.05), most=0.5, least=-0.5,
        formula="−1000 + (1 + severity) (HU + 1000)", approximates="The same stretch everywhere.",
    ),
    Knob(
        name="ct_inspiration", title="inspiration, density only", unit="share", amount="change of the lung's volume",
        kind=LungDensity, draw=_inspiration, ladder=(0.1, 0.2, 0.4), most=3.0, least=-0.7,
        formula="−1000 + (HU + 1000) · V / V′ where −1000 ≤ HU ≤ −400 in the patient",
        approximates="Density only: the mass of the lung is kept, its shape and its vessels stay where they are.",
    ),
)  # fmt: skip
