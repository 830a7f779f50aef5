"""The folder in which a texture classifier is audited as a user audits his own."""

from __future__ import annotations

import csv
import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.reference._files import read_metadata
from audit.reference.phantoms import RESCAN, SCAN, SHALLOW
from audit.reference.systems.copd_texture._cohorts import (
    AUDIT,
    FUTURE,
    TRAIN,
    TRAINING_SCANS,
    Scanned,
    patients_of,
    scanned,
)

if TYPE_CHECKING:
    from audit.reference.phantoms import CopdPatients

PATIENTS = {"smoke": 150, "standard": 1200, "full": 2500}
AGAIN = {"smoke": 40, "standard": 200, "full": 400}
"""Patients who are scanned again on the same day, and for COPD today once more at a shallower breath."""
_CALLED = {SCAN: "scan", RESCAN: "rescan", SHALLOW: "shallow"}


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, manifests, weights, audit.toml and policy.toml.

    Args:
        name: The system.
        folder: Made if absent.
        weights: What `build` wrote.
        seed: Of the cohort.
        profile: smoke, standard or full: how many patients.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patients = patients_of(name, seed=seed, part=AUDIT, n=PATIENTS[profile])
    cases = scanned(patients, again=AGAIN[profile], shallow=name != FUTURE)
    np.savez(folder / "scans.npz", regions=cases.regions)
    _write_rows(folder / "cases.csv", [_row(name, cases, i) for i in range(len(cases.of))])
    _write_rows(folder / "training.csv", _training(name, weights))
    shutil.copyfile(weights, folder / f"{name}.safetensors")
    about = read_metadata(weights)
    given = {"operating_point": about["operating_point"], "version": f"seed {about.get('seed', '1')}"}
    text = (files(__package__) / f"{name}.audit.toml").read_text(encoding="utf-8")
    for key, value in {**given, "profile": profile}.items():
        text = text.replace(f"@{key}@", value)
    (folder / "audit.toml").write_text(text, encoding="utf-8")
    shutil.copyfile(str(files(__package__) / f"{name}.policy.toml"), folder / "policy.toml")


def _row(name: str, cases: Scanned, index: int) -> dict[str, str]:
    patients, who, kind = cases.patients, int(cases.of[index]), int(cases.kinds[index])
    patient, again = _id(patients, who), bool((cases.of[cases.rows(RESCAN)] == who).any())
    row = {
        "examination": f"{patient}-{_CALLED[kind]}", "patient": patient, "regions": f"scans.npz#regions[{index}]",
        "sex": "male" if patients.male[who] else "female", "age": f"{patients.age[who]:.1f}",
        "pack_years": f"{patients.pack_years[who]:.1f}", "kernel": str(patients.kernel[who]),
        "breath": "shallow" if kind == SHALLOW else "as asked",
        "same_day": "1" if again and kind in (SCAN, RESCAN) else "",
        "ra950": f"{cases.density['ra950'][index]:.6f}", "fev1_fvc": f"{patients.ratio[who]:.4f}",
    }  # fmt: skip
    if name == FUTURE:
        return {**row, "years": f"{patients.time[who]:.4f}", "found": "1" if patients.event[who] else "0"}
    return {**row, "copd": "yes" if patients.copd[who] else "no"}


def _training(name: str, weights: Path) -> list[dict[str, str]]:
    """Return the patients from whose first ones the weights were learned."""
    seed = int(read_metadata(weights).get("seed", "1"))
    drawn = patients_of(name, seed=seed, part=TRAIN, n=TRAINING_SCANS * (2 if name == FUTURE else 1))
    return [{"patient": _id(drawn, i)} for i in range(len(drawn))]


def _id(patients: CopdPatients, who: int) -> str:
    return "-".join(f"{part}" for part in (*patients.seed, int(patients.number[who])))


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
