"""What every system of the lecture brings: who it is, how it is trained, and the folder in which it is audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Estimate

_TAIL = 0.025

Say = Callable[[str], None]
"""Is told in a sentence what is being done."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One reference model; made of words alone, so that a list of them loads nothing.

    Attributes:
        name: Its name in the commands.
        title: What it does, in half a line.
        task: Its task.
        slides: Slides of the lecture that it is built after, such as "61-74".
        package: Folder below `audit.reference.systems` that holds recipe, weights, card, audit.toml and policy.toml.
        differs: What alone sets it apart from its twin; empty without one.
        curves: What `curves` of its recipe measures, in half a line; empty without.
    """

    name: str
    title: str
    task: str
    slides: str
    package: str
    differs: str = ""
    curves: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a trained model on phantom cases that it never saw.

    Attributes:
        name: Such as "icc, basal ganglia".
        value: The figure; None where there is none.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Cases.
        n_patients: Patients, the unit of the interval.
        method: How it and its interval were taken, in a few words.
        missing: Why there is none.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    n_patients: int
    method: str
    missing: str = ""

    @classmethod
    def of(cls, name: str, estimate: Estimate, method: str = "") -> Figure:
        """Return a figure of what a method of `audit.stats` says, with its 95 % interval.

        Args:
            name: The figure's name.
            estimate: At the default levels.
            method: Words before the name of the statistical method.
        """
        bounds = {level: (low, high) for level, low, high in estimate.curve}
        low, high = bounds.get(_TAIL, (None, None))
        said = f"{method}; {estimate.method}" if method else estimate.method
        return cls(
            name=name, value=estimate.value, low=low, high=high, n=estimate.n, n_patients=estimate.n_patients,
            method=said, missing=estimate.missing or "",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Made:
    """A trained model.

    Attributes:
        tensors: Weights, or whatever arrays the model answers from, by name.
        metadata: What the folder of an audit needs beside them, such as the operating point.
        figures: On the recipe's own test cases, never those of the audit.
    """

    tensors: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[Figure, ...]


class Recipe(Protocol):
    """Functions of the module `recipe` in the package of a system."""

    def train(self, name: str, *, seed: int, say: Say) -> Made:
        """Train; the same seed gives the same model on the same machine."""

    def write(self, name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
        """Write images and the manifest of the audit's cohort, and the audit.toml and policy.toml, into a folder.

        `audit run FOLDER/audit.toml` must then work. The cohort depends on seed and profile alone, never on weights.
        """

    def curves(self, name: str, folder: Path, *, say: Say) -> None:
        """Measure training-size curves or grids into files of the folder; what is there already is not done again."""
