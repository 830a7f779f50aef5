"""The folder in which a calcification twin is audited as a user's own model is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._writing import copy_weights, fill, write_table
from audit.reference.phantoms import READERS, SkullBaseKnobs, SkullBaseScan, SkullBaseVolumes
from audit.reference.systems.calcification._training import AUDIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = {"smoke": (100, 40), "standard": (200, 50), "full": (400, 100)}
"""Patients, and how many of them are scanned twice."""
SPENT = {"smoke": "smoke", "standard": "smoke", "full": "standard"}
"""Volumes cost more than planes: what the probes may spend by the size of the cohort."""
KNOBS = SkullBaseKnobs(sharp_of_burden=0.4)
"""Of the audit: where there is much calcium the sharp kernel is commoner, as it is where such patients are sent."""
FACTORIES = {"calcification": "calcification_net", "calcification-large": "large_net"}
FILE = "scans.npz"
MASKS = {"plaque_mask": "plaques", "ligament_mask": "spicules", "region_mask": "region"}
COLUMNS = (
    "case", "patient", "scan", *MASKS, "busiest_plane", "sex", "age", "smoker", "hypertension", "stroke", "kernel",
    "planes", "bone_at_vessel", "visit", *(reader.name for reader in READERS),
)  # fmt: skip


@dataclass(kw_only=True)
class _Held:
    arrays: dict[str, list[NDArray[Any]]]
    rows: list[tuple[object, ...]]


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, manifest, audit.toml and policy.toml; see `Recipe.write`."""
    here = Path(__file__).parent
    patients, twice = SIZES[profile]
    held = _drawn(SkullBaseVolumes(patients=patients, seed=(seed, AUDIT), knobs=KNOBS), twice)
    arrays: dict[str, Any] = {key: np.stack(values) for key, values in held.arrays.items()}
    np.savez_compressed(folder / FILE, **arrays)
    write_table(folder / "cases.csv", COLUMNS, held.rows)
    fill(
        here / "audit.toml", folder / "audit.toml", name=name, weights=copy_weights(weights, folder),
        profile=SPENT[profile], seed=seed, factory=FACTORIES[name],
    )  # fmt: skip
    fill(here / "policy.toml", folder / "policy.toml", name=name)


def _drawn(volumes: SkullBaseVolumes, twice: int) -> _Held:
    held = _Held(arrays={key: [] for key in ("scan", *MASKS.values())}, rows=[])
    for index in range(len(volumes)):
        first = volumes.scan(index)
        _hold(held, volumes, index, first, first)
        if index < twice:
            _hold(held, volumes, index, volumes.rescan(index), first)
    return held


def _hold(
    held: _Held, volumes: SkullBaseVolumes, index: int, scan: SkullBaseScan, first: SkullBaseScan
) -> None:  # fmt: skip
    patient, row = volumes.patient(index), len(held.rows)
    held.arrays["scan"].append(scan.image)
    for key in MASKS.values():
        held.arrays[key].append(getattr(scan, key))
    again = scan is not first
    # Readers saw the first scan alone.
    read = [None if again else _volume(volumes, volumes.reading(index, one, scan)) for one in READERS]
    stroke = volumes.stroke(index, _volume(volumes, first.plaques))
    touched = any(vessel.clinoid is not None for vessel in patient.vessels)
    held.rows.append((
        f"{index:04d}{'b' if again else 'a'}", f"P{index:04d}", f"{FILE}#scan[{row}]",
        *(f"{FILE}#{key}[{row}]" for key in MASKS.values()), volumes.annotated_plane(scan), patient.sex,
        f"{patient.age:.1f}", _yes(patient.smoker), _yes(patient.hypertension), _yes(stroke),
        patient.acquisition.kernel, f"{patient.acquisition.thickness_mm:g} mm", _yes(touched), "same day", *read,
    ))  # fmt: skip


def _volume(volumes: SkullBaseVolumes, mask: NDArray[np.bool_]) -> float:
    return round(float(mask.sum()) * volumes.voxel_mm3, 2)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
