"""What a growing imbalance of the training data does: one file a seed and share of men."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Levels
from audit.reference._system import Figure, Say
from audit.reference.systems.gender_confounding import _cells as cells

if TYPE_CHECKING:
    from audit.core import Cohort

SEEDS = (21, 22, 23, 24, 25)
"""None trained a shipped twin, nor one of docs/phantom-lung.md."""
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Men among the ill; among the healthy as many women."""
PER_LABEL = 2500


def measure(folder: Path, *, say: Say) -> None:
    """Train and test every share with every seed; what is there already is not done again."""
    for seed in SEEDS:
        tested: Cohort | None = None
        for share in SHARES:
            path = folder / f"men-{100 * share:02.0f}-{seed}.json"
            if path.is_file():
                continue
            say(path.stem)
            tested = tested or cells.cohort(cells.TEST_BALANCED, cells.BALANCED, seed)
            part = path.with_name(f".{path.name}.part")
            part.write_text(json.dumps(cell(share, seed, tested), indent=1, allow_nan=False) + "\n", encoding="utf-8")
            part.replace(path)


def cell(share: float, seed: int, tested: Cohort) -> dict[str, Any]:
    """Return what a model that was trained with a share of men among the ill reaches on a balanced cohort."""
    from audit.stats import auc

    learnt = cells.cohort(cells.TRAINING, (share, 1 - share), seed, PER_LABEL)
    model = cells.learnt(cells.images_of(learnt), learnt.targets, seed)
    logits = model.predict(cells.images_of(tested))[:, 0]
    ill, male = tested.targets == 1, tested.attributes["sex"].levels == "male"
    asked = {
        "AUC": (ill, np.ones(len(ill), dtype=bool)), "AUC within men": (ill, male), "AUC within women": (ill, ~male),
        "AUC of the score for men among the healthy": (male, ~ill),
    }  # fmt: skip
    found = {
        name: Figure.of(name, auc(logits[rows], positive[rows], tested.patients[rows], Levels()))
        for name, (positive, rows) in asked.items()
    }
    said = {name: {"value": f.value, "low": f.low, "high": f.high, "n": f.n} for name, f in found.items()}
    return {"seed": seed, "men_of_ill": share, "training_patients": 2 * PER_LABEL, **said}
