"""Lungs with emphysema of three patterns, in three dimensions: who the patients are, and how they are scanned.

Only what is planted here is known; no patient is like these. Centrilobular emphysema is drawn as scattered holes clear
of the pleura, paraseptal emphysema as a rim below it, panlobular emphysema as large fields, mostly towards the base.
"""

from dataclasses import dataclass

import numpy as np

PATTERNS = ("centrilobular", "paraseptal", "panlobular")
NONE = "none"
EDGES = (0.005, 0.055, 0.255, 0.505, 0.755)
"""Between the grades 0, 1-5, 6-25, 26-50, 51-75 and 76-100 % of the lung: a scale of ours."""
MIDPOINTS = (0.0, 0.03, 0.155, 0.38, 0.63, 0.88)
GRADES = ("0 %", "1-5 %", "6-25 %", "26-50 %", "51-75 %", "76-100 %")


@dataclass(frozen=True, kw_only=True)
class ParenchymaKnobs:
    """What is planted, and what drives what.

    Attributes:
        size: Voxels along each side of the volume.
        spacing_mm: Side of a voxel, in mm.
        prevalence: Share of patients with emphysema, before age, smoking and sex.
        of_pack_years: How far the log odds of emphysema, and its extent, rise with a standard deviation of pack-years.
        of_age: The same with a standard deviation of age.
        of_men: Log odds of emphysema in men minus women; 0: sex drives no lesion.
        patterns: Shares of centrilobular, paraseptal and panlobular emphysema among the ill.
        mixed: Share of the ill with a second pattern.
        root_extent: Smallest and largest root of the diseased share of the lung.
        depth: Smallest and largest loss of density in emphysema, HU.
        density: Mean density of lung tissue, HU.
        density_spread: Its standard deviation between patients, HU.
        density_of_women: How much denser the lung is in women, HU; 0: sex drives no appearance.
        texture: Standard deviation of the tissue's texture, HU.
        inspiration: Standard deviation of the log of the lung's volume against full inspiration.
        noise: Standard deviation of the noise at full dose under the soft kernel, HU.
        noise_of_kernel: Factor on the noise under the sharp kernel.
        noise_of_bmi: Factor on the noise for a standard deviation of body mass.
        blur: Standard deviation of the soft and of the sharp kernel, in voxels.
        low_dose: Dose of the low-dose scans, as a share of the full dose.
        low_dose_share: Share of scans at low dose.
        sharp_of_healthy: Share of scans under the sharp kernel in the healthy.
        sharp_of_ill: The same in the ill; another number ties protocol to disease.
        vessels: Mean number of vessels, bright tubes.
        airways: Mean number of airways, dark tubes that look like emphysema and are none.
        observer_sd: Scatter of an observer's reading, on the root of the extent.
        observer_bias: By how much the second observer reads higher, on the same scale, and the third lower.
    """

    size: int = 24
    spacing_mm: float = 3.0
    prevalence: float = 0.6
    of_pack_years: float = 0.7
    of_age: float = 0.3
    of_men: float = 0.0
    patterns: tuple[float, float, float] = (0.5, 0.25, 0.25)
    mixed: float = 0.2
    root_extent: tuple[float, float] = (0.11, 0.97)
    depth: tuple[float, float] = (75.0, 125.0)
    density: float = -850.0
    density_spread: float = 15.0
    density_of_women: float = 8.0
    texture: float = 8.0
    inspiration: float = 0.10
    noise: float = 25.0
    noise_of_kernel: float = 1.5
    noise_of_bmi: float = 1.15
    blur: tuple[float, float] = (0.45, 0.3)
    low_dose: float = 0.3
    low_dose_share: float = 0.4
    sharp_of_healthy: float = 0.4
    sharp_of_ill: float = 0.4
    vessels: float = 5.0
    airways: float = 2.0
    observer_sd: float = 0.035
    observer_bias: float = 0.01


@dataclass(frozen=True, kw_only=True)
class ParenchymaPatient:
    """One patient; nothing of it depends on how he is scanned.

    Attributes:
        sex: `female` or `male`.
        age: Years.
        pack_years: Packs of cigarettes a day, times years.
        bmi: Body mass index, kg/m2.
        pattern: One of `PATTERNS`, or `none`.
        extent: Share of the lung that is emphysematous, 0 to 1.
        second: A second pattern, or `none`.
        second_share: Share of the extent that is of the second pattern.
        depth: Loss of density in emphysema, HU.
        density: Of the tissue at full inspiration, HU.
        scale: Size of the lung relative to the mean.
        anatomy: Seed of texture, vessels, airways and places of lesions.
        grades: What three observers say, indices of `GRADES`.
    """

    sex: str
    age: float
    pack_years: float
    bmi: float
    pattern: str
    extent: float
    second: str
    second_share: float
    depth: float
    density: float
    scale: float
    anatomy: int
    grades: tuple[int, int, int]

    @property
    def grade(self) -> int:
        """Grade of the planted extent, an index of `GRADES`."""
        return grade_of(self.extent)


