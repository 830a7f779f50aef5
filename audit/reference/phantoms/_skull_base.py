"""Patients of the skull-base phantom: what is drawn for each, and what drives what.

A piece of skull base with both internal carotid arteries on non-contrast CT, after the task of slide 44 of the lecture
(de Bruijne 2021): calcified plaque in the vessel's wall next to bone of the same density. The numbers are ours; no
patient is like them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

Kernel = Literal["sharp", "soft"]
SIDES = (-1, 1)
AGE_YEARS = (45.0, 85.0)
MIDDLE_YEARS = 65.0
APART_MM = 3.0
"""Distance that two pieces of calcium keep from each other, along a side."""


@dataclass(frozen=True, kw_only=True)
class SkullBaseKnobs:
    """What is planted.

    Attributes:
        size: Planes, rows, columns; planes from below, rows from the front, columns from the patient's right.
        spacing_mm: Of planes, rows, columns.
        plaques: Mean number of plaques in a woman of 65 who neither smokes nor has hypertension.
        of_age: Log ratio of that number for ten years more.
        of_men: The same for men.
        of_smoking: The same for smokers.
        of_hypertension: The same for hypertension.
        spread: Standard deviation of the log number from patient to patient.
        plaque_hu: Lowest and highest density of a plaque, drawn evenly on the log scale.
        plaque_mm: Median length of a plaque, along the vessel and around it.
        plaque_spread: Standard deviation of the log length.
        in_canal: Share of plaques in the part of the vessel that runs through bone.
        clinoid: Share of sides with a bony process that touches the vessel.
        spicules: Mean number of ossified ligaments: calcium that is not in a vessel's wall.
        bone_hu: Density of cortical bone.
        bone_of_men: Factor on it in men.
        sharp: Share of women who are scanned with the sharp kernel.
        sharp_of_men: Added to the log odds of that in men.
        sharp_of_burden: Added to these log odds for twice the number of plaques that is expected.
        thick: Share of patients who are scanned in thick planes.
        thick_mm: Thickness of these planes; thin ones are as thick as the spacing.
        stroke: Log odds of a later stroke without calcification, at 65.
        stroke_of_volume: Added for twice the volume (of 1 mm³ more than there is).
        stroke_of_age: Added for ten years more.
    """

    size: tuple[int, int, int] = (20, 40, 48)
    spacing_mm: tuple[float, float, float] = (1.0, 0.8, 0.8)
    plaques: float = 2.0
    of_age: float = 0.35
    of_men: float = 0.2
    of_smoking: float = 0.3
    of_hypertension: float = 0.25
    spread: float = 0.5
    plaque_hu: tuple[float, float] = (150.0, 1000.0)
    plaque_mm: float = 3.4
    plaque_spread: float = 0.6
    in_canal: float = 0.3
    clinoid: float = 0.4
    spicules: float = 1.5
    bone_hu: float = 800.0
    bone_of_men: float = 1.05
    sharp: float = 0.5
    sharp_of_men: float = 0.0
    sharp_of_burden: float = 0.0
    thick: float = 0.5
    thick_mm: float = 2.0
    stroke: float = -2.6
    stroke_of_volume: float = 0.25
    stroke_of_age: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Plaque:
    """Calcium in the wall of a carotid artery.

    Attributes:
        side: -1 for the patient's right, 1 for the left.
        height_mm: Height of its middle above the lowest plane.
        angle: Where around the vessel it lies, in radians from the left.
        along_mm: Half its length along the vessel.
        around_mm: Half its length around it.
        deep_mm: Half its thickness.
        hu: Its density.
    """

    side: int
    height_mm: float
    angle: float
    along_mm: float
    around_mm: float
    deep_mm: float
    hu: float


@dataclass(frozen=True, kw_only=True)
class Spicule:
    """An ossified piece of ligament beside a carotid artery: a straight rod.

    Attributes:
        side: -1 for the patient's right, 1 for the left.
        height_mm: Height of its middle above the lowest plane.
        away_mm: Distance of its middle from that of the vessel.
        angle: Direction from the vessel, in radians from the left.
        turn: Direction of the rod in the plane, in radians.
        half_mm: Half its length.
        radius_mm: Its radius.
        hu: Its density.
    """

    side: int
    height_mm: float
    away_mm: float
    angle: float
    turn: float
    half_mm: float
    radius_mm: float
    hu: float


@dataclass(frozen=True, kw_only=True)
class Vessel:
    """A carotid artery with the bone about it.

    Attributes:
        side: -1 for the patient's right, 1 for the left.
        row_mm: Its middle, from the front.
        column_mm: From the midline.
        sway_mm: How far it swings to the front and back.
        phase: Of the swing, in radians.
        radius_mm: Of the lumen.
        canal_mm: Height up to which it runs in a bony canal.
        canal_angle: Where the canal is open, in radians.
        clinoid: Direction of a bony process that touches it, in radians; None without.
    """

    side: int
    row_mm: float
    column_mm: float
    sway_mm: float
    phase: float
    radius_mm: float
    canal_mm: float
    canal_angle: float
    clinoid: float | None


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How a patient was scanned.

    Attributes:
        kernel: Reconstruction kernel.
        blur_mm: Standard deviation of its Gaussian, in the plane.
        noise_hu: Standard deviation of the noise.
        thickness_mm: Thickness of the planes.
    """

    kernel: Kernel
    blur_mm: float
    noise_hu: float
    thickness_mm: float


