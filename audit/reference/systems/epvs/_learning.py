"""How the network of four regions is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._counting import Counting, learn_counts
from audit.reference.phantoms import PerivascularSpaces, SpacesKnobs, SpacesTable, scanned
from audit.reference.systems.epvs.nets import REGION_NAMES, counter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.reference._system import Say

FULL = 4095.0
READER = 0
"""Observer who counted the training scans."""
# Second part of the entropy of a cohort: the patients of one part are never those of another.
TRAINING, TEST, AUDIT, DEVELOPMENT = 0, 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How it is trained and tested.

    Attributes:
        patients: Training patients; each gives all four regions.
        tested: Test patients.
        rescanned: Test patients who are scanned twice.
        counting: The training itself.
        knobs: What is planted.
    """

    patients: int = 400
    tested: int = 200
    rescanned: int = 60
    counting: Counting = field(default_factory=lambda: Counting(epochs=12, batch=8, learning_rate=3e-3, shift=2))
    knobs: SpacesKnobs = field(default_factory=SpacesKnobs)


def cohort(region: str, n: int, *, seed: int, part: int, knobs: SpacesKnobs) -> PerivascularSpaces:
    """Return the patients of one part, by their region."""
    return PerivascularSpaces(n=n, region=region, seed=(seed, part), knobs=knobs)


def tables(settings: Settings, *, seed: int, part: int, n: int, again: bool = False) -> dict[str, SpacesTable]:
    """Return the scans of n patients by region."""
    return {
        name: scanned(cohort(name, n, seed=seed, part=part, knobs=settings.knobs), again=again)
        for name in REGION_NAMES
    }  # fmt: skip


def fresh(seed: int, region: str | None = None) -> Any:
    """Return a network with weights of its seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return counter(region)


def trained(
    found: dict[str, SpacesTable], settings: Settings, *, seed: int, rows: NDArray[np.int64] | None = None,
    say: Say | None = None,
) -> Any:  # fmt: skip
    """Return the network, trained on what observer 1 counted in all four regions.

    Args:
        found: Training scans by region, the same patients in all.
        settings: How it is trained.
        seed: Of weights, order and mirrors.
        rows: Patients that are trained on; all by default.
        say: Is told how far it is.
    """
    used = np.arange(len(found[REGION_NAMES[0]])) if rows is None else rows
    images = np.concatenate([found[name].images[used] for name in REGION_NAMES])
    counts = np.concatenate([found[name].readings[used, READER] for name in REGION_NAMES])
    columns = np.repeat(np.arange(len(REGION_NAMES)), len(used))
    net = started(fresh(seed), counts, columns)
    return learn_counts(net, images, counts, columns, full=FULL, seed=seed, settings=settings.counting, say=say)


def started(net: Any, counts: NDArray[np.int64], columns: NDArray[np.int64]) -> Any:
    """Return a network that starts from the mean count of each region."""
    import torch

    with torch.no_grad():
        for column in np.unique(columns):
            net.counts.bias[int(column)] = float(counts[columns == column].mean())
    return net
