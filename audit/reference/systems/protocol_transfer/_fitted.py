"""A machine with probabilities: logits from its distances, learnt on voxels of patients that it had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.systems.protocol_transfer._features import features
from audit.reference.systems.protocol_transfer._ways import TISSUES, Machine, Voxels, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class TissueModel:
    """A trained and calibrated machine.

    Attributes:
        machine: The machine.
        slopes: (3, 3) from distances to logits.
        offsets: (3,).
    """

    machine: Machine
    slopes: Floats
    offsets: Floats

    def predict(self, images: NDArray[Any]) -> Floats:
        """Return (n, 3) logits for (n, 1, 25, 25) stored patches."""
        said: Floats = self.machine.decide(features(images)) @ self.slopes.T + self.offsets
        return said

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights of `nets.TissueNet` that answers alike."""
        m = self.machine
        values = {
            "mean": m.mean, "scale": m.scale, "waves": m.waves, "phases": m.phases, "decide.weight": m.weights,
            "decide.bias": m.offsets, "calibrate.weight": self.slopes, "calibrate.bias": self.offsets,
        }  # fmt: skip
        return {key: np.asarray(value, dtype=np.float32) for key, value in values.items()}


def fitted(voxels: Voxels, groups: NDArray[np.int64], *, seed: int, weights: Floats | None = None) -> TissueModel:
    """Train a machine and calibrate it out of fold by patient.

    Args:
        voxels: Labelled voxels.
        groups: (n,) patient of each voxel.
        seed: Of the machine.
        weights: (n,) weights of mean 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    distances = np.zeros((len(voxels), TISSUES))
    folds = GroupKFold(min(FOLDS, len(np.unique(groups)))).split(voxels.features, groups=groups)
    for learnt, asked in folds:
        part = Voxels(features=voxels.features[learnt], tissue=voxels.tissue[learnt])
        machine = fit(part, seed=seed, weights=None if weights is None else weights[learnt])
        distances[asked] = machine.decide(voxels.features[asked])
    scaled = LogisticRegression(C=1.0, max_iter=1000).fit(distances, voxels.tissue, sample_weight=weights)
    return TissueModel(machine=fit(voxels, seed=seed, weights=weights), slopes=scaled.coef_, offsets=scaled.intercept_)
