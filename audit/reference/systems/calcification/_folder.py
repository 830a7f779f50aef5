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
FILE, PIECES = "scans.npz", "pieces.npz"
WHOLE, PIECE = (20, 40, 48), (12, 20, 24)
"""Sides of a volume, and of the piece about a patient's largest plaque that is attacked."""
MASKS = {"plaque_mask": "plaques", "ligament_mask": "spicules", "region_mask": "region"}
COLUMNS = (
    "case", "patient", "scan", *MASKS, "busiest_plane", "sex", "age", "smoker", "hypertension", "stroke", "kernel",
    "planes", "bone_at_vessel", "visit", *(reader.name for reader in READERS),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One configuration of the folder: of all patients, or of the first few."""

    name: str
    what: str
    manifest: str
    policy: str
    probes: str
    size: tuple[int, ...] = WHOLE
    patients: int | None = None


PARTS = (
    _Part(
        name="audit", what="Audit", manifest="cases.csv", policy="policy.toml",
        probes="SETUP*,DATA003,PERF*,FAIR001,FAIR002,SHIFT001,SHIFT002,CONF001,CONF002,CONF004,CONF008,CONF009",
    ),
    _Part(
        name="attacks", what="Attacks on, and explanations", manifest="few.csv", policy="attacks.policy.toml",
        probes="SETUP*,DATA003,ADV001,XAI001,XAI002,XAI003", size=PIECE, patients=16,
    ),
)  # fmt: skip
"""`audit.toml` and `attacks.toml`: each attack or explanation takes hundreds of passes, so it is of pieces of few."""


@dataclass(kw_only=True)
class _Held:
    arrays: dict[str, list[NDArray[Any]]]
    rows: list[tuple[object, ...]]


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, and manifest, configuration and policy of either part; see `Recipe.write`."""
    here = Path(__file__).parent
    patients, twice = SIZES[profile]
    held = _drawn(SkullBaseVolumes(patients=patients, seed=(seed, AUDIT), knobs=KNOBS), twice)
    few = _cut(held)
    for file, part_held in ((FILE, held), (PIECES, few)):
        arrays: dict[str, Any] = {key: np.stack(values) for key, values in part_held.arrays.items()}
        np.savez_compressed(folder / file, **arrays)
    copied = copy_weights(weights, folder)
    for part in PARTS:
        write_table(folder / part.manifest, COLUMNS, (held if part.patients is None else few).rows)
        fill(here / part.policy, folder / part.policy, name=name)
        fill(
            here / "audit.toml", folder / f"{part.name}.toml", name=name, weights=copied, what=part.what,
            profile=SPENT[profile] if part.patients is None else "smoke", seed=seed, factory=FACTORIES[name],
            manifest=part.manifest, policy=part.policy, probes=part.probes, size=list(part.size),
        )  # fmt: skip


def _cut(held: _Held) -> _Held:
    """Return the piece about the largest plaque in the first scan of each of the first patients."""
    few = _Held(arrays={key: [] for key in held.arrays}, rows=[])
    most = max(part.patients or 0 for part in PARTS)
    for index, row in enumerate(held.rows):
        case = str(row[0])
        if not case.endswith("a") or int(case[:-1]) >= most:
            continue
        box = _box(held.arrays["plaques"][index])
        for key, values in held.arrays.items():
            few.arrays[key].append(values[index][box])
        at = len(few.rows)
        files = [f"{PIECES}#{key}[{at}]" for key in ("scan", *MASKS.values())]
        plane = int(few.arrays["plaques"][at].sum(axis=(1, 2)).argmax())
        # Readers told the volume of the whole scan.
        unread = (None,) * len(READERS)
        few.rows.append((*row[:2], *files, plane, *row[len(files) + 3 : -len(unread)], *unread))
    return few


def _box(plaques: NDArray[np.bool_]) -> tuple[slice, ...]:
    from scipy import ndimage

    parts, count = ndimage.label(plaques, structure=np.ones((3, 3, 3)))
    middle = [side / 2 for side in plaques.shape]
    if count:
        middle = list(ndimage.center_of_mass(parts == 1 + np.bincount(parts.ravel())[1:].argmax()))
    sides = zip(middle, PIECE, plaques.shape, strict=True)
    starts = [min(max(0, round(m - size / 2)), side - size) for m, size, side in sides]
    return tuple(slice(start, start + size) for start, size in zip(starts, PIECE, strict=True))


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
