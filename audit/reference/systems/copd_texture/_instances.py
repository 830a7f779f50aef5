"""Ways from regions to a scan: the mean of their shares, the largest, and a linear model of likeness.

The last is after MILES (Chen, Bi and Wang 2006): a scan is described by how alike its most alike region is to each of
many prototypes, and a 1-norm support vector machine is fitted to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

VARIANTS = ("mean", "maximum", "miles")
NEIGHBOURS_TRIED = (15, 25, 45)
PENALTIES_TRIED = (0.01, 0.03, 0.1)
PROTOTYPES = 300
FOLDS = 5


def said_by(train: Tensor, labels: Bools, test: Tensor, *, seed: int) -> dict[str, Floats]:
    """Return each way's scores of new scans; each had three settings to choose from on its training scans.

    Args:
        train: (n, regions, bins) histograms.
        labels: (n,) of the scans.
        test: (m, regions, bins).
        seed: Draws the prototypes and the folds.

    Returns:
        (m,) scores by name of `VARIANTS`.
    """
    own, new = _apart(train, train), _apart(test, train)
    return {
        "mean": _neighbours(own, new, labels, np.mean), "maximum": _neighbours(own, new, labels, np.max),
        "miles": _miles(train, labels, test, seed),
    }  # fmt: skip


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Return (n, regions, m * regions) L1 distances."""
    import torch

    return torch.cdist(one.flatten(0, 1), other.flatten(0, 1), p=1).view(*one.shape[:2], -1)


def _neighbours(own: Tensor, new: Tensor, labels: Bools, pool: object) -> Floats:
    import torch
    from sklearn.metrics import roc_auc_score

    votes = torch.tensor(np.repeat(labels, own.shape[1]).astype(np.float32))
    whose = torch.arange(len(labels))
    left_out = own.masked_fill((whose[:, None] == whose.repeat_interleave(own.shape[1]))[:, None], torch.inf)

    def scores(apart: Tensor, k: int) -> Floats:
        share = votes[apart.topk(k, dim=2, largest=False).indices].mean(dim=2).numpy()
        return np.asarray(pool(share, axis=1), dtype=np.float64)  # type: ignore[operator]

    best = max(NEIGHBOURS_TRIED, key=lambda k: float(roc_auc_score(labels, scores(left_out, k))))
    return scores(new, best)


def _miles(train: Tensor, labels: Bools, test: Tensor, seed: int) -> Floats:
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(seed)
    regions = train.flatten(0, 1)
    kept = regions[rng.choice(len(regions), size=min(PROTOTYPES, len(regions)), replace=False)]
    near, far = (_apart(scans, kept[:, None]).numpy() for scans in (train, test))
    width = float(np.median(near))
    x, new = (np.exp(-apart / width).max(axis=1) for apart in (near, far))
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))

    def model(c: float) -> LinearSVC:
        return LinearSVC(C=c, penalty="l1", dual=False, max_iter=5000, random_state=0)

    def held_out(c: float) -> float:
        said = cross_val_predict(model(c), (x - centre) / scale, labels, cv=folds, method="decision_function")
        return float(roc_auc_score(labels, said))

    fitted = model(max(PENALTIES_TRIED, key=held_out)).fit((x - centre) / scale, labels)
    return np.asarray(fitted.decision_function((new - centre) / scale), dtype=np.float64)
