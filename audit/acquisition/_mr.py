"""Magnetic resonance in the image: noise of a magnitude image, receiver field, contrast, gain, planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of
from audit.acquisition._operations import polynomial_terms, resampled_planes, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

ORDER = 2
GUDBJARTSSON = (
    "Gudbjartsson and Patz 1995, The Rician distribution of noisy MRI data, Magnetic Resonance in Medicine 34"
)
TORCHIO = "Pérez-García, Sparks and Ourselin 2021, TorchIO, Computer Methods and Programs in Biomedicine 208"
SLED = "Sled, Zijdenbos and Evans 1998, A nonparametric method for automatic correction of intensity nonuniformity in MRI data, IEEE Transactions on Medical Imaging 17"  # noqa: E501


@dataclass(frozen=True, kw_only=True)
class RicianNoise(Parameters):
    """|S + n1 + i n2| with Gaussian n1 and n2.

    Args:
        sigma: Standard deviation in each channel, in stored units.
        sigma_share: The same as a share of the mean signal of the field.
        seed: Of the noise.
    """

    stage: ClassVar[Stage] = "detector"
    sigma: float
    sigma_share: float
    seed: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        rng = np.random.default_rng(self.seed)
        real = rng.standard_normal(image.shape, dtype=np.float32)
        imaginary = rng.standard_normal(image.shape, dtype=np.float32)
        real *= np.float32(self.sigma)
        imaginary *= np.float32(self.sigma)
        return np.asarray(np.sqrt((image + real) ** 2 + imaginary**2), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class BiasField(Parameters):
    """S exp(sum c P) with Legendre polynomials P of low order.

    Args:
        peak_share: Largest factor over the grid minus 1 (or its inverse minus 1).
        order: Order of the polynomials.
        coefficients: Of `polynomial_terms`, on any scale.
    """

    stage: ClassVar[Stage] = "detector"
    peak_share: float
    order: int
    coefficients: tuple[float, ...]

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        return image * smooth_field(image.shape[1:], self.coefficients, self.order, self.peak_share)


@dataclass(frozen=True, kw_only=True)
class ContrastSurrogate(Parameters):
    """A monotone table m (S / m)^gamma; it turns about the mean signal m, which it leaves as it is.

    Args:
        gamma: Exponent, above 0; above 1 the contrast grows.
        pivot: The mean signal of the field, in stored units.
    """

    stage: ClassVar[Stage] = "object"
    gamma: float
    pivot: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        if self.pivot <= 0:
            return image
        return np.asarray(self.pivot * (np.maximum(image, 0.0) / self.pivot) ** self.gamma, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Gain(Parameters):
    """S times a factor.

    Args:
        factor: Above 0.
    """

    stage: ClassVar[Stage] = "reconstruction"
    factor: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        return image * self.factor


@dataclass(frozen=True, kw_only=True)
class Planes(Parameters):
    """Planes that are thicker, or further apart, on the old grid.

    Args:
        thickness_mm: Of a new plane.
        spacing_mm: From one new plane to the next; larger than the thickness where there is a gap.
        old_spacing_mm: From one old plane to the next; old planes are taken to be as thick as that.
    """

    stage: ClassVar[Stage] = "detector"
    thickness_mm: float
    spacing_mm: float
    old_spacing_mm: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        old = self.old_spacing_mm
        return resampled_planes(image, thickness=self.thickness_mm / old, spacing=self.spacing_mm / old)


def _noise(severity: float, spec: ImageSpec, rng: np.random.Generator) -> RicianNoise:
    return RicianNoise(sigma=severity * spec.signal, sigma_share=severity, seed=seed_of(rng))


def _bias(severity: float, spec: ImageSpec, rng: np.random.Generator) -> BiasField:
    terms = polynomial_terms(len(spec.shape), ORDER)
    drawn = rng.uniform(-1, 1, len(terms))
    return BiasField(peak_share=severity, order=ORDER, coefficients=tuple(float(c) for c in drawn))


def _contrast(severity: float, spec: ImageSpec, rng: np.random.Generator) -> ContrastSurrogate:
    del rng
    return ContrastSurrogate(gamma=1 + severity, pivot=spec.signal)


def _gain(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Gain:
    del spec, rng
    return Gain(factor=1 + severity)


def thicker(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Planes:
    """Return planes thicker by `severity` mm, one beside the other."""
    del rng
    old = spec.frame.pixel_mm(-3)
    return Planes(thickness_mm=old + severity, spacing_mm=old + severity, old_spacing_mm=old)


def _gap(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Planes:
    del rng
    old = spec.frame.pixel_mm(-3)
    return Planes(thickness_mm=old, spacing_mm=old + severity, old_spacing_mm=old)


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="mr_noise", title="noise", unit="share of the mean signal", amount="standard deviation of the added noise",
        kind=RicianNoise, draw=_noise, ladder=(0.02, 0.05, 0.1, 0.2), most=1.0, standard=True,
        formula="|S + n1 + i n2|, n ~ N(0, σ), σ = severity × mean signal of the field",
        approximates="The stored image counts as free of noise and its phase as 0; one receive channel.",
        one_way="noise that is in an image cannot be taken out again", references=(GUDBJARTSSON,),
    ),
    Knob(
        name="mr_bias", title="bias field", unit="share", amount="largest gain or loss of brightness",
        kind=BiasField, draw=_bias, ladder=(0.1, 0.2, 0.4, 0.8), most=4.0, standard=True,
        formula="S · exp(Σ c_k P_k), Legendre polynomials up to order 2, mean logarithm 0, peak 1 + severity",
        approximates="Polynomials of order 2 stand in for coils; noise is amplified with the signal.",
        one_way="the field that is in an image is not known", references=(SLED, TORCHIO),
    ),
    Knob(
        name="mr_contrast", title="contrast surrogate", unit="share",
        amount="growth of the exponent; below 0 less contrast",
        kind=ContrastSurrogate, draw=_contrast, ladder=(0.1, 0.2, 0.4), most=3.0, least=-0.8, standard=True,
        formula="m (S / m)^(1 + severity), m the mean signal of the field",
        approximates=(
            "A monotone look-up table for all tissues, called contrast surrogate: it is no change of TR or "
            "TE."
        ),
    ),
    Knob(
        name="mr_gain", title="gain", unit="share", amount="change of the brightness of the whole image",
        kind=Gain, draw=_gain, ladder=(0.1, 0.2, 0.4), most=4.0, least=-0.9, standard=True,
        formula="S · (1 + severity)", approximates="Nothing, apart from clipping at the ends of the stored range.",
    ),
    Knob(
        name="mr_thickness", title="plane thickness", unit="mm", amount="how much thicker the planes are",
        kind=Planes, draw=thicker, ladder=(1.0, 2.0, 4.0), most=50.0, volumes=True, standard=True,
        formula="mean over t_new / t_old planes, resampled to the old grid",
        approximates="A rectangular plane profile; the noise falls with the mean.",
        one_way="thin planes cannot be had from thick ones", references=(TORCHIO,),
    ),
    Knob(
        name="mr_gap", title="gap between planes", unit="mm", amount="gap from one plane to the next",
        kind=Planes, draw=_gap, ladder=(1.0, 2.0, 4.0), most=50.0, volumes=True,
        formula="planes of the old thickness, t_old + severity apart, interpolated linearly to the old grid",
        approximates="A rectangular plane profile without cross-talk.",
        one_way="what lies in a gap was not measured",
    ),
)  # fmt: skip
