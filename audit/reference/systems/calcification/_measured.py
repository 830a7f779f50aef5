"""Figures of a trained twin on test patients of its seed, whom it never saw and whom no audit sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit.reference._system import Figure
from audit.reference.phantoms import SkullBaseScan, SkullBaseVolumes
from audit.reference.systems.calcification._training import TEST, prepared

if TYPE_CHECKING:
    from audit.core import Estimate
    from audit.reference.systems.calcification.nets import CalcificationNet

PATIENTS = 150


BATCH = 10


def marked(net: CalcificationNet, images: list[NDArray[np.int16]]) -> NDArray[np.bool_]:
    """Return the masks that a network gives for scans in HU, (n, planes, rows, columns) bool."""
    import torch

    batch = torch.from_numpy(np.stack([prepared(image) for image in images])[:, None])
    with torch.inference_mode():
        logits = net(batch)
    return np.asarray(logits[:, 0].numpy() >= 0)


def figures(net: CalcificationNet, *, seed: int, patients: int = PATIENTS) -> tuple[Figure, ...]:
    """Return overlap, agreement of volumes and what became of lesions, with intervals by patient.

    Args:
        net: In evaluation mode.
        seed: Of the test patients.
        patients: How many.
    """
    from audit import stats
    from audit.core import Levels
    from audit.metrics import dice, lesion_counts

    volumes, levels = SkullBaseVolumes(patients=patients, seed=(seed, TEST)), Levels()
    who = np.arange(patients)
    rows, taken = [], []
    for scan, mask in _answered(net, volumes):
        overlap, counts = dice(mask, scan.plaques), lesion_counts(mask, scan.plaques)
        rows.append((
            np.nan if overlap is None else overlap, mask.sum(), scan.plaques.sum(), counts.reference, counts.found,
            counts.predicted, counts.predicted - counts.false,
        ))  # fmt: skip
        ligaments = lesion_counts(mask, scan.spicules)
        taken.append((ligaments.reference, ligaments.found))
    table, beside = np.array(rows, dtype=np.float64), np.array(taken)
    known = np.isfinite(table[:, 0])
    size = volumes.voxel_mm3
    agreed = stats.AbsoluteIcc(centre=float(size * table[:, 2].mean()), name="ICC(A,1) of volumes")
    return (
        Figure.of("Dice", stats.mean(table[known, 0], who[known], levels, support=(0.0, 1.0))),
        Figure.of("ICC of volumes", stats.agreement(agreed, size * table[:, 1], size * table[:, 2], who, levels)),
        Figure.of("lesion-wise sensitivity", _share(table[:, 4], table[:, 3])),
        Figure.of("lesion-wise positive predictive value", _share(table[:, 6], table[:, 5])),
        Figure.of("ligaments taken for plaque", _share(beside[:, 1], beside[:, 0])),
    )


def _answered(
    net: CalcificationNet, volumes: SkullBaseVolumes
) -> Iterator[tuple[SkullBaseScan, NDArray[np.bool_]]]:  # fmt: skip
    # One volume by itself takes as long as five in a batch.
    for start in range(0, len(volumes), BATCH):
        scans = [volumes.scan(index) for index in range(start, min(start + BATCH, len(volumes)))]
        yield from zip(scans, marked(net, [scan.image for scan in scans]), strict=True)


def _share(hits: NDArray[np.float64], counts: NDArray[np.float64]) -> Estimate:
    """Return hits over lesions, a patient's lesions being no independent cases."""
    from audit import stats
    from audit.core import Estimate, Levels

    k, n = hits.astype(int), counts.astype(int)
    if not n.sum():
        return Estimate.absent("there is none", method="none", n=0, n_patients=0)
    right = np.concatenate([np.arange(size) < hit for hit, size in zip(k, n, strict=True)])
    return stats.proportion(right, np.repeat(np.arange(len(n)), n), Levels())
