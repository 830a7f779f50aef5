"""How well the network counts beside observers, on test patients whom it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, Levels
from audit.reference._counting import agreement, answers
from audit.reference._system import Figure
from audit.reference.phantoms import SpacesTable
from audit.reference.systems.epvs._learning import FULL, READER, TEST, Settings, tables
from audit.reference.systems.epvs.nets import REGION_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = 1


def figures(net: Any, settings: Settings, *, seed: int) -> tuple[Figure, ...]:
    """Return agreement and repeatability by region, the network's beside the observers'."""
    first = tables(settings, seed=seed, part=TEST, n=settings.tested)
    second = tables(settings, seed=seed, part=TEST, n=settings.rescanned, again=True)
    out: list[Figure] = []
    for column, name in enumerate(REGION_NAMES):
        said = [answers(net, one[name].images, full=FULL)[:, column] for one in (first, second)]
        out += _region(name, said[0], said[1], first[name], second[name])
    return tuple(out)


def _region(
    name: str, said: NDArray[np.float64], again: NDArray[np.float64], first: SpacesTable, second: SpacesTable
) -> Iterator[Figure]:
    one, other = first.readings[:, READER], first.readings[:, OTHER]
    yield Figure.of(f"icc with observer 1, {name}", agreement(said, one))
    yield Figure.of(f"icc with observer 2, {name}", agreement(said, other))
    yield Figure.of(f"icc of observers 1 and 2, {name}", agreement(one, other))
    n = len(again)
    yield Figure.of(f"scan-rescan icc, {name}", twice(said[:n], again))
    yield Figure.of(f"scan-rescan icc of observer 1, {name}", twice(one[:n], second.readings[:, READER]))


def twice(a: NDArray[Any], b: NDArray[Any]) -> Estimate:
    """Return ICC(1,1) of a first and a second examination (n,), one pair a patient."""
    from audit.stats import icc

    return icc(np.stack([a, b], axis=1).astype(np.float64), np.arange(len(a)), Levels(), form="1,1")
