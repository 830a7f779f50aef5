"""Regions of a lung in which sex and disease change the texture: nothing but the truth that was planted is known.

It is built after the open problem of a published texture classifier of COPD, whose results were very different once
men and women were balanced (de Bruijne 2021, slide 113). The numbers are ours; no patient is like them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from audit.core import Attribute, AttributeSpec, Cohort, Ledger, digest

CLASSES = ("healthy", "COPD")
RANGE = (-1024.0, -600.0)
BLOCK = 256
"""Patients that are drawn together; a patient depends on the seed, the block and the place in it alone."""


@dataclass(frozen=True, kw_only=True)
class LungKnobs:
    """What is planted.

    Attributes:
        size: Rows and columns of a region, in pixels.
        regions: Regions a scan; they are the channels of its image.
        density: Mean density of lung tissue, HU.
        grain: Standard deviation of the Gaussian that makes the texture, in pixels.
        texture: Standard deviation of the texture, HU.
        noise: Standard deviation of the noise, HU.
        grain_of_sex: Factor on the grain in men.
        noise_of_sex: Factor on the noise in men.
        grain_of_disease: Factor on the grain in the ill: disease that looks like sex.
        noise_of_disease: Factor on the noise in the ill.
        grain_spread: Standard deviation of the log grain from patient to patient.
        noise_spread: Standard deviation of the log noise from patient to patient.
        emphysema: How far the log odds of a pixel being emphysematous lie apart between ill and healthy.
        emphysema_base: These log odds in the healthy.
        emphysema_spread: Their standard deviation from patient to patient.
        emphysema_depth: How far emphysema lies below the tissue, HU.
    """

    size: int = 16
    regions: int = 4
    density: float = -860.0
    grain: float = 1.5
    texture: float = 40.0
    noise: float = 25.0
    grain_of_sex: float = 1.3
    noise_of_sex: float = 1.3
    grain_of_disease: float = 1.0
    noise_of_disease: float = 1.0
    grain_spread: float = 0.02
    noise_spread: float = 0.01
    emphysema: float = 2.0
    emphysema_base: float = -3.0
    emphysema_spread: float = 0.8
    emphysema_depth: float = 70.0


SEPARABLE = LungKnobs()
"""Sex and disease change different things, so a model may learn the one without the other."""
ENTANGLED = LungKnobs(
    grain_of_sex=1.08, noise_of_sex=1.05, grain_of_disease=1.12, noise_of_disease=1.07, grain_spread=0.03,
    noise_spread=0.02, emphysema=0.0,
)  # fmt: skip
"""Disease changes the texture as sex does, a little more: what a model learns of the one encodes the other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LungRegions:
    """Scans that are rendered when asked for, in blocks; a lazy source of images.

    Args:
        ill: (n,) bool.
        male: (n,) bool.
        seed: Entropy of the cohort, for example `(1, 2)`.
        knobs: What is planted.
    """

    ill: NDArray[np.bool_]
    male: NDArray[np.bool_]
    seed: Sequence[int]
    knobs: LungKnobs

    def __post_init__(self) -> None:
        object.__setattr__(self, "_last", {})

    def __len__(self) -> int:
        return len(self.ill)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return one scan, (regions, size, size) HU."""
        number, place = divmod(index, BLOCK)
        last: dict[int, NDArray[np.float32]] = self.__dict__["_last"]
        block = last.get(number)
        if block is None:
            block = self.block(number)
            last.clear()
            last[number] = block
        scan: NDArray[np.float32] = block[place]
        return scan

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Give all scans in order, at most 256 at once."""
        for number in range(-(-len(self) // BLOCK)):
            yield self.block(number)

    def block(self, number: int) -> NDArray[np.float32]:
        """Return the scans of one block, (m, regions, size, size) HU."""
        rows = slice(number * BLOCK, (number + 1) * BLOCK)
        rng = np.random.default_rng([*self.seed, number])
        return _render(self.ill[rows], self.male[rows], self.knobs, rng)


def _render(
    ill: NDArray[np.bool_], male: NDArray[np.bool_], k: LungKnobs, rng: np.random.Generator
) -> NDArray[np.float32]:
    n, shape = len(ill), (len(ill), k.regions, k.size, k.size)
    grain = k.grain * np.where(male, k.grain_of_sex, 1.0) * np.where(ill, k.grain_of_disease, 1.0)
    grain *= np.exp(rng.normal(0, k.grain_spread, n))
    noise = k.noise * np.where(male, k.noise_of_sex, 1.0) * np.where(ill, k.noise_of_disease, 1.0)
    noise *= np.exp(rng.normal(0, k.noise_spread, n))
    odds = k.emphysema_base + rng.normal(0, k.emphysema_spread, n) + k.emphysema * k.emphysema_spread * ill
    image = k.density + k.texture * _smooth(rng.standard_normal(shape, dtype=np.float32), grain)
    image -= k.emphysema_depth * _emphysema(rng.standard_normal(shape, dtype=np.float32), 1 / (1 + np.exp(-odds)))
    image += noise[:, None, None, None] * rng.standard_normal(shape, dtype=np.float32)
    return image.astype(np.float32)


def _emphysema(white: NDArray[np.float32], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how emphysematous each pixel is, 0 to about 1: clusters that take a share of the area."""
    from scipy.special import ndtri

    field = _smooth(white, np.full(len(white), 2.0))
    inside = (field > ndtri(1 - share)[:, None, None, None]).astype(np.float32)
    return _smooth(inside, np.full(len(white), 0.7), unit=False)


def _smooth(field: NDArray[np.float32], sigma: NDArray[np.float64], *, unit: bool = True) -> NDArray[np.float64]:
    """Return fields after a Gaussian of the patient's own width, in pixels, periodic; by default of unit variance."""
    from scipy import fft

    size = field.shape[-1]
    rows, columns = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    square = rows[:, None] ** 2 + columns[None] ** 2
    gain = np.exp(-2 * (np.pi * sigma[:, None, None]) ** 2 * square).astype(np.float32)
    out: NDArray[np.float64] = fft.irfft2(fft.rfft2(field) * gain[:, None], s=(size, size))
    if not unit:
        return out
    full = rows[:, None] ** 2 + rows[None] ** 2
    power = np.exp(-4 * (np.pi * sigma[:, None, None]) ** 2 * full).mean(axis=(1, 2))
    scaled: NDArray[np.float64] = out / np.sqrt(power)[:, None, None, None]
    return scaled


def lung_cohort(
    *,
    ill: int,
    healthy: int,
    men_of_ill: float,
    men_of_healthy: float,
    seed: Sequence[int],
    knobs: LungKnobs = SEPARABLE,
    name: str = "lung texture phantom",
) -> Cohort:
    """Return a cohort of scans, one a patient.

    Args:
        ill: Patients with the disease.
        healthy: Patients without.
        men_of_ill: Share of men among the ill, 0 to 1.
        men_of_healthy: Share of men among the healthy, 0 to 1.
        seed: Entropy of the cohort; its patients are those of no other seed.
        knobs: What is planted.
        name: The cohort's name.

    Returns:
        A binary cohort with the confounder sex; its images are rendered when asked for.
    """
    label = np.repeat([True, False], [ill, healthy])
    place = np.concatenate(
        [np.arange(ill) / max(1, ill) < men_of_ill, np.arange(healthy) / max(1, healthy) < men_of_healthy]
    )
    order = np.random.default_rng([*seed, 0, 0]).permutation(len(label))
    label, male = label[order], place[order]
    n = len(label)
    ids = np.array([f"{'-'.join(map(str, seed))}-{i:05d}" for i in range(n)], dtype=np.str_)
    spec = AttributeSpec(
        name="sex", role="protected", also=("confounder",), reason="planted: grain and noise of the lung texture"
    )
    about = {"knobs": asdict(knobs), "seed": list(seed), "n": [ill, healthy], "men": [men_of_ill, men_of_healthy]}
    return Cohort(
        name=name, case_ids=ids, patients=np.arange(n, dtype=np.int64), patient_ids=ids, patient_declared=True,
        targets=label.astype(np.int64),
        attributes={"sex": Attribute(spec=spec, levels=np.where(male, "male", "female"))},
        images=LungRegions(ill=label, male=male, seed=tuple(seed), knobs=knobs), ledger=Ledger(read=n, used=n),
        classes=CLASSES, design="case-control", reference_method="planted by the phantom", provenance="simulated",
        digest=digest(about), phantom=True,
        remarks=("phantom: every image is simulated, and no number here says anything of patients",),
    )  # fmt: skip