@dataclass(frozen=True, kw_only=True)
class LungScan:
    """How a patient is scanned once.

    Attributes:
        protocol: `soft` or `sharp`, the reconstruction kernel.
        scanner: `A` or `B`; drawn by itself, and touches nothing in the image.
        dose: Share of the full dose, above 0 to 1.
        inspiration: Volume of the lung relative to full inspiration, above 0.
        shift: Displacement of the lung along each axis, in voxels.
        noise: Seed of the noise.
    """

    protocol: str
    scanner: str
    dose: float
    inspiration: float
    shift: tuple[float, float, float]
    noise: int


def grade_of(extent: float) -> int:
    """Return the grade of a share of the lung, 0 to 5."""
    return int(np.searchsorted(EDGES, extent, side="right"))


def draw_patient(rng: np.random.Generator, knobs: ParenchymaKnobs, *, ill: bool | None = None) -> ParenchymaPatient:
    """Draw a patient.

    Args:
        rng: Source of all randomness of this patient.
        knobs: What is planted.
        ill: Whether he has emphysema; None: as age, smoking and sex make it likely.
    """
    male = bool(rng.random() < 0.5)
    age = float(np.clip(rng.normal(62.0, 7.0), 45.0, 85.0))
    smoked = float(rng.standard_normal())
    burden = knobs.of_pack_years * smoked + knobs.of_age * (age - 62.0) / 7.0
    odds = np.log(knobs.prevalence / (1 - knobs.prevalence)) + burden + knobs.of_men * (float(male) - 0.5)
    chance = rng.random() < 1 / (1 + np.exp(-odds))
    has = bool(chance) if ill is None else ill
    # Smoking and age move the extent by a third of their weight, so that grades are associated with both among the ill.
    place = 1 / (1 + np.exp(-(rng.logistic(-0.3, 0.7) + burden / 3)))
    low, high = knobs.root_extent
    first = str(rng.choice(PATTERNS, p=np.asarray(knobs.patterns) / np.sum(knobs.patterns)))
    other = str(rng.choice([name for name in PATTERNS if name != first]))
    mixed, share = bool(rng.random() < knobs.mixed), float(rng.uniform(0.2, 0.5))
    extent = float((low + (high - low) * place) ** 2) if has else 0.0
    return ParenchymaPatient(
        sex="male" if male else "female", age=round(age, 1), pack_years=round(float(30.0 * np.exp(0.5 * smoked)), 1),
        bmi=round(float(np.clip(rng.normal(27.0, 4.0), 17.0, 45.0)), 1), pattern=first if has else NONE, extent=extent,
        second=other if has and mixed else NONE, second_share=share if has and mixed else 0.0,
        depth=float(rng.uniform(*knobs.depth)),
        density=float(rng.normal(knobs.density + knobs.density_of_women * (0.5 - male), knobs.density_spread)),
        scale=float((1.04 if male else 0.96) * np.exp(rng.normal(0, 0.03))), anatomy=int(rng.integers(2**62)),
        grades=(
            _observed(rng, extent, knobs, 0.0), _observed(rng, extent, knobs, knobs.observer_bias),
            _observed(rng, extent, knobs, -knobs.observer_bias),
        ),
    )  # fmt: skip


def _observed(rng: np.random.Generator, extent: float, knobs: ParenchymaKnobs, bias: float) -> int:
    seen = np.sqrt(extent) + bias + knobs.observer_sd * rng.standard_normal()
    return grade_of(float(max(0.0, seen) ** 2))


def draw_scan(rng: np.random.Generator, patient: ParenchymaPatient, knobs: ParenchymaKnobs) -> LungScan:
    """Draw how a patient is scanned.

    Args:
        rng: Source of all randomness of this scan.
        patient: Who is scanned; only whether he is ill is looked at, for what ties the protocol to disease.
        knobs: What is planted.
    """
    sharp = rng.random() < (knobs.sharp_of_ill if patient.extent > 0 else knobs.sharp_of_healthy)
    shift = rng.uniform(-0.4, 0.4, 3)
    return LungScan(
        protocol="sharp" if sharp else "soft", scanner=str(rng.choice(["A", "B"])),
        dose=knobs.low_dose if rng.random() < knobs.low_dose_share else 1.0,
        inspiration=float(np.exp(rng.normal(-0.5 * knobs.inspiration, knobs.inspiration))),
        shift=(float(shift[0]), float(shift[1]), float(shift[2])), noise=int(rng.integers(2**62)),
    )  # fmt: skip
