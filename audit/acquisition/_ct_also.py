"""Computed tomography, further changes: metal, tube voltage, contrast medium, field of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage
from audit.acquisition._operations import zoomed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

BARRETT = "Barrett and Keat 2004, Artifacts in CT: recognition and avoidance, RadioGraphics 24"
BONE_HU = 300.0
RAYS = 12
_FALL_MM = 40.0


@dataclass(frozen=True, kw_only=True)
class MetalStreaks(Parameters):
    """Bright and dark rays that leave one point and fade with the distance.

    Args:
        peak_hu: Largest amplitude, beside the point.
        place_share: Row and column of the point, as shares of the plane.
        rays: Number of bright rays.
        phase_degrees: Direction of the first.
        fall_mm: Distance at which the amplitude is half.
    """

    stage: ClassVar[Stage] = "reconstruction"
    peak_hu: float
    place_share: tuple[float, float]
    rays: int
    phase_degrees: float
    fall_mm: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        rows, columns = image.shape[-2:]
        down = (np.arange(rows) - self.place_share[0] * (rows - 1)) * frame.pixel_mm(-2)
        across = (np.arange(columns) - self.place_share[1] * (columns - 1)) * frame.pixel_mm(-1)
        angle = np.arctan2(down[:, None], across[None, :]) - np.radians(self.phase_degrees)
        distance = np.hypot(down[:, None], across[None, :])
        rays = np.cos(self.rays * angle) ** 3 * np.minimum(1.0, distance / min(frame.pixel_mm(-2), frame.pixel_mm(-1)))
        return np.asarray(image + self.peak_hu * rays / (1 + distance / self.fall_mm), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class TissueTable(Parameters):
    """A declared look-up table from HU to HU, linear between its points, the same for every tissue of one number.

    Args:
        stored_hu: Rising.
        shown_hu: What they become.
    """

    stage: ClassVar[Stage] = "object"
    stored_hu: tuple[float, ...]
    shown_hu: tuple[float, ...]

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        # The differences are interpolated, so that what lies beyond the ends moves as they do and is not cut off.
        moved = np.asarray(self.shown_hu) - np.asarray(self.stored_hu)
        return np.asarray(image + np.interp(image, np.asarray(self.stored_hu), moved), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class FieldOfView(Parameters):
    """Planes reconstructed over another field: enlarged or reduced about their middle.

    Args:
        factor: Above 1 for a smaller field, which shows the patient larger.
        fill: What lies outside the old image, in stored units.
    """

    stage: ClassVar[Stage] = "reconstruction"
    whole: ClassVar[bool] = True
    factor: float
    fill: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        return zoomed(image, self.factor, fill=self.fill)


def _metal(severity: float, spec: ImageSpec, rng: np.random.Generator) -> MetalStreaks:
    inside = np.argwhere(spec.field if not spec.volume else spec.field.any(axis=0))
    rows, columns = spec.shape[-2:]
    place = inside[int(rng.integers(len(inside)))] if len(inside) else np.array([rows // 2, columns // 2])
    return MetalStreaks(
        peak_hu=severity, rays=RAYS, phase_degrees=float(rng.uniform(0, 360)), fall_mm=_FALL_MM,
        place_share=(float(place[0] / max(1, rows - 1)), float(place[1] / max(1, columns - 1))),
    )  # fmt: skip


def _enhanced(severity: float, spec: ImageSpec, rng: np.random.Generator) -> TissueTable:
    del spec, rng
    # Perfused tissue and blood, 20 to 100 HU, take up the medium; fat, water and bone do not.
    return TissueTable(stored_hu=(0.0, 40.0, 100.0, 300.0), shown_hu=(0.0, 40.0 + severity, 100.0 + severity, 300.0))


def _voltage(severity: float, spec: ImageSpec, rng: np.random.Generator) -> TissueTable:
    del spec, rng
    return TissueTable(
        stored_hu=(-100.0, 0.0, 100.0, 1100.0), shown_hu=(-100.0, 0.0, 100.0, 100.0 + 1000.0 * (1 + severity))
    )


def _view(severity: float, spec: ImageSpec, rng: np.random.Generator) -> FieldOfView:
    del rng
    return FieldOfView(factor=1 / (1 + severity), fill=max(spec.frame.low, -1024.0))


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="ct_metal", title="metal streaks", unit="HU", amount="largest amplitude of the streaks",
        kind=MetalStreaks, draw=_metal, ladder=(50.0, 150.0, 400.0), most=3000.0,
        formula="HU + severity · cos³(12 (θ − θ0)) / (1 + r / 40 mm) about a point in the patient",
        approximates="A star of rays; nothing is projected, so the streaks do not follow the anatomy.",
        one_way="streaks only add", references=(BARRETT,),
    ),
    Knob(
        name="ct_enhancement", title="contrast phase", unit="HU", amount="enhancement of perfused tissue",
        kind=TissueTable, draw=_enhanced, ladder=(20.0, 50.0, 100.0), most=190.0, least=-39.0,
        formula="declared table: 40 to 100 HU + severity, falling to 0 at 0 HU and at 300 HU",
        approximates="A table by number, not by tissue: muscle, blood and organs of one number are enhanced alike.",
    ),
    Knob(
        name="ct_voltage", title="tube voltage", unit="share", amount="growth of numbers above 100 HU",
        kind=TissueTable, draw=_voltage, ladder=(0.1, 0.2, 0.4), most=1.0, least=-0.5,
        formula="declared table: HU above 100 grow by severity × (HU − 100); below, nothing",
        approximates="Bone and iodine share one factor; fat and soft tissue keep their numbers, and so does the noise.",
    ),
    Knob(
        name="ct_field", title="field of view", unit="share",
        amount="growth of the field; above 0 the patient is smaller",
        kind=FieldOfView, draw=_view, ladder=(0.1, 0.2, 0.4), most=2.0, least=-0.5,
        formula="planes scaled by 1 / (1 + severity) about their middle, bilinear, padded with the lowest number",
        approximates="The image is scaled, not reconstructed again: resolution and noise grain scale with it.",
    ),
)  # fmt: skip
