"""Whether a small classifier can tell images that were filled from images that were not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext
from audit.edits import Grid
from audit.probes._out_of_fold import lacking, log_odds_out_of_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MOST = 0.7
"""AUC of the classifier above which a fill is not accepted: it leaves a trace that a network could use."""
METHOD = "logistic regression and boosted trees out of fold by patient"


def features(image: NDArray[Any], region: Mask, grid: Grid) -> Floats:
    """Return what could betray a region of an image: level, spread, shape of the histogram and detail at two scales.

    Everything inside the region stands beside the same in a shell around it, on a logarithmic scale where it is a
    spread, so that the image's own contrast and noise do not hide a difference.

    Args:
        image: (channels, *spatial).
        region: (*spatial) bool, not empty.
        grid: Spacing.
    """
    from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

    reach = binary_dilation(region, iterations=3)
    box = _box(reach)
    values = np.asarray(image, dtype=np.float64).mean(axis=0)[box]
    inside, shell = region[box], (reach & ~region)[box]
    if not shell.any():
        shell = ~inside if (~inside).any() else inside
    fine = values - gaussian_filter(values, 1.0)
    coarse = gaussian_filter(values, 1.0) - gaussian_filter(values, 2.0)
    gradient = np.sqrt(sum(np.gradient(values, axis=a) ** 2 for a in range(values.ndim) if values.shape[a] > 1))
    edge = inside & ~binary_erosion(inside)
    beside = binary_dilation(inside) & ~inside
    scale = float(values[shell].std()) + 1e-9 * (1 + float(np.abs(values).max()))
    columns = [(values[inside].mean() - values[shell].mean()) / scale, _log_ratio(values, inside, shell, scale)]
    columns += [_log_ratio(part, inside, shell, scale) for part in (fine, coarse, np.asarray(gradient))]
    columns += [_log_ratio(part, edge, inside, scale) for part in (fine, np.asarray(gradient))]
    if edge.any() and beside.any():
        columns.append((values[edge].mean() - values[beside].mean()) / scale)
    else:
        columns.append(0.0)
    quantiles = np.quantile(values[inside], (0.02, 0.25, 0.5, 0.75, 0.98))
    columns += ((quantiles - values[shell].mean()) / scale).tolist()
    columns += [_tied(values, inside) - _tied(values, shell), np.log(inside.sum() * grid.voxel)]
    return np.array(columns, dtype=np.float64)


def _box(mask: Mask) -> tuple[slice, ...]:
    lines = [np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != i))) for i in range(mask.ndim)]
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def _log_ratio(values: Floats, inside: Mask, shell: Mask, scale: float) -> float:
    """Return the log of the ratio of both root mean squares about the mean, each at least a thousandth of the scale."""
    parts = [float(values[m].std()) if m.any() else 0.0 for m in (inside, shell)]
    least = 1e-3 * scale
    return float(np.log(max(parts[0], least) / max(parts[1], least)))


def _tied(values: Floats, where: Mask) -> float:
    """Return the share of pixels whose value stands there more than once."""
    found = values[where]
    return 1.0 - np.unique(found).size / max(1, found.size)


def trace(ctx: ProbeContext, filled: list[Floats], untouched: list[Floats], patients: NDArray[np.int64]) -> Estimate:
    """Return the AUC with which filled images are told from untouched ones.

    The better of a linear and a tree classifier counts, so that the check errs towards finding a trace.

    Args:
        ctx: The probe's context.
        filled: Features of (m,) filled images.
        untouched: Features of the same places in (m,) images as they were.
        patients: (m,) patient codes.
    """
    from audit.stats import auc

    if not filled:
        return Estimate.absent("no image to compare", method=METHOD)
    x = np.stack([*filled, *untouched])
    labels = np.arange(len(x)) < len(filled)
    owner = np.concatenate([patients, patients])
    reason = lacking(labels, owner, "filled images")
    if reason:
        return Estimate.absent(reason, method=METHOD, n=len(x), n_patients=int(np.unique(owner).size))
    found = []
    for learner in ("logistic regression", "boosted trees"):
        odds = log_odds_out_of_fold(x, labels, owner, ctx.rng, learner=learner)
        found.append(auc(odds, labels, owner, ctx.levels))
    known = [e for e in found if e.value is not None]
    if not known:
        return found[0]
    best = max(known, key=lambda e: e.value or 0.0)
    return Estimate(value=best.value, curve=best.curve, method=METHOD, n=best.n, n_patients=best.n_patients)


def refused(found: Estimate) -> str | None:
    """Return why numbers on filled images are not given, or None.

    Args:
        found: The AUC of `trace`.
    """
    if found.value is None:
        return f"the fill could not be checked for traces: {found.missing}"
    if found.value > MOST:
        return (
            f"the fill leaves a trace: a small classifier tells filled from untouched images with an AUC of "
            f"{found.value:.2f}, above {MOST:g}"
        )
    return None
