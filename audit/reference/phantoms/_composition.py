"""How many cases of which label, sex and protocol: the only thing that differs between twins."""

from dataclasses import dataclass
from itertools import product

import numpy as np

SEXES = ("female", "male")
PROTOCOL_NAMES = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a plane is drawn from.

    Attributes:
        label: 1 for a high lesion burden, else 0.
        sex: `female` or `male`.
        protocol: `A` or `B`.
    """

    label: int
    sex: str
    protocol: str


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Shares of males and of protocol A given the label; sex is independent of protocol given the label.

    Attributes:
        male_given_high: P(male | high), in (0, 1).
        male_given_low: P(male | low), in (0, 1).
        a_given_high: P(protocol A | high), in (0, 1).
        a_given_low: P(protocol A | low), in (0, 1).
    """

    male_given_high: float = 0.5
    male_given_low: float = 0.5
    a_given_high: float = 0.5
    a_given_low: float = 0.5

    def counts(self, n_per_label: int) -> dict[Case, int]:
        """Cases per cell, rounded so that every label has exactly `n_per_label`."""
        counts: dict[Case, int] = {}
        for label, male, a in (
            (0, self.male_given_low, self.a_given_low),
            (1, self.male_given_high, self.a_given_high),
        ):
            cells = list(product(SEXES, PROTOCOL_NAMES))
            shares = [(male if s == "male" else 1 - male) * (a if p == "A" else 1 - a) for s, p in cells]
            edges = np.round(np.cumsum([0.0, *shares]) * n_per_label).astype(int)
            for (sex, protocol), low, high in zip(cells, edges[:-1], edges[1:], strict=True):
                counts[Case(label=label, sex=sex, protocol=protocol)] = int(high - low)
        return counts

    def cases(self, n_per_label: int, rng: np.random.Generator) -> list[Case]:
        """All cases, in random order."""
        ordered = [case for case, count in self.counts(n_per_label).items() for _ in range(count)]
        return [ordered[index] for index in rng.permutation(len(ordered))]
