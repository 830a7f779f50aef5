"""What the texture classifier learns: bins, which filters, prototypes, and the logit of the mean share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.systems.copd_texture._bank import BINS, FEATURES, feature_maps, histograms
from audit.reference.systems.copd_texture.nets import CHOSEN, NEIGHBOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

EDGE_PATIENTS = 60
"""Patients of whom the bins are learned."""
SELECTION_PATIENTS = 200
"""Patients on whom filters are selected."""
_CHUNK = 48


@dataclass(frozen=True, kw_only=True, eq=False)
class Learner:
    """Scans with weak labels: every region has the label of its scan.

    Args:
        scans: (n, regions, z, y, x) HU, one scan a patient.
        labels: (n,) bool.
        trust: (n,) weights of the patients, above 0.
    """

    scans: NDArray[Any]
    labels: NDArray[np.bool_]
    trust: Floats

    @property
    def regions(self) -> int:
        """Regions a scan."""
        return int(self.scans.shape[1])

    def first(self, n: int) -> Learner:
        """Return a learner of the first patients, no fewer than the bins are learned of; histograms are shared.

        Raises:
            ValueError: The bins of fewer patients would be others.
        """
        if n < EDGE_PATIENTS:
            raise ValueError(f"n: expected at least {EDGE_PATIENTS}, got {n}")
        fewer = Learner(scans=self.scans[:n], labels=self.labels[:n], trust=self.trust[:n])
        fewer.__dict__.update(edges=self.edges, textures=self.textures[: n * self.regions])
        return fewer

    @cached_property
    def edges(self) -> Tensor:
        """(features, bins - 1) edges between bins that hold equally many voxels of the first patients."""
        import torch

        maps = feature_maps(_regions(self.scans[:EDGE_PATIENTS]))
        # Every 13th voxel: neighbours say much the same, and 13 divides no side.
        flat = maps[:, :, ::13].transpose(0, 1).flatten(1)
        return torch.quantile(flat, torch.linspace(0, 1, BINS + 1)[1:-1], dim=1).T.contiguous()

    @cached_property
    def textures(self) -> Tensor:
        """(n * regions, features, bins) histograms of every filter."""
        return self.textures_of(self.scans)

    def left_out(self, chosen: tuple[int, ...], *, neighbours: int = NEIGHBOURS) -> Floats:
        """Return (n, regions) shares of ill neighbours, none of them of the patient's own."""
        return self._shares(sum(self._apart(c) for c in chosen), len(self.scans), neighbours)

    def said(self, textures: Tensor, chosen: tuple[int, ...]) -> Floats:
        """Return (m,) mean shares of ill neighbours of new scans.

        Args:
            textures: Their histograms, from `textures_of`.
            chosen: Filters to compare.
        """
        import torch

        new, own = textures[:, list(chosen)].flatten(1), self.textures[:, list(chosen)].flatten(1)
        near = torch.cdist(new, own, p=1).topk(NEIGHBOURS, dim=1, largest=False).indices
        whose = torch.arange(len(self.scans)).repeat_interleave(self.regions)[near]
        trust = torch.tensor(self.trust)[whose]
        share = (trust * torch.tensor(self.labels)[whose]).sum(dim=1) / trust.sum(dim=1)
        return np.asarray(share.view(-1, self.regions).mean(dim=1).numpy(), dtype=np.float64)

    def textures_of(self, scans: NDArray[Any]) -> Tensor:
        """Return (m * regions, features, bins) histograms of scans, (m, regions, z, y, x) HU, in the own bins."""
        import torch

        parts = np.array_split(scans, -(-len(scans) * self.regions // _CHUNK))
        return torch.cat([histograms(feature_maps(_regions(part)), self.edges) for part in parts])

    def _apart(self, feature: int, patients: int | None = None) -> Tensor:
        import torch

        own = self.textures[: (patients or len(self.scans)) * self.regions, feature]
        return torch.cdist(own, own, p=1)

    def _shares(self, apart: Any, patients: int, neighbours: int) -> Floats:
        import torch

        whose = torch.arange(patients).repeat_interleave(self.regions)
        apart = apart.masked_fill(whose[:, None] == whose, torch.inf)
        near = apart.topk(neighbours, dim=1, largest=False).indices
        trust = torch.tensor(self.trust)[whose][near]
        share = (trust * torch.tensor(self.labels)[whose][near]).sum(dim=1) / trust.sum(dim=1)
        return np.asarray(share.view(patients, self.regions).numpy(), dtype=np.float64)

    def select(self) -> tuple[int, ...]:
        """Return filters chosen one after the other, each the one that ranks patients best beside those before it."""
        n = min(SELECTION_PATIENTS, len(self.scans))
        each = [self._apart(f, n) for f in range(len(FEATURES))]
        chosen: list[int] = []
        total: Any = 0
        while len(chosen) < CHOSEN:
            areas = {
                f: self._area(self._shares(total + apart, n, NEIGHBOURS).mean(axis=1))
                for f, apart in enumerate(each)
                if f not in chosen
            }
            best = max(areas, key=lambda f: areas[f])
            chosen.append(best)
            total = total + each[best]
        return tuple(chosen)

    def _area(self, scores: Floats) -> float:
        from sklearn.metrics import roc_auc_score

        n = len(scores)
        return float(roc_auc_score(self.labels[:n], scores, sample_weight=self.trust[:n]))

    @property
    def unselected(self) -> slice:
        """Patients on whom no filter was selected; all where too few are left."""
        return slice(SELECTION_PATIENTS if len(self.scans) >= 2 * SELECTION_PATIENTS else 0, None)

    def line(self, scores: Floats) -> tuple[float, float]:
        """Return intercept and slope of the log odds on scores, so that they are probabilities.

        The slope is fitted to patients on whom no filter was selected: those rank too well, and risks would be too
        extreme. The intercept makes the mean risk of all patients the share of them that are positive.

        Args:
            scores: (n,) of all patients.
        """
        from scipy.optimize import brentq
        from scipy.special import expit
        from sklearn.linear_model import LogisticRegression

        rows = self.unselected
        fitted = LogisticRegression(C=1e6, max_iter=1000)
        fitted.fit(scores[rows, None], self.labels[rows], sample_weight=self.trust[rows])
        slope, share = float(fitted.coef_[0, 0]), np.average(self.labels, weights=self.trust)

        def excess(intercept: float) -> float:
            return float(np.average(expit(intercept + slope * scores), weights=self.trust) - share)

        return float(brentq(excess, -50.0, 50.0)), slope

    def tensors(self, chosen: tuple[int, ...] | None = None) -> dict[str, NDArray[Any]]:
        """Return the buffers of the network, learned from these patients.

        Args:
            chosen: Filters to use instead of selecting them.
        """
        used = self.select() if chosen is None else chosen
        line = self.line(self.left_out(used).mean(axis=1))
        return {
            "chosen": np.array(used, dtype=np.int64), "edges": self.edges[list(used)].numpy(),
            # Counts of voxels in half precision: a tenth of a per cent of a histogram's largest bin is nothing.
            "prototypes": self.textures[:, list(used)].flatten(1).numpy().astype(np.float16),
            "votes": np.repeat(self.labels, self.regions).astype(np.float32),
            "trust": np.repeat(self.trust, self.regions).astype(np.float32),
            "line": np.array(line, dtype=np.float32),
        }  # fmt: skip


def _regions(scans: NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.asarray(scans, dtype=np.float32).reshape(-1, *scans.shape[2:]))
