"""Patients in drawn order, in blocks after each of which a probe may ask whether enough is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import BLOCK, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

STOPPED = "no bound at a number of patients that the data chose"
"""What the method of an interval says that covers the whole range because the probe stopped early."""


def drawn_order(patients: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return positions of all cases, whole patients one after the other in an order that is drawn.

    Args:
        patients: (n,) patient codes.
        rng: Draws the order.
    """
    codes = np.unique(patients)
    place = np.empty(codes.size, dtype=np.int64)
    place[rng.permutation(codes.size)] = np.arange(codes.size)
    order: NDArray[np.int64] = np.argsort(place[np.searchsorted(codes, patients)], kind="stable")
    return order


def looks(patients: NDArray[np.int64], block: int = BLOCK) -> tuple[int, ...]:
    """Return how many cases have been looked at after each block of whole patients; the last number is all of them.

    Args:
        patients: (n,) patient codes, whole patients one after the other.
        block: Patients a block.

    Raises:
        ValueError: The cases of a patient do not stand together.
    """
    if not patients.size:
        return ()
    starts = np.flatnonzero(np.concatenate([[True], patients[1:] != patients[:-1]]))
    if starts.size != np.unique(patients).size:
        raise ValueError("expected the cases of a patient one after the other")
    return (*starts[block::block].tolist(), int(patients.size))


def covering(estimate: Estimate, least: float, most: float) -> Estimate:
    """Return an estimate made for a fixed number of patients with the whole range as its bounds: the data chose when.

    Args:
        estimate: The number, of the patients that were looked at before the probe stopped.
        least: Smallest possible number.
        most: Largest possible number.
    """
    if estimate.value is None:
        return estimate
    curve = tuple((level, min(least, estimate.value), max(most, estimate.value)) for level, _, _ in estimate.curve)
    return replace(estimate, curve=curve, method=f"{estimate.method}; {STOPPED}")
