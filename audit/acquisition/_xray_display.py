"""Radiography, after the beam: display, file, geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage
from audit.acquisition._operations import jpeg, rotated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]


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
