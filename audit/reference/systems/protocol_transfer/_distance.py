"""How far two sets of voxels lie apart, without a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FOLDS = 5


def proxy_distance(one: Floats, other: Floats, of_one: Ints, of_other: Ints) -> float:
    """Return the proxy A-distance 2 (1 - 2 e) of Ben-David and others (NIPS 2006), -2 to 2; near 0: alike.

    e is the error of a linear classifier that tells the sets apart, out of fold by patient, both weighing the same.

    Args:
        one: (n, p).
        other: (m, p).
        of_one: (n,) patients.
        of_other: (m,) patients, others than those.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    both = np.concatenate([one, other])
    label = np.repeat([0, 1], [len(one), len(other)])
    groups = np.concatenate([of_one, of_other + of_one.max() + 1])
    said = np.zeros(len(label), dtype=np.int64)
    for learnt, asked in GroupKFold(FOLDS).split(both, label, groups):
        mean, scale = both[learnt].mean(axis=0), both[learnt].std(axis=0)
        made = LogisticRegression(max_iter=1000, class_weight="balanced").fit(
            (both[learnt] - mean) / scale, label[learnt]
        )
        said[asked] = made.predict((both[asked] - mean) / scale)
    error = float(np.mean([(said[label == k] != k).mean() for k in (0, 1)]))
    return round(2 * (1 - 2 * error), 5)


def maximum_mean_discrepancy(one: Floats, other: Floats) -> float:
    """Return the unbiased squared maximum mean discrepancy (Gretton and others, JMLR 2012), Gaussian kernel.

    Features are standardised by the first set; the kernel's width is the median distance between voxels of both sets.

    Args:
        one: (n, p).
        other: (m, p).
    """
    from scipy.spatial.distance import cdist

    mean, scale = one.mean(axis=0), one.std(axis=0)
    a, b = (one - mean) / scale, (other - mean) / scale
    squares = {"aa": cdist(a, a, "sqeuclidean"), "bb": cdist(b, b, "sqeuclidean"), "ab": cdist(a, b, "sqeuclidean")}
    width = float(np.median(squares["ab"]))
    near = {key: np.exp(-value / width) for key, value in squares.items()}
    n, m = len(a), len(b)
    within = [(near[k].sum() - size) / (size * (size - 1)) for k, size in (("aa", n), ("bb", m))]
    return round(float(within[0] + within[1] - 2 * near["ab"].mean()), 5)
