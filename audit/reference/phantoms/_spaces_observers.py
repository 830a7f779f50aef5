"""Readers who count perivascular spaces, each with misses, false finds and a plane of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from audit.reference.phantoms._spaces_scan import SpacesScan


@dataclass(frozen=True, kw_only=True)
class Observer:
    """A reader who counts spaces.

    Attributes:
        sees: Share of spaces of a radius of 0.95 mm that are counted.
        thin: How much more of those are counted that are 1 mm wider in radius.
        takes: Share of white-matter lesions and of lacunes that are counted as spaces.
        invents: Mean number that is counted where there is nothing.
        astray: Standard deviation, in planes, of the plane that is picked about the standard one.
    """

    sees: float
    thin: float
    takes: tuple[float, float]
    invents: float
    astray: float

    def count(self, scan: SpacesScan, rng: np.random.Generator) -> int:
        """Return how many this observer counts on a scan, at one reading."""
        aside = int(np.round(rng.normal(0.0, self.astray))) if self.astray else 0
        plane = int(np.clip(scan.plane + aside, 0, len(scan.image) - 1)) if scan.plane >= 0 else None
        seen = sum(
            rng.random() < np.clip(self.sees + self.thin * (thing.radius - 0.95), 0.0, 1.0)
            for thing in scan.counted("space", plane)
        )
        taken = sum(
            rng.random() < share
            for kind, share in zip(("white matter lesion", "lacune"), self.takes, strict=True)
            for _ in scan.counted(kind, plane)
        )
        return int(seen + taken + rng.poisson(self.invents))


OBSERVERS: Mapping[str, Observer] = MappingProxyType(
    {
        "observer_1": Observer(sees=0.85, thin=0.5, takes=(0.08, 0.10), invents=0.20, astray=0.0),
        "observer_2": Observer(sees=0.80, thin=0.6, takes=(0.05, 0.15), invents=0.25, astray=1.5),
        "observer_3": Observer(sees=0.90, thin=0.4, takes=(0.12, 0.10), invents=0.40, astray=1.5),
    }
)
"""Observer 1 reads the training data, and marks the plane; the others read what is audited as well."""