SHARP = Acquisition(kernel="sharp", blur_mm=0.4, noise_hu=22.0, thickness_mm=1.0)
SOFT = Acquisition(kernel="soft", blur_mm=0.75, noise_hu=9.0, thickness_mm=1.0)


@dataclass(frozen=True, kw_only=True)
class SkullBasePatient:
    """Everything that was drawn for a patient; the same numbers give the same images.

    Attributes:
        sex: `female` or `male`.
        age: Years.
        smoker: Whether smoking.
        hypertension: Whether under treatment for it.
        acquisition: How the scan was made.
        bone_hu: Density of cortical bone.
        sinus: Whether air fills the sphenoid bone.
        vessels: Both arteries.
        plaques: In their walls.
        spicules: Beside them.
    """

    sex: str
    age: float
    smoker: bool
    hypertension: bool
    acquisition: Acquisition
    bone_hu: float
    sinus: bool
    vessels: tuple[Vessel, Vessel]
    plaques: tuple[Plaque, ...]
    spicules: tuple[Spicule, ...]

    @property
    def scanner(self) -> str:
        """Kernel and planes in a word, as a scanner's protocol is called."""
        return f"{self.acquisition.kernel} {self.acquisition.thickness_mm:g} mm"


def draw_patient(rng: Generator, knobs: SkullBaseKnobs) -> SkullBasePatient:
    """Draw a patient.

    Args:
        rng: Of this patient alone.
        knobs: What is planted.
    """
    male, age = bool(rng.random() < 0.5), float(rng.uniform(*AGE_YEARS))
    smoker, tense = bool(rng.random() < 0.3), bool(rng.random() < 0.4)
    own = float(rng.normal(0, knobs.spread))
    expected = (
        np.log(knobs.plaques) + knobs.of_age * (age - MIDDLE_YEARS) / 10 + knobs.of_men * male
        + knobs.of_smoking * smoker + knobs.of_hypertension * tense + own
    )  # fmt: skip
    vessels = tuple(_vessel(rng, side, knobs) for side in SIDES)
    height = knobs.size[0] * knobs.spacing_mm[0]
    plaques = [_plaque(rng, vessels, height, knobs) for _ in range(rng.poisson(np.exp(expected)))]
    spicules = [_spicule(rng, vessels, height, knobs) for _ in range(rng.poisson(knobs.spicules))]
    excess = (expected - np.log(knobs.plaques)) / np.log(2)
    bone = knobs.bone_hu * float(np.exp(rng.normal(0, 0.1))) * (knobs.bone_of_men if male else 1.0)
    return SkullBasePatient(
        sex="male" if male else "female", age=age, smoker=smoker, hypertension=tense,
        acquisition=_acquisition(rng, male, excess, knobs), bone_hu=bone, sinus=bool(rng.random() < 0.6),
        vessels=(vessels[0], vessels[1]), plaques=_apart(plaques), spicules=tuple(spicules),
    )  # fmt: skip


