"""Choose where densitometry cuts, and write the folder of its audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audit.reference._files import read_metadata
from audit.reference._system import Made, Say
from audit.reference._writing import even_threshold, fill
from audit.reference.systems.densitometry._measure import of_breath, of_patterns, of_presence
from audit.reference.systems.densitometry.nets import ra950
from audit.reference.systems.emphysema._data import MATCHED, TEST, VALIDATION, render, render_matched
from audit.reference.systems.emphysema._folder import write_cohort

HERE = Path(__file__).parent
DEVELOPMENT, TESTED, PAIRS = 400, 300, 150


def train(name: str, *, seed: int, say: Say) -> Made:
    """Choose the operating point; nothing else is learned. See `audit.reference._system.Recipe.train`."""
    del name
    say(f"{DEVELOPMENT} phantom patients, to choose where to cut")
    found = render(VALIDATION, DEVELOPMENT, seed)
    point = round(even_threshold(ra950(found.images), (found.extents > 0).astype(np.int64)), 4)
    say("figures on test patients, on pairs of one histogram and at two breaths")
    figures = [
        *of_presence(render(TEST, TESTED, seed), "own histograms"),
        *of_presence(render_matched(MATCHED, PAIRS, seed), "matched histograms"),
        *of_patterns(PAIRS, seed), *of_breath(PAIRS, seed),
    ]  # fmt: skip
    return Made(
        tensors={"threshold_hu": np.array([-950.0]), "operating_point": np.array([point])},
        metadata={"operating_point": repr(point)}, figures=tuple(figures),
    )  # fmt: skip


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write scans, manifest, audit.toml and policy.toml; see `audit.reference._system.Recipe.write`."""
    write_cohort(folder, seed=seed, profile=profile)
    point = read_metadata(weights)["operating_point"]
    fill(HERE / "audit.toml", folder / "audit.toml", name=name, operating_point=point, profile=profile, seed=seed)
    fill(HERE / "policy.toml", folder / "policy.toml")


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Say that there is nothing to learn from more patients."""
    del folder
    say(f"{name} learns nothing that more patients would change")
