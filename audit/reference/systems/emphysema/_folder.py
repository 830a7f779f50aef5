"""The folder in which graders of emphysema, and densitometry, are audited: one cohort for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.reference._writing import copy_weights, fill, write_table
from audit.reference.phantoms import MIDPOINTS
from audit.reference.systems.emphysema._data import (
    AUDIT,
    AUDIT_MATCHED,
    TRAINING,
    matched,
    patients,
    render,
    stored,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.reference.phantoms import LungScan, ParenchymaPatient, ParenchymaVolume

HERE = Path(__file__).parent
PATIENTS = {"smoke": 80, "standard": 300, "full": 600}
RESCANS = {"smoke": 20, "standard": 60, "full": 120}
PAIRS = {"smoke": 20, "standard": 60, "full": 120}
"""Of one histogram; either patient of a pair is one of the cohort."""
SCALED_ON = 200
THRESHOLD_HU = -950.0
COLUMNS = (
    "case", "patient", "image", "lesions", "lung", "airways", "extent", "emphysema", "pattern", "sex", "age",
    "pack_years", "bmi", "kernel", "dose", "breath", "histogram", "examined_twice", "observer_1", "observer_2",
    "observer_3", "ra950",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A row of the manifest with its images.

    Attributes:
        name: Of the case.
        owner: Name of the patient.
        patient: Who.
        scan: How he is scanned.
        volume: What is planted.
        image: Stored HU.
        histogram: `own`, or `matched` where it is that of a patient with, or without, emphysema.
        twice: Names the state that was examined twice; empty for others.
    """

    name: str
    owner: str
    patient: ParenchymaPatient
    scan: LungScan
    volume: ParenchymaVolume
    image: NDArray[np.float32]
    histogram: str
    twice: str


def cases(*, seed: int, profile: str) -> Iterator[Case]:
    """Give the cases of the audit: patients, second scans of the first of them, and pairs of one histogram."""
    cohort = patients(AUDIT, PATIENTS[profile], seed)
    for i in range(len(cohort)):
        owner = f"p{i:04d}"
        for examination in range(2 if i < RESCANS[profile] else 1):
            made = cohort.volume(i, examination)
            yield Case(
                name=f"{owner}-{examination}", owner=owner, patient=cohort.patient(i),
                scan=cohort.scan(i, examination), volume=made, image=stored(made.image), histogram="own",
                twice=owner if i < RESCANS[profile] else "",
            )  # fmt: skip
    for i in range(PAIRS[profile]):
        for one, word in zip(matched(AUDIT_MATCHED, i, seed), ("well", "ill"), strict=True):
            name = f"m{i:04d}-{word}"
            yield Case(
                name=name, owner=name, patient=one.patient, scan=one.scan, volume=one.volume, image=stored(one.image),
                histogram="matched", twice="",
            )  # fmt: skip


def below(image: NDArray[np.float32], lung: NDArray[np.bool_], threshold: float = THRESHOLD_HU) -> float:
    """Return the share of the lung's voxels below a threshold, 0 to 1."""
    return float((image[lung] < threshold).mean())


def scaled(seed: int) -> tuple[float, float]:
    """Return intercept and slope that make the planted extent of development patients of the share below -950 HU."""
    found = render(TRAINING, SCALED_ON, seed)
    share = [below(image[0], lung) for image, lung in zip(found.images, found.lungs, strict=True)]
    slope, start = np.polyfit(share, found.extents, 1)
    return float(start), float(slope)


def write_cohort(folder: Path, *, seed: int, profile: str) -> None:
    """Write cases.csv and scans.npz.

    Args:
        folder: There already.
        seed: Of the cohort; no patient is one of the training, whatever the seed.
        profile: smoke, standard or full: how many patients.
    """
    start, slope = scaled(seed)
    rows, images, masks = [], [], []
    for row, one in enumerate(cases(seed=seed, profile=profile)):
        images.append(one.image.astype(np.int16)[None])
        masks.append(np.stack([one.volume.emphysema, one.volume.lung, one.volume.airways]).astype(np.uint8))
        rows.append(_row(one, row, ra950=start + slope * below(one.image, one.volume.lung)))
    lesions, lung, airways = (np.stack([mask[i][None] for mask in masks]) for i in range(3))
    np.savez(folder / "scans.npz", images=np.stack(images), lesions=lesions, lung=lung, airways=airways)
    write_table(folder / "cases.csv", COLUMNS, rows)


def _row(one: Case, row: int, *, ra950: float) -> list[object]:
    person, scan = one.patient, one.scan
    where = [f"scans.npz#{key}[{row}]" for key in ("images", "lesions", "lung", "airways")]
    # Observers read the scan with its own histogram: what they say is the patient's, in the middle of the interval.
    read = [f"{100 * MIDPOINTS[grade]:g}" for grade in person.grades]
    return [
        one.name, one.owner, *where, f"{100 * one.volume.extent:.3f}", "yes" if one.volume.emphysema.any() else "no",
        person.pattern, person.sex, person.age, person.pack_years, person.bmi, scan.protocol,
        "low" if scan.dose < 1 else "full", "deep" if scan.inspiration >= 1 else "shallow", one.histogram, one.twice,
        *(read if one.histogram == "own" else ["", "", ""]), f"{100 * min(1.0, max(0.0, ra950)):.4f}",
    ]  # fmt: skip


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, manifest, weights, audit.toml and policy.toml; see `audit.reference._system.Recipe.write`."""
    write_cohort(folder, seed=seed, profile=profile)
    by_voxel = name.startswith("proportionnet")
    fill(
        HERE / "emphysema.audit.toml", folder / "audit.toml", name=name, weights=copy_weights(weights, folder),
        factory="proportion_net" if by_voxel else "gap_net", profile=profile, seed=seed,
        methods="own_map" if by_voxel else "grad_cam",
    )  # fmt: skip
    text = (HERE / "policy.toml").read_text(encoding="utf-8")
    if by_voxel:
        text += (HERE / "map.policy.toml").read_text(encoding="utf-8")
    (folder / "policy.toml").write_text(text, encoding="utf-8")