def _acquisition(rng: Generator, male: bool, excess: float, knobs: SkullBaseKnobs) -> Acquisition:
    from dataclasses import replace

    odds = np.log(knobs.sharp / (1 - knobs.sharp)) + knobs.sharp_of_men * male + knobs.sharp_of_burden * excess
    one = SHARP if rng.random() < 1 / (1 + np.exp(-odds)) else SOFT
    thick = rng.random() < knobs.thick
    return replace(one, thickness_mm=knobs.thick_mm if thick else knobs.spacing_mm[0])


def _vessel(rng: Generator, side: int, knobs: SkullBaseKnobs) -> Vessel:
    rows = knobs.size[1] * knobs.spacing_mm[1]
    canal = float(rng.uniform(0.2, 0.35)) * knobs.size[0] * knobs.spacing_mm[0]
    # The process comes from the front and from the side, never from the midline.
    clinoid = float(rng.uniform(-0.8, 0.8)) if rng.random() < knobs.clinoid else None
    return Vessel(
        side=side, row_mm=rows / 2 + float(rng.normal(0, 1.0)), column_mm=side * (10.5 + float(rng.normal(0, 0.6))),
        sway_mm=float(rng.uniform(0.5, 2.5)), phase=float(rng.uniform(0, 2 * np.pi)),
        radius_mm=float(rng.normal(2.2, 0.15)), canal_mm=canal, canal_angle=float(rng.uniform(0, 2 * np.pi)),
        clinoid=clinoid,
    )  # fmt: skip


def _plaque(rng: Generator, vessels: tuple[Vessel, ...], height: float, knobs: SkullBaseKnobs) -> Plaque:
    vessel = vessels[int(rng.integers(len(vessels)))]
    # The ends are spared, so that no plaque is cut by the field.
    low, high = (2.0, vessel.canal_mm) if rng.random() < knobs.in_canal else (vessel.canal_mm + 1.0, height - 2.0)
    along, around = (
        max(0.9, float(np.exp(rng.normal(np.log(knobs.plaque_mm / 2), knobs.plaque_spread)))) for _ in range(2)
    )
    return Plaque(
        side=vessel.side, height_mm=float(rng.uniform(low, max(low + 0.5, high))),
        angle=float(rng.uniform(0, 2 * np.pi)), along_mm=along,
        around_mm=min(around, 2.5 * vessel.radius_mm), deep_mm=float(rng.uniform(0.55, 1.2)),
        hu=float(np.exp(rng.uniform(*np.log(knobs.plaque_hu)))),
    )  # fmt: skip


def _spicule(rng: Generator, vessels: tuple[Vessel, ...], height: float, knobs: SkullBaseKnobs) -> Spicule:
    vessel = vessels[int(rng.integers(len(vessels)))]
    return Spicule(
        side=vessel.side, height_mm=float(rng.uniform(vessel.canal_mm + 1.0, height - 2.0)),
        away_mm=float(rng.uniform(5.2, 7.5)), angle=float(rng.uniform(0, 2 * np.pi)),
        turn=float(rng.uniform(0, np.pi)), half_mm=float(rng.uniform(1.0, 2.2)), radius_mm=float(rng.uniform(0.6, 0.9)),
        hu=float(np.exp(rng.uniform(*np.log(knobs.plaque_hu)))),
    )  # fmt: skip


def _apart(plaques: list[Plaque]) -> tuple[Plaque, ...]:
    """Return the plaques that do not reach a former one: two that touch would be one."""
    kept: list[Plaque] = []
    for one in plaques:
        near = (o for o in kept if o.side == one.side)
        if all(abs(o.height_mm - one.height_mm) > o.along_mm + one.along_mm + APART_MM for o in near):
            kept.append(one)
    return tuple(kept)
