"""Ultrasound: changes of a log-compressed B-mode image. Speckle is never added to speckle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage, seed_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

RANGE_DB = 60.0
UNKNOWN_DEPTH_CM = 10.0
SZABO = "Szabo 2014, Diagnostic ultrasound imaging: inside out, 2nd edition, Academic Press"
FELDMAN = "Feldman, Katyal and Blackwood 2009, US artifacts, RadioGraphics 29"


def envelope_of(image: Floats, frame: Frame, range_db: float) -> Floats:
    """Return the envelope 10^(DR I / (20 I_max)) relative to the darkest level, 1 to 10^(DR / 20)."""
    return np.asarray(10 ** (range_db * (image - frame.low) / (20 * frame.span)), dtype=np.float64)


def compressed_of(envelope: Floats, frame: Frame, range_db: float) -> Floats:
    """Return what `envelope_of` was given; weaker echoes than the darkest level are the darkest level."""
    level = 20 * np.log10(np.maximum(envelope, 1.0)) / range_db
    return np.asarray(frame.low + level * frame.span, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class UsGain(Parameters):
    """I + g I_max / DR: a gain in decibels moves a log-compressed image by a constant.

    Args:
        gain_db: g.
        range_db: DR, the dynamic range that the stored range shows.
    """

    stage: ClassVar[Stage] = "display"
    gain_db: float
    range_db: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        return image + self.gain_db / self.range_db * frame.span


@dataclass(frozen=True, kw_only=True)
class Attenuation(Parameters):
    """-2 a f z decibels at the depth z, there and back; depth runs along the rows.

    Args:
        loss_db_per_cm: a f, one way.
        depth_cm: Depth of the last row.
        range_db: DR.
    """

    stage: ClassVar[Stage] = "object"
    loss_db_per_cm: float
    depth_cm: float
    range_db: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        z = np.linspace(0, self.depth_cm, image.shape[-2])[:, None]
        return image - 2 * self.loss_db_per_cm * z / self.range_db * frame.span


@dataclass(frozen=True, kw_only=True)
class DynamicRange(Parameters):
    """The same echoes shown over another dynamic range; the strongest stays the brightest.

    Args:
        range_db: DR of the image.
        other_range_db: DR of the display.
    """

    stage: ClassVar[Stage] = "display"
    range_db: float
    other_range_db: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        below_db = self.range_db * (frame.high - image) / frame.span
        return frame.high - below_db / self.other_range_db * frame.span


@dataclass(frozen=True, kw_only=True)
class PointSpread(Parameters):
    """The envelope blurred across the beams and, half as much, along them.

    Args:
        lateral_mm: Width (SD) across the beams.
        axial_mm: Width (SD) along the beams.
        range_db: DR.
    """

    stage: ClassVar[Stage] = "detector"
    lateral_mm: float
    axial_mm: float
    range_db: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        from scipy.ndimage import gaussian_filter

        widths = (*[0.0] * (image.ndim - 2), self.axial_mm / frame.pixel_mm(-2), self.lateral_mm / frame.pixel_mm(-1))
        blurred = gaussian_filter(envelope_of(image, frame, self.range_db), widths, mode="nearest")
        return compressed_of(blurred, frame, self.range_db)


@dataclass(frozen=True, kw_only=True)
class ElectronicNoise(Parameters):
    """|A + n1 + i n2| of the envelope A.

    Args:
        sigma_db: Standard deviation of the noise, in decibels above the darkest level that is shown.
        range_db: DR.
        seed: Of the noise.
    """

    stage: ClassVar[Stage] = "detector"
    sigma_db: float
    range_db: float
    seed: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        rng, sigma = np.random.default_rng(self.seed), 10 ** (self.sigma_db / 20)
        real, imaginary = sigma * rng.standard_normal((2, *image.shape))
        return compressed_of(np.hypot(envelope_of(image, frame, self.range_db) + real, imaginary), frame, self.range_db)


@dataclass(frozen=True, kw_only=True)
class Shadow(Parameters):
    """A strip below a depth from which less comes back.

    Args:
        loss_db: In the strip.
        middle_share: Middle of the strip, as a share of the width.
        width_share: Width of the strip.
        top_share: Where it begins, as a share of the depth.
        range_db: DR.
    """

    stage: ClassVar[Stage] = "object"
    loss_db: float
    middle_share: float
    width_share: float
    top_share: float
    range_db: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        rows, columns = image.shape[-2:]
        across = np.abs((np.arange(columns) + 0.5) / columns - self.middle_share) / (self.width_share / 2)
        edge = np.clip((1.1 - across) / 0.2, 0, 1)
        below = ((np.arange(rows) + 0.5) / rows >= self.top_share).astype(np.float64)
        return image - np.outer(below, edge) * self.loss_db / self.range_db * frame.span


def _gain(severity: float, spec: ImageSpec, rng: np.random.Generator) -> UsGain:
    del spec, rng
    return UsGain(gain_db=severity, range_db=RANGE_DB)


def _attenuation(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Attenuation:
    del rng
    known = spec.frame.spacing_mm is not None
    depth = spec.shape[-2] * spec.frame.pixel_mm(-2) / 10 if known else UNKNOWN_DEPTH_CM
    return Attenuation(loss_db_per_cm=severity, depth_cm=depth, range_db=RANGE_DB)


def _range(severity: float, spec: ImageSpec, rng: np.random.Generator) -> DynamicRange:
    del spec, rng
    return DynamicRange(range_db=RANGE_DB, other_range_db=RANGE_DB + severity)


def _spread(severity: float, spec: ImageSpec, rng: np.random.Generator) -> PointSpread:
    del spec, rng
    return PointSpread(lateral_mm=severity, axial_mm=severity / 2, range_db=RANGE_DB)


def _noise(severity: float, spec: ImageSpec, rng: np.random.Generator) -> ElectronicNoise:
    del spec
    return ElectronicNoise(sigma_db=severity, range_db=RANGE_DB, seed=seed_of(rng))


def _shadow(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Shadow:
    del spec
    return Shadow(
        loss_db=severity, middle_share=float(rng.uniform(0.2, 0.8)), width_share=float(rng.uniform(0.08, 0.2)),
        top_share=float(rng.uniform(0.1, 0.4)), range_db=RANGE_DB,
    )  # fmt: skip


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="us_gain", title="gain", unit="dB", amount="change of the gain",
        kind=UsGain, draw=_gain, ladder=(3.0, 6.0, 12.0), most=40.0, least=-40.0, standard=True,
        formula="I + g · I_max / DR",
        approximates="The stored range is taken to show 60 dB, and the compression to be logarithmic.",
        references=(SZABO,),
    ),
    Knob(
        name="us_attenuation", title="attenuation", unit="dB/cm", amount="change of the loss, one way",
        kind=Attenuation, draw=_attenuation, ladder=(0.25, 0.5, 1.0), most=5.0, least=-5.0, standard=True,
        formula="I − 2 α f z · I_max / DR, z along the rows (10 cm where the spacing is unknown)",
        approximates="Depth runs along the rows, as after scan conversion of a linear probe.", references=(SZABO,),
    ),
    Knob(
        name="us_range", title="dynamic range", unit="dB", amount="change of the range shown; above 0 less contrast",
        kind=DynamicRange, draw=_range, ladder=(5.0, 10.0, 20.0), most=100.0, least=-40.0, standard=True,
        formula="I_max − (I_max − I) · DR / DR′",
        approximates=(
            "The image's own range is taken to be 60 dB; echoes below it are unknown, so a wider range "
            "shows no more of them."
        ),
        references=(SZABO,),
    ),
    Knob(
        name="us_resolution", title="point spread", unit="mm",
        amount="lateral width (SD), pixels where the spacing is unknown; half of it axially",
        kind=PointSpread, draw=_spread, ladder=(0.5, 1.0, 2.0), most=20.0, standard=True,
        formula="envelope 10^(DR · I / (20 I_max)) blurred by a Gaussian, then compressed again",
        approximates="The envelope is blurred, not the radio-frequency signal: speckle is smoothed, not made anew.",
        one_way="resolution that was lost cannot be regained", references=(SZABO,),
    ),
    Knob(
        name="us_noise", title="electronic noise", unit="dB", amount="noise above the darkest level shown",
        kind=ElectronicNoise, draw=_noise, ladder=(12.0, 24.0, 36.0), most=60.0, standard=True,
        formula="|A + n1 + i n2| of the envelope A, σ = 10^(severity / 20) of the darkest level",
        approximates="White noise that does not grow with depth; added to the envelope, whose phase counts as 0.",
        one_way="noise that is in an image cannot be taken out again", references=(SZABO,),
    ),
    Knob(
        name="us_shadow", title="shadow", unit="dB", amount="loss below a strong reflector",
        kind=Shadow, draw=_shadow, ladder=(6.0, 12.0, 24.0), most=60.0,
        formula="I − severity · I_max / DR in a strip below a random depth",
        approximates="A straight strip of 8 to 20 % of the width; the reflector itself is not drawn.",
        one_way="what a shadow hides is not in the image", references=(FELDMAN,),
    ),
)  # fmt: skip
