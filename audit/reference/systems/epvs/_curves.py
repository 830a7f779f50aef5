"""Agreement by the number of training patients."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from audit.reference._counting import agreement, answers, sizes_and_seeds
from audit.reference._system import Say
from audit.reference.phantoms import SpacesTable
from audit.reference.systems.epvs._learning import FULL, READER, TEST, TRAINING, Settings, tables, trained
from audit.reference.systems.epvs._measuring import OTHER
from audit.reference.systems.epvs.nets import REGION_NAMES

SIZES = (50, 100, 200, 400, 1600)
SEEDS = (1, 2, 3, 4, 5)
STEPS = 2400
"""Steps of every training, whatever its size: what differs is how many patients it saw, not how long it learned."""


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Train on growing numbers of patients, one file a number and seed; see `audit.reference._system.Recipe`.

    Seeds differ in patients, weights and order; all are tested on the same patients.

    Args:
        name: The system.
        folder: Made if absent; what is there already is not done again.
        say: Is told how far it is.
    """
    sizes_and_seeds(name, folder, SIZES, SEEDS, cell, say)


def cell(size: int, seed: int) -> dict[str, object]:
    """Return the agreement by region of a network that was trained on so many patients."""
    settings = Settings(patients=size)
    steps = len(REGION_NAMES) * size // settings.counting.batch
    epochs = max(1, round(STEPS / max(1, steps)))
    settings = replace(settings, counting=replace(settings.counting, epochs=epochs))
    net = trained(tables(settings, seed=seed, part=TRAINING, n=size), settings, seed=seed)
    out: dict[str, object] = {"patients": size, "seed": seed, "epochs": epochs, "tested": settings.tested}
    for column, name in enumerate(REGION_NAMES):
        table = _tested()[name]
        said = answers(net, table.images, full=FULL)[:, column]
        readings = (("observer 1", READER), ("observer 2", OTHER))
        out[name] = {who: agreement(said, table.readings[:, k]).value for who, k in readings}
    return out


@cache
def _tested() -> dict[str, SpacesTable]:
    settings = Settings()
    return tables(settings, seed=1, part=TEST, n=settings.tested)


def shape_of(folder: Path, name: str) -> dict[str, dict[int, list[float]]]:
    """Return the agreement with observer 1 by region and number of patients, one value a seed that is there."""
    out: dict[str, dict[int, list[float]]] = {region: {} for region in REGION_NAMES}
    for file in sorted(folder.glob(f"{name}-*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        for region in REGION_NAMES:
            out[region].setdefault(int(found["patients"]), []).append(float(found[region]["observer 1"]))
    return out
