"""Magnetic resonance in k-space: resolution with Gibbs ringing, motion, ghosts, spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from audit.acquisition._change import Knob, Parameters, Stage
from audit.acquisition._mr import TORCHIO
from audit.acquisition._operations import rotated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.acquisition._frame import Frame, ImageSpec

    Floats = NDArray[np.float64]

SEGMENTS = 5
DEGREES_PER_MM = 0.5
ZHUO = "Zhuo and Gullapalli 2006, MR artifacts, safety, and quality control, RadioGraphics 26"
SHAW = "Shaw, Sudre, Ourselin and Cardoso 2019, MRI k-space motion artefact augmentation, Medical Imaging with Deep Learning"  # noqa: E501


@dataclass(frozen=True, kw_only=True)
class Resolution(Parameters):
    """A part of k-space around its middle is kept; the matrix stays, filled with zeros.

    Args:
        kept_share: Share of the lines kept along either axis of a plane.
        window: "rectangular" (with Gibbs ringing) or "hann".
    """

    stage: ClassVar[Stage] = "reconstruction"
    kept_share: float
    window: Literal["rectangular", "hann"] = "rectangular"

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        down, across = (self._gain(np.fft.fftfreq(n).astype(np.float64)) for n in image.shape[-2:])
        k = np.fft.fft2(image) * np.outer(down, across)
        return np.asarray(np.abs(np.fft.ifft2(k).real), dtype=np.float64)

    def _gain(self, f: Floats) -> Floats:
        edge = 0.5 * self.kept_share
        inside = np.abs(f) <= edge
        if self.window == "hann":
            return np.asarray(np.where(inside, 0.5 * (1 + np.cos(np.pi * f / edge)), 0.0), dtype=np.float64)
        return inside.astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Motion(Parameters):
    """A rigid motion between segments of the acquisition: the patient lies still while one segment is read.

    Args:
        shifts_mm: By segment, (down, across); the segment with the middle of k-space lies still.
        rotations_degrees: By segment.
        edges_share: Ends of the segments along the phase-encoding axis (rows), rising, from above 0 to 1.
    """

    stage: ClassVar[Stage] = "detector"
    shifts_mm: tuple[tuple[float, float], ...]
    rotations_degrees: tuple[float, ...]
    edges_share: tuple[float, ...]

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        from scipy.fft import fft2, ifft2

        rows, columns = image.shape[-2:]
        ky = np.fft.fftfreq(rows)
        # Single precision: a ten-millionth of the signal, in half the time.
        plane = image.astype(np.float32)
        # Lines in the order in which they are read, from one edge of k-space to the other.
        segment = np.searchsorted(np.asarray(self.edges_share), ky + 0.5, side="right")
        segment = np.minimum(segment, len(self.shifts_mm) - 1)
        still = fft2(plane)
        out = still.copy()
        for i, ((down, across), degrees) in enumerate(zip(self.shifts_mm, self.rotations_degrees, strict=True)):
            lines = segment == i
            if not lines.any() or (down, across, degrees) == (0.0, 0.0, 0.0):
                continue
            k = fft2(rotated(plane, degrees, fill="nearest")) if degrees else still
            dy, dx = down / frame.pixel_mm(-2), across / frame.pixel_mm(-1)
            phase = np.exp(-2j * np.pi * (ky[lines, None] * dy + np.fft.fftfreq(columns)[None, :] * dx))
            out[..., lines, :] = k[..., lines, :] * phase.astype(np.complex64)
        return np.asarray(np.abs(ifft2(out)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Ghost(Parameters):
    """Every n-th line of k-space is weaker than the others.

    Args:
        loss_share: By how much.
        every_lines: n; the middle line is never one of them.
    """

    stage: ClassVar[Stage] = "detector"
    loss_share: float
    every_lines: int

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        line = np.round(np.fft.fftfreq(image.shape[-2]) * image.shape[-2]).astype(int)
        weak = line % self.every_lines == self.every_lines // 2
        k = np.fft.fft2(image)
        k[..., weak, :] *= 1 - self.loss_share
        return np.asarray(np.abs(np.fft.ifft2(k)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Spike(Parameters):
    """One point of k-space is too large, which draws stripes over the image.

    Args:
        amplitude_share: Of the largest point of k-space.
        place_share: Row and column of the point, as shares of the largest frequency, -1 to 1.
        phase_degrees: Of the spike.
    """

    stage: ClassVar[Stage] = "detector"
    amplitude_share: float
    place_share: tuple[float, float]
    phase_degrees: float

    def change(self, image: Floats, frame: Frame) -> Floats:
        """See `Parameters.change`."""
        del frame
        k = np.fft.fft2(image)
        at = [round(s * (n // 2 - 1)) % n for s, n in zip(self.place_share, image.shape[-2:], strict=True)]
        most = np.abs(k).max(axis=(-2, -1))
        k[..., at[0], at[1]] += self.amplitude_share * most * np.exp(1j * np.radians(self.phase_degrees))
        return np.asarray(np.abs(np.fft.ifft2(k)), dtype=np.float64)


def _resolution(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Resolution:
    del spec, rng
    return Resolution(kept_share=1 - severity)


def _motion(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Motion:
    del spec
    edges = np.sort(rng.uniform(0.08, 0.92, SEGMENTS - 1))
    shifts = rng.uniform(-1, 1, (SEGMENTS, 2))
    turns = rng.uniform(-1, 1, SEGMENTS)
    middle = int(np.searchsorted(edges, 0.5, side="right"))
    shifts[middle], turns[middle] = 0.0, 0.0
    far, turned = np.hypot(*shifts.T).max(), np.abs(turns).max()
    return Motion(
        shifts_mm=tuple((float(a), float(b)) for a, b in shifts / far * severity),
        rotations_degrees=tuple(float(t) for t in turns / turned * severity * DEGREES_PER_MM),
        edges_share=(*(float(e) for e in edges), 1.0),
    )


def _ghost(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Ghost:
    del spec
    return Ghost(loss_share=severity, every_lines=int(rng.integers(2, 5)))


def _spike(severity: float, spec: ImageSpec, rng: np.random.Generator) -> Spike:
    del spec
    radius, angle = rng.uniform(0.15, 0.5), rng.uniform(0, np.pi)
    return Spike(
        amplitude_share=severity, phase_degrees=float(rng.uniform(0, 360)),
        place_share=(float(radius * np.sin(angle)), float(radius * np.cos(angle))),
    )  # fmt: skip


KNOBS: tuple[Knob, ...] = (
    Knob(
        name="mr_resolution", title="resolution", unit="share of k-space",
        amount="lines not measured along either axis",
        kind=Resolution, draw=_resolution, ladder=(0.2, 0.4, 0.6), most=0.95, standard=True,
        formula="k(f) kept where |f| ≤ (1 − severity) f_max, zero elsewhere, same matrix; Gibbs ringing comes with it",
        approximates="The magnitude image stands in for the complex one; the noise falls with the lines.",
        one_way="frequencies that were not measured are not in the image", references=(ZHUO, TORCHIO),
    ),
    Knob(
        name="mr_motion", title="motion", unit="mm", amount="largest displacement, with half a degree of turn a mm",
        kind=Motion, draw=_motion, ladder=(1.0, 2.0, 4.0), most=50.0, standard=True,
        formula="k(line) · exp(−2πi k·d(t)) in five segments, turned by segment",
        approximates="In-plane rigid motion between segments read one after the other; nothing leaves the plane.",
        one_way="motion only adds", references=(SHAW, ZHUO),
    ),
    Knob(
        name="mr_ghost", title="ghosts", unit="share", amount="how much weaker every second to fourth line is",
        kind=Ghost, draw=_ghost, ladder=(0.1, 0.3, 0.6), most=1.0, standard=True,
        formula="every n-th line × (1 − severity), the middle line never among them",
        approximates="A periodic loss of amplitude stands in for breathing and eddy currents.",
        one_way="a weaker line only adds ghosts", references=(ZHUO, TORCHIO),
    ),
    Knob(
        name="mr_spikes", title="spike in k-space", unit="share of the largest point", amount="size of one spike",
        kind=Spike, draw=_spike, ladder=(0.02, 0.05, 0.1), most=1.0,
        formula="one point of k-space + severity × max |k|",
        approximates="A single spike of random phase in each plane.",
        one_way="a spike only adds", references=(ZHUO,),
    ),
)  # fmt: skip
