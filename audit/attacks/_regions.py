"""Where cases may be changed, found once a case: who goes through the same cases many times asks here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.attacks._ladder import attack_region

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HELD = 2**24
"""Bytes that are held at most: 128 million pixels."""


class Regions:
    """What `attack_region` gives of cases, by their rows, held in one bit a pixel.

    Args:
        modality: One of `audit.core.MODALITIES`, or "".
    """

    def __init__(self, modality: str) -> None:
        self._modality = modality
        self._held: dict[int, NDArray[np.uint8]] = {}
        self._bytes = 0

    def of(self, rows: NDArray[np.int64], images: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return (m, 1, *spatial) where images may be changed.

        Args:
            rows: (m,) rows of the cases, the same for the same image at every call.
            images: (m, channels, *spatial) their stored intensities.
        """
        keys, shape = rows.tolist(), images.shape[2:]
        new = [at for at, key in enumerate(keys) if key not in self._held]
        found = dict(zip(new, attack_region(images[new], self._modality), strict=True)) if new else {}
        for at, region in found.items():
            bits = np.packbits(region)
            if self._bytes + bits.nbytes <= _HELD:
                self._held[keys[at]], self._bytes = bits, self._bytes + bits.nbytes
        out = np.empty((len(keys), 1, *shape), dtype=bool)
        for at, key in enumerate(keys):
            known = found[at] if at in found else np.unpackbits(self._held[key], count=out[at].size).view(bool)
            out[at] = known.reshape(out[at].shape)
        return out
