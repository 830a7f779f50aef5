"""What is read from doses: slopes averaged over cases, and what a segmentation touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate
from audit.probes.confounding._asked import NO_NUMBER, Setting
from audit.probes.confounding._doses import METHOD, Doses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def touched(doses: Doses, *, sham: bool) -> tuple[NDArray[np.int64], Floats]:
    """Return cases (m,) and the share of the places of a case's top dose that a segmentation touches.

    Args:
        doses: One arm.
        sham: Of the images in which plain tissue was put there instead.
    """
    raw = np.concatenate(doses.raws) if doses.raws else np.zeros((0, 2))
    rows = np.array(doses.sham, dtype=bool) == sham
    cases, share = np.array(doses.case, dtype=np.int64)[rows], raw[rows][:, 1]
    # The top dose of each case, which holds all that was inserted, comes last.
    last = np.array([np.flatnonzero(cases == c)[-1] for c in np.unique(cases)], dtype=np.int64)
    return cases[last], np.asarray(share[last], dtype=np.float64)


def clean_answers(setting: Setting) -> Floats:
    """Return (N, k) what the model says of the images as they are, as doses are compared with it.

    Raises:
        KeyError: A segmentation whose volumes were not measured.
    """
    ctx = setting.ctx
    if ctx.card.task == "segmentation":
        return ctx.clean.column("volume_predicted")[:, None]
    return ctx.clean.raw


def averaged(setting: Setting, values: Floats, cases: NDArray[np.int64], *, method: str = METHOD) -> Estimate:
    """Return the mean of slopes over cases, or why there is none."""
    from audit.stats import mean

    ctx = setting.ctx
    patients = ctx.cohort.patients[cases]
    n_patients = int(np.unique(patients).size)
    if not cases.size:
        return Estimate.absent("no image had room for it, or there was nothing usual to put in", method=method)
    if not np.isfinite(values).all():
        return Estimate.absent(NO_NUMBER, method=method, n=cases.size, n_patients=n_patients)
    if np.ptp(values) == 0:
        reason = f"the answer changes by {values[0]:g} in every case, so there is no interval"
        return Estimate.absent(reason, method=method, n=cases.size, n_patients=n_patients)
    return mean(values, patients, ctx.levels)
