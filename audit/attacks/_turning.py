"""Directions for cases that stand: from where their answer turns, and from the mean over their neighbourhood.

A gradient tells of the image where it is taken. Where an answer is saturated there, a weak branch may be all that the
gradient shows; where it wiggles from pixel value to pixel value, it shows the wiggle. Both are told from afar: the
first from the place where the answer turns on the way to another case, the second from the mean of many gradients.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ledger import Ledger
from audit.attacks._outcome import Anchors

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 32
"""Places around an image of which the mean gradient is taken."""
FEW = 1
"""Places that tell, beside the image itself, whether the others are worth their cost: like ones have no new mean."""
_ALIKE = 0.5
_HALVINGS = 14
_GENTLE = 0.05
"""A margin of at most this share of the clean one is near enough to where it is none."""


class Turning:
    """Where answers turn on the way to other cases.

    Args:
        ledger: Asks the model, and counts.
        anchors: (a, channels, *spatial) images to go towards, or what reads them.
    """

    def __init__(self, ledger: Ledger, anchors: Anchors) -> None:
        self.ledger, self._anchors = ledger, anchors
        self._raw: NDArray[np.float64] | None = None

    @cached_property
    def anchors(self) -> NDArray[np.float32]:
        """The images to go towards."""
        return self._anchors() if callable(self._anchors) else self._anchors

    def sides(
        self, rows: NDArray[np.int64], keys: NDArray[np.int64], x0: NDArray[np.float32], target: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Return the last right and the first wrong image on the way of some cases to one that answers otherwise.

        Where the margin passes gently through none, both are one image with a margin near that.

        Args:
            rows: (m,) cases, as the ledger numbers them.
            keys: (m,) a number of each, on which alone it depends which anchors it tries first.
            x0: (m, channels, *spatial) their images, answered right.
            target: (m, ...) their targets.

        Returns:
            (m,) whether an anchor answers otherwise, two arrays like x0, and (m,) which objective turned.
        """
        goal, found = self._goals(keys, x0, target)
        before, after = x0.copy(), x0.copy()
        which = np.zeros(len(rows), dtype=np.int64)
        low, high = np.zeros(len(rows), dtype=np.float32), np.ones(len(rows), dtype=np.float32)

        def on(share: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float32]:
            wide = share[at].reshape(-1, *[1] * (x0.ndim - 1))
            out: NDArray[np.float32] = x0[at] + wide * (goal[at] - x0[at])
            return out

        at = np.flatnonzero(found)
        clean = np.abs(self.ledger.clean_margin[rows])
        for _ in range(_HALVINGS):
            if not at.size:
                break
            middle = ((low + high) / 2).astype(np.float32)
            _, margins, right = self.ledger.ask(on(middle, at), target[at])
            which[at[~right]] = margins[~right].argmin(axis=1)
            low[at[right]], high[at[~right]] = middle[at[right]], middle[at[~right]]
            # On a slope as gentle as this there is no edge to come closer to.
            there = np.abs(margins.min(axis=1)) <= _GENTLE * clean[at]
            low[at[there]] = high[at[there]] = middle[at[there]]
            at = at[~there]
        every = np.flatnonzero(found)
        before[every], after[every] = on(low, every), on(high, every)
        return found, before, after, which

    def _goals(
        self, keys: NDArray[np.int64], x0: NDArray[np.float32], target: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        objective, count = self.ledger.question.objectives[0], len(self.anchors)
        if self._raw is None and count:
            self.ledger.once.forwards += count
            self._raw = self.ledger.model.predict(self.anchors)
        raw = self._raw
        goal, found = x0.copy(), np.zeros(len(keys), dtype=bool)
        if raw is None:
            return goal, found
        for turn in range(count):
            at = (keys + turn) % count
            hit = ~found & ~objective.right(raw[at], target)
            goal[hit], found[hit] = self.anchors[at[hit]], True
            if found.all():
                break
        return goal, found


def rough(found: Any) -> NDArray[np.bool_]:
    """Return (m,) whether gradients at several places around an image have little in common.

    Args:
        found: (places, m, channels, *spatial) gradients.
    """
    import torch

    flat = torch.nan_to_num(found.flatten(2).double(), nan=0.0, posinf=0.0, neginf=0.0)
    unit = flat / flat.norm(dim=2, keepdim=True).clamp_min(1e-300)
    count = len(unit)
    pairs = (unit.sum(dim=0).square().sum(dim=1) - unit.square().sum(dim=(0, 2))) / (count * (count - 1))
    out: NDArray[np.bool_] = (pairs < _ALIKE).cpu().numpy()
    return out
