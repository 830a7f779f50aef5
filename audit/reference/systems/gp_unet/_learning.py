"""How the network is trained: on the number of spaces in each scan, and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._counting import Counting, learn_counts
from audit.reference.phantoms import PerivascularSpaces, SpacesKnobs, SpacesTable
from audit.reference.systems.gp_unet.nets import gp_unet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.reference._system import Say

FULL = 4095.0
REGION = "basal ganglia"
READER = 0
_FEW = 20
_ALONE = 0.1
"""Share of the mean count that is said without any evidence when training begins."""
# Second part of the entropy of a cohort: the patients of one part are never those of another.
TRAINING, TEST, AUDIT, DEVELOPMENT = 10, 11, 12, 13


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How it is trained and tested.

    Attributes:
        patients: Training patients.
        tested: Test patients.
        counting: The training itself.
        knobs: What is planted.
        chosen: What is planted in training patients: they are chosen for few and for many spaces, and for many
            white-matter lesions and lacunes, so that their counts can tell the three apart.
    """

    patients: int = 2000
    tested: int = 150
    counting: Counting = field(default_factory=lambda: Counting(epochs=10, batch=10, sparsity=0.05, erased=3))
    knobs: SpacesKnobs = field(default_factory=SpacesKnobs)
    chosen: SpacesKnobs = field(default_factory=lambda: SpacesKnobs(spread=0.8, distractors=(3.0, 2.4)))


def cohort(n: int, *, seed: int, part: int, knobs: SpacesKnobs) -> PerivascularSpaces:
    """Return the patients of one part; all spaces of the region are counted, not those of one plane."""
    return PerivascularSpaces(n=n, region=REGION, seed=(seed, part), knobs=knobs, whole=True)


def trained(
    found: SpacesTable, settings: Settings, *, seed: int, rows: NDArray[np.int64] | None = None, say: Say | None = None
) -> Any:
    """Return the network, trained on the counts of observer 1.

    Args:
        found: Training scans.
        settings: How it is trained.
        seed: Of weights, order and mirrors.
        rows: Patients that are trained on; all by default.
        say: Is told how far it is.
    """
    import torch

    used = np.arange(len(found)) if rows is None else rows
    counts = found.readings[used, READER]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = gp_unet()
    with torch.no_grad():
        # Sums over thousands of voxels: the first answers are the mean count and not hundreds.
        few = torch.as_tensor(found.images[used[:_FEW]].astype(np.float32)[:, None] / FULL)
        net.counts.bias.zero_()
        net.counts.weight.mul_((1 - _ALONE) * float(counts.mean()) / float(net.train()(few).mean()))
        net.counts.bias.fill_(_ALONE * float(counts.mean()))
    columns = np.zeros(len(used), dtype=np.int64)
    return learn_counts(
        net, found.images[used], counts, columns, full=FULL, seed=seed, settings=settings.counting, say=say
    )


def maps_of(net: Any, table: SpacesTable, *, batch: int = 25) -> NDArray[np.float64]:
    """Return (n, planes, rows, columns) what every voxel adds to the count."""
    import torch

    out = []
    with torch.inference_mode():
        for start in range(0, len(table), batch):
            x = table.images[start : start + batch].astype(np.float32)[:, None] / FULL
            out.append(net.attention_map(torch.as_tensor(x)).numpy())
    return np.concatenate(out).astype(np.float64)
