"""What the map finds, by the number of training patients."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from audit.reference._counting import sizes_and_seeds
from audit.reference._system import Say
from audit.reference.phantoms import SpacesTable, scanned
from audit.reference.systems.gp_unet._learning import TEST, TRAINING, Settings, cohort, trained
from audit.reference.systems.gp_unet._measuring import figures

SIZES = (100, 400, 2000)
SEEDS = (1, 2, 3, 4, 5)
STEPS = 1500
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
    """Return the figures of a network that was trained on so many patients."""
    settings = Settings(patients=size)
    epochs = max(1, round(STEPS * settings.counting.batch / size))
    settings = replace(settings, counting=replace(settings.counting, epochs=epochs))
    net = trained(scanned(cohort(size, seed=seed, part=TRAINING, knobs=settings.chosen)), settings, seed=seed)
    found = {one.name: one.value for one in figures(net, _tested(), seed=seed)}
    return {"patients": size, "seed": seed, "epochs": epochs, "tested": settings.tested, **found}


@cache
def _tested() -> SpacesTable:
    settings = Settings()
    return scanned(cohort(settings.tested, seed=1, part=TEST, knobs=settings.knobs))
