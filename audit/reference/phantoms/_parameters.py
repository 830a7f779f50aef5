"""What is drawn for one plane, before anything is applied to an image."""

from dataclasses import dataclass

import numpy as np

WARP_TERMS = 6
BIAS_TERMS = 5


@dataclass(frozen=True, kw_only=True)
class BrainKnobs:
    """The settings of the phantom.

    Attributes:
        size: Rows and columns of a plane, in pixels.
        pixel_mm: Pixel spacing, in mm.
        lesions_low: Mean lesion count when the label is low.
        lesions_high: Mean lesion count when the label is high.
        streaks: Mean count of linear distractors in white matter, in either label.
        cortical_spots: Mean count of round distractors in grey matter, in either label.
        radius_mm: Smallest and largest lesion radius, in mm.
        contrast_to_noise: Smallest and largest mean contrast of a lesion over its mask, in SDs of the noise.
        head_scale: Relative head size added for male and taken off for female.
        head_scale_sd: SD of the head size within a sex.
        texture: SD of the multiplicative texture, female and male.
    """

    size: int = 64
    pixel_mm: float = 3.1
    lesions_low: float = 2.0
    lesions_high: float = 7.0
    streaks: float = 1.5
    cortical_spots: float = 1.5
    radius_mm: tuple[float, float] = (3.0, 5.0)
    contrast_to_noise: tuple[float, float] = (12.0, 16.0)
    head_scale: float = 0.04
    head_scale_sd: float = 0.010
    texture: tuple[float, float] = (0.005, 0.03)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A lesion or a distractor.

    Attributes:
        kind: `lesion`, `streak` or `cortical`.
        place: Two numbers in [0, 1): which of the free pixels of the tissue, in raster order, and a second draw for
            the offset within the pixel.
        radius_mm: Radius, or half the width of a streak, in mm.
        length_mm: Length of a streak, 0 for a round spot, in mm.
        angle: Direction of a streak, in radians.
        contrast_to_noise: Mean contrast over the spot's own mask, in SDs of the noise.
    """

    kind: str
    place: tuple[float, float]
    radius_mm: float
    length_mm: float
    angle: float
    contrast_to_noise: float


@dataclass(frozen=True, kw_only=True)
class PlaneParameters:
    """Everything that was drawn for one plane; `render` turns it into an image.

    Attributes:
        label: 1 for a high lesion burden.
        sex: `female` or `male`.
        protocol: `A` or `B`.
        age: Years; touches nothing in the image.
        plane: Which plane of the atlas, in [0, 1).
        mirrored: Left and right exchanged.
        scale: Head size relative to the atlas.
        shift_mm: Position of the head, rows and columns, in mm.
        warp: Coefficients of the smooth displacement, (2, WARP_TERMS), in mm.
        bias: Coefficients of the log bias field, (BIAS_TERMS,).
        gain: Receiver gain relative to the protocol's.
        texture: SD of the multiplicative texture.
        spots: Lesions and distractors, in the order in which they are placed.
        noise_seed: Seed of texture and noise.
    """

    label: int
    sex: str
    protocol: str
    age: float
    plane: float
    mirrored: bool
    scale: float
    shift_mm: tuple[float, float]
    warp: tuple[tuple[float, ...], tuple[float, ...]]
    bias: tuple[float, ...]
    gain: float
    texture: float
    spots: tuple[Spot, ...]
    noise_seed: int

    @property
    def n_lesions(self) -> int:
        """Number of lesions drawn."""
        return sum(spot.kind == "lesion" for spot in self.spots)


def sample_parameters(
    rng: np.random.Generator, *, label: int, sex: str, protocol: str, knobs: BrainKnobs
) -> PlaneParameters:
    """Draw one plane.

    Lesions are drawn from the label alone, and before anything that depends on sex or protocol.

    Args:
        rng: Source of all randomness of this plane.
        label: 1 for a high lesion burden, else 0.
        sex: `female` or `male`.
        protocol: `A` or `B`.
        knobs: Settings of the phantom.
    """
    n_lesions = int(rng.poisson(knobs.lesions_high if label else knobs.lesions_low))
    counts = {"lesion": n_lesions, "streak": int(rng.poisson(knobs.streaks))}
    counts["cortical"] = int(rng.poisson(knobs.cortical_spots))
    spots = tuple(_spot(rng, kind, knobs) for kind, count in counts.items() for _ in range(count))
    male = sex == "male"
    scale = 1.0 + (knobs.head_scale if male else -knobs.head_scale) + knobs.head_scale_sd * rng.standard_normal()
    return PlaneParameters(
        label=int(label),
        sex=sex,
        protocol=protocol,
        age=round(float(rng.uniform(45.0, 85.0)), 1),
        plane=float(rng.random()),
        mirrored=bool(rng.random() < 0.5),
        scale=float(scale),
        shift_mm=(float(rng.normal(0.0, 1.5)), float(rng.normal(0.0, 1.5))),
        warp=(_normals(rng, WARP_TERMS, 1.2), _normals(rng, WARP_TERMS, 1.2)),
        bias=_normals(rng, BIAS_TERMS, 0.04),
        gain=float(np.exp(rng.normal(0.0, 0.03))),
        texture=knobs.texture[int(male)],
        spots=spots,
        noise_seed=int(rng.integers(2**63)),
    )


def _spot(rng: np.random.Generator, kind: str, knobs: BrainKnobs) -> Spot:
    """Draw a lesion or a distractor; both have the same contrast."""
    streak = kind == "streak"
    return Spot(
        kind=kind,
        place=(float(rng.random()), float(rng.random())),
        radius_mm=float(rng.uniform(1.6, 2.2) if streak else rng.uniform(*knobs.radius_mm)),
        length_mm=float(rng.uniform(16.0, 26.0)) if streak else 0.0,
        angle=float(rng.uniform(0.0, np.pi)),
        contrast_to_noise=float(rng.uniform(*knobs.contrast_to_noise)),
    )


def _normals(rng: np.random.Generator, count: int, sd: float) -> tuple[float, ...]:
    return tuple(float(value) for value in rng.normal(0.0, sd, count))
