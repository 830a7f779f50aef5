"""The arrays behind a run's figures, made again with its numbers and held against those that it stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Artifact, Evidence, ProbeResult, StoredArtifact
from audit.errors import EvidenceError
from audit.evidence import Arrays, LeftOutError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Largest difference of a number that is made again, absolute up to 1 and relative beyond: two machines may round
differently in the last digits of an iterative fit."""


class Kept:
    """The figures that a probe made when its numbers were made again."""

    def __init__(self) -> None:
        self.artifacts: list[Artifact] = []

    def store(self, artifact: Artifact) -> StoredArtifact:
        """Keep a figure, and write nothing."""
        self.artifacts.append(artifact)
        return StoredArtifact(name=artifact.name, title=artifact.title, file="", sha256="", columns=())


def figure_faults(said: ProbeResult, made: Sequence[Artifact], arrays: Arrays) -> Iterator[str]:
    """Yield the figures of a result that are not those which the stored predictions give.

    Args:
        said: The result in the evidence.
        made: The figures that came with its numbers when they were made again.
        arrays: Reads the stored arrays.
    """
    # Image content is not made from predictions.
    stored, made = [a for a in said.artifacts if not a.pixels], [a for a in made if not a.pixels]
    if [(a.name, a.title) for a in stored] != [(a.name, a.title) for a in made]:
        yield f"{said.probe}: names other figures than the stored predictions give"
        return
    for one, other in zip(stored, made, strict=True):
        try:
            held = arrays(one)
        except LeftOutError:
            continue
        except EvidenceError as error:
            yield f"{said.probe}: figure {one.name}: {error.problem}"
            continue
        if not _same_meta(one.meta, other.meta):
            yield f"{said.probe}: figure {one.name}: states other facts than the stored predictions give"
        elif not _same_arrays(held, other.arrays):
            yield f"{said.probe}: figure {one.name}: draws other numbers than the stored predictions give"


def array_faults(evidence: Evidence, arrays: Arrays) -> Iterator[str]:
    """Yield the figures whose file holds other arrays than the evidence names: what no report shows is not looked at.

    Args:
        evidence: The run, or a copy of it.
        arrays: Reads the stored arrays.
    """
    for result in evidence.results:
        for one in result.artifacts:
            try:
                held = arrays(one)
            except LeftOutError:
                continue
            except EvidenceError as error:
                yield f"{result.probe}: figure {one.name}: {error.problem}"
                continue
            if sorted(held) != sorted(one.columns):
                yield f"{result.probe}: figure {one.name}: its file holds other arrays than evidence.json names"


def _same_meta(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return mine.keys() == theirs.keys() and all(_same(np.asarray(mine[k]), np.asarray(theirs[k])) for k in mine)


def _same_arrays(mine: Mapping[str, NDArray[Any]], theirs: Mapping[str, Any]) -> bool:
    return mine.keys() == theirs.keys() and all(_same(mine[k], np.asarray(theirs[k])) for k in mine)


def _same(mine: NDArray[Any], theirs: NDArray[Any]) -> bool:
    if mine.shape != theirs.shape:
        return False
    if mine.dtype.kind in "fiub" and theirs.dtype.kind in "fiub":
        one, other = mine.astype(np.float64), theirs.astype(np.float64)
        return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(np.array_equal(mine, theirs))
