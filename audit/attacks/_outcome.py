"""What an attack is given, how much it tries, and what became of the cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from audit.attacks._ball import Norm
from audit.attacks._search import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

Gradients = Literal["fast", "exact"]
UNBROKEN, WRONG_ALREADY = "", "wrong already"
ONE_STEP, CARRIED, NOISE = "one step", "carried", "random signs"
TURNING, SMOOTHED = "turning point", "smoothed step"


_MANY_STEPS = 10
ANCHORS = 16
"""Cases of which one that is answered otherwise is looked for."""


@dataclass(kw_only=True)
class Meter:
    """Images that went through the model, forward alone and with a gradient."""

    forwards: int = 0
    gradients: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is tried.

    Args:
        epsilons: Rising sizes in stored units; under L0, shares of the pixels.
        headline: The one at which the noise control is run and the perturbation is shown.
        steps: Gradient steps a search.
        restarts: Searches a size; the first goes on from the worst image so far, the others start at random.
        norm: How the size of a perturbation is measured.
        search: The step rule; None: signed steps that shrink, or APGD under L0 where 10 or more are taken. Where a case
            then stands by little, further searches follow, and one that is still far away after a quarter of its steps
            goes no further unless at the headline or the last size.
        cold: Every search starts at random and nothing is carried from one size to the next.
        whole: Attack padding, too, and run no noise control.
        ranking: The worst answers are wanted, not only whether a case breaks: a case that is broken is pushed on at
            larger sizes, and at the headline size for another quarter of the steps.
        batch: Cases under attack at one time.
        gradients: `fast` may use a faster copy of the model for the search; every success is verified all the same.
    """

    epsilons: tuple[float, ...]
    headline: float
    steps: int
    restarts: int
    norm: Norm = "linf"
    search: Kind | None = None
    cold: bool = False
    whole: bool = False
    ranking: bool = True
    batch: int = 64
    gradients: Gradients = "fast"

    @property
    def rule(self) -> Kind:
        """The step rule of the searches."""
        return self.search or ("apgd" if self.norm == "l0" and self.steps >= _MANY_STEPS else "sign")


Anchors = Union["NDArray[np.float32]", Callable[[], "NDArray[np.float32]"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cases:
    """Cases to attack, read when their turn comes.

    Args:
        count: How many.
        images: From (m,) rising rows to their (m, channels, *spatial) stored intensities.
        targets: From rows to their (m, ...) targets.
        anchors: (a, channels, *spatial) images of which some are answered otherwise than others, to look for the place
            where an answer turns, or what reads them when they are wanted; None: no such place is looked for.
        whole: The cases that these are a part of, or None.
        positions: (count,) where these stand in the whole, by which their random numbers are keyed; by default from 0.
    """

    count: int
    images: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    targets: Callable[[NDArray[np.int64]], NDArray[Any]]
    anchors: Anchors | None = None
    whole: Cases | None = None
    positions: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, images: NDArray[np.float32], targets: NDArray[Any]) -> Cases:
        """Return cases that are in memory already; evenly spread ones are anchors."""
        few = np.unique(np.linspace(0, max(len(images) - 1, 0), min(len(images), ANCHORS)).round().astype(np.int64))
        return cls(
            count=len(images), images=lambda rows: images[rows], targets=lambda rows: targets[rows],
            anchors=images[few],
        )  # fmt: skip

    def part(self, positions: NDArray[np.int64]) -> Cases:
        """Return some of these cases; what becomes of a case does not depend on the part that it is attacked in.

        Args:
            positions: (m,) rising.
        """
        return Cases(
            count=positions.size, images=lambda rows: self.images(positions[rows]),
            targets=lambda rows: self.targets(positions[rows]), anchors=self.anchors, whole=self, positions=positions,
        )  # fmt: skip

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where rows stand in the whole."""
        return rows if self.positions is None else self.positions[rows]


Observer = Callable[["NDArray[np.int64]", "NDArray[np.float32]", "NDArray[np.float32]"], None]
"""Is given rows, their images and the worst images found at the headline size; every case once, in no fixed order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What became of n cases at E sizes; the first axis of every array is the case.

    Args:
        clean: (n, k) answers without an attack.
        right_clean: (n,) right without an attack.
        right: (n, E) right clean and under every perturbation of the size that was tried.
        right_stored: (n, E) the same where only images of whole stored steps count.
        answers: (n, E, k) the answer of the lowest margin at each size.
        gradient: (n,) finite and not zero throughout, without an attack.
        descends: (n,) one step along the gradient, of the least size, lowers the margin.
        right_attack: (n,) right clean and under the gradient attack at the headline size.
        right_noise: (n,) right clean and under random signs of the headline size.
        worst: (kept, channels, *spatial) perturbed images of the first cases at the headline size, float32.
        integer: (n,) whether stored intensities are integers.
        storable: (n, E) the same, and a change of one whole step fits into the size.
        by: (n,) str, what broke a case first: "wrong already", "one step", "carried", "apgd", "sign", "turning point",
            "smoothed step", "random signs", or "" where nothing did.
    """

    clean: NDArray[np.float64]
    right_clean: NDArray[np.bool_]
    right: NDArray[np.bool_]
    right_stored: NDArray[np.bool_]
    answers: NDArray[np.float64]
    gradient: NDArray[np.bool_]
    descends: NDArray[np.bool_]
    right_attack: NDArray[np.bool_]
    right_noise: NDArray[np.bool_]
    worst: NDArray[np.float32]
    integer: NDArray[np.bool_]
    storable: NDArray[np.bool_]
    by: NDArray[np.str_]

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Return the outcome of several groups of cases as one."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def first(self, kept: int) -> Outcome:
        """Return the same outcome with fewer images."""
        return replace(self, worst=self.worst[:kept])

    def take(self, positions: NDArray[np.int64]) -> Outcome:
        """Return the outcome of some of the cases, rising, with those of their images that are kept."""
        parts = {f.name: getattr(self, f.name)[positions] for f in fields(self) if f.name != "worst"}
        return Outcome(worst=self.worst[positions[positions < len(self.worst)]], **parts)
