"""The folder in which the counts of all four regions are audited, each with a file of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from audit.reference._spaces_folder import SCALED_ON, bright_parts, filled, write_cases
from audit.reference.systems.epvs._learning import AUDIT, DEVELOPMENT, TRAINING, Settings, cohort
from audit.reference.systems.epvs.nets import REGION_NAMES

PATIENTS = {"smoke": 80, "standard": 300, "full": 800}
RESCANS = {"smoke": 20, "standard": 60, "full": 120}
DEVELOPED = {"smoke": 80, "standard": 400, "full": 400}
MAIN = "basal ganglia"
"""The region of `audit.toml`; the others are audited by the files that are named after them."""
LEAST_SLOPE = {"midbrain": 0.42, "hippocampi": 0.42, "basal ganglia": 0.27, "centrum semiovale": 0.22}
"""Half of what one space adds to the count of observer 1: the share of spaces that meet the plane that is read, times
the share of them that the observer sees."""
_HERE = Path(__file__).parent
_RECIPE = """[training]
recipe = "audit.reference.systems.epvs.training:fit"
manifest = "development.csv"
name = "development"
target = 0.95             # mean absolute error in spaces
seconds = 7200
"""
_IN_PLANE = ("basal ganglia", "centrum semiovale")


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, masks, manifests, weights, an audit.toml and a policy a region; see `Recipe`.

    Args:
        name: The system.
        folder: There already.
        weights: The model's file.
        seed: Of the cohort; no patient is one of the training, whatever the seed.
        profile: smoke, standard or full: how many patients.
    """
    shutil.copyfile(weights, folder / "epvs.safetensors")
    for region in REGION_NAMES:
        _write_region(region, folder, seed=seed, profile=profile)
    _write_training(folder, seed=seed, n=DEVELOPED[profile])
    del name


def _write_training(folder: Path, *, seed: int, n: int) -> None:
    """Write the cohort that the basal ganglia were learned from, and the file of an audit of the recipe (PERF007)."""
    knobs = Settings().knobs
    scaled = bright_parts(cohort(MAIN, SCALED_ON, seed=seed, part=DEVELOPMENT, knobs=knobs))
    source = cohort(MAIN, n, seed=seed, part=TRAINING, knobs=knobs)
    write_cases(folder, "development", source, rescans=0, baseline=scaled, prefix="trained")
    text = (folder / "audit.toml").read_text(encoding="utf-8")
    head, tail = text.split("[audit]\n")
    kept = [line for line in tail.splitlines() if not line.startswith(("probes", "policy"))]
    lines = [head + _RECIPE + "\n[audit]", *kept, 'probes = "PERF007"', ""]
    (folder / "training-size.toml").write_text("\n".join(lines), encoding="utf-8")


def _write_region(region: str, folder: Path, *, seed: int, profile: str) -> None:
    slug, knobs = region.replace(" ", "-"), Settings().knobs
    stem = "audit" if region == MAIN else slug
    scaled = bright_parts(cohort(region, SCALED_ON, seed=seed, part=DEVELOPMENT, knobs=knobs))
    source = cohort(region, PATIENTS[profile], seed=seed, part=AUDIT, knobs=knobs)
    write_cases(folder, f"cases-{slug}", source, rescans=RESCANS[profile], baseline=scaled)
    planar = region in _IN_PLANE
    policy = "policy.toml" if region == MAIN else f"{slug}.policy.toml"
    given = {
        "region": region, "slug": slug, "factory": region.replace(" ", "_"), "profile": profile, "policy": policy,
        "plane": 'annotated_plane = "plane"' if planar else "",
        "read": "counts those that meet one plane" if planar else "counts the whole region",
    }  # fmt: skip
    (folder / f"{stem}.toml").write_text(filled(_HERE / "epvs.audit.toml", given), encoding="utf-8")
    text = filled(_HERE / "policy.toml", {"region": region, "least_slope": LEAST_SLOPE[region]})
    if not planar:
        # What is read as a whole has no plane in which spaces could count for more.
        text = text.split("# only where one plane is read")[0].rstrip() + "\n"
    (folder / policy).write_text(text, encoding="utf-8")
