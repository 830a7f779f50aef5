"""The folder in which count and map are audited."""

from __future__ import annotations

import shutil
from pathlib import Path

from audit.reference._spaces_folder import SCALED_ON, bright_parts, filled, write_cases
from audit.reference.systems.gp_unet._learning import AUDIT, DEVELOPMENT, Settings, cohort

PATIENTS = {"smoke": 60, "standard": 200, "full": 500}
RESCANS = {"smoke": 20, "standard": 40, "full": 80}
_HERE = Path(__file__).parent


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, masks, manifest, weights, audit.toml and policy.toml; see `Recipe`.

    Args:
        name: The system.
        folder: There already.
        weights: The model's file.
        seed: Of the cohort; no patient is one of the training, whatever the seed.
        profile: smoke, standard or full: how many patients.
    """
    knobs = Settings().knobs
    shutil.copyfile(weights, folder / f"{name}.safetensors")
    scaled = bright_parts(cohort(SCALED_ON, seed=seed, part=DEVELOPMENT, knobs=knobs))
    source = cohort(PATIENTS[profile], seed=seed, part=AUDIT, knobs=knobs)
    write_cases(folder, "cases", source, rescans=RESCANS[profile], baseline=scaled)
    text = filled(_HERE / f"{name}.audit.toml", {"name": name, "profile": profile})
    (folder / "audit.toml").write_text(text, encoding="utf-8")
    shutil.copyfile(_HERE / "policy.toml", folder / "policy.toml")
