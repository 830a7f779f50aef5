"""Voxels of phantom patients under source and target, with features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.reference.phantoms import PREPARED, SPIN_ECHO, TissuePatients, TissueProtocol
from audit.reference.systems.protocol_transfer._features import features
from audit.reference.systems.protocol_transfer._ways import Pairs, Voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCE_PATIENTS, TARGET_PATIENTS, PAIR_PATIENTS, TEST_PATIENTS, AUDIT_PATIENTS, DEVELOPMENT_PATIENTS = range(60, 66)
"""First part of the entropy: patients of one part are never those of another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Voxels with their patients.

    Attributes:
        patches: (n, 25, 25) uint16.
        tissue: (n,) 0 to 2.
        patient: (n,) index of the patient.
    """

    patches: NDArray[np.uint16]
    tissue: NDArray[np.int64]
    patient: NDArray[np.int64]

    def voxels(self) -> Voxels:
        """Return features and tissue."""
        return Voxels(features=features(self.patches), tissue=self.tissue)


def drawn(part: int, seed: int, protocol: TissueProtocol, *, patients: int, each: int) -> Drawn:
    """Return voxels of patients under one protocol, as many of each tissue.

    Args:
        part: One of the parts above.
        seed: The model's.
        protocol: Under which all are scanned.
        patients: How many.
        each: Voxels of each tissue and patient.
    """
    people = TissuePatients(n=patients, seed=(part, seed))
    parts = [people.voxels(i, protocol, each=each) for i in range(patients)]
    return Drawn(
        patches=np.concatenate([p.patches for p in parts]), tissue=np.concatenate([p.tissue for p in parts]),
        patient=np.repeat(np.arange(patients), [len(p.tissue) for p in parts]),
    )  # fmt: skip


def pairs(seed: int, *, patients: int, each: int) -> Pairs:
    """Return features of the same places under both protocols; their tissue is not looked at."""
    one, other = (drawn(PAIR_PATIENTS, seed, p, patients=patients, each=each) for p in (SPIN_ECHO, PREPARED))
    return Pairs(source=features(one.patches), target=features(other.patches))
