"""How well the network counts, and what its map, brightness and gradients find, on patients whom it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Levels
from audit.reference._counting import agreement, answers
from audit.reference._system import Figure
from audit.reference.phantoms import SpacesTable
from audit.reference.systems.gp_unet._learning import FULL, READER, maps_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import Marks

SPACING = (1.0, 1.0, 1.0)
RATES = {"froc area": None, "sensitivity at 1.5 false marks a scan": (1.5,)}
OTHER = 1
_RESAMPLES = 1000


def figures(net: Any, table: SpacesTable, *, seed: int) -> tuple[Figure, ...]:
    """Return agreement of the count, and localisation of the map beside that of baselines.

    Args:
        net: The network.
        table: Test scans.
        seed: Of the resamples.
    """
    said = answers(net, table.images, full=FULL)[:, 0]
    one, other = table.readings[:, READER], table.readings[:, OTHER]
    out = [
        Figure.of("icc with observer 1", agreement(said, one)),
        Figure.of("icc of observers 1 and 2", agreement(one, other)),
        Figure.of("icc with the spaces that are there", agreement(said, table.there)),
    ]
    out += _located(maps(net, table), table, seed)
    return tuple(out)


def maps(net: Any, table: SpacesTable) -> Mapping[str, NDArray[np.float64]]:
    """Return maps by name, (n, planes, rows, columns) each: the network's own, and baselines.

    The baseline of brightness is |I - blur(I)|, that of gradients the absolute gradient of the count.
    """
    from audit.explain import control_maps

    known = control_maps(table.images[:, None].astype(np.float32), np.random.default_rng(0))
    return {"own map": maps_of(net, table), "brightness": known["magnitude"], "gradient": _gradients(net, table)}


def marks_of(values: NDArray[np.float64], table: SpacesTable) -> Marks:
    """Return which spaces the peaks of maps (n, planes, rows, columns) hit, within the region, for FROC."""
    from audit.explain import grid, lesions, marked, peaks
    from audit.stats import Marks

    on = grid(values.shape[1:], SPACING)
    found: dict[str, list[Any]] = {"lesion": [], "lesion_at": [], "false": [], "false_at": []}
    for i in range(len(table)):
        at = peaks(values[i], on, table.regions[i])
        mask = table.masks[i, 0]
        if not mask.any():
            hit, false = np.empty(0), at.heights
        else:
            one = marked(at, lesions(mask, on), on)
            hit, false = one.lesion, one.false
        for key, scores in (("lesion", hit), ("false", false)):
            found[key].append(scores)
            found[f"{key}_at"].append(np.full(len(scores), i, dtype=np.int64))
    whole = {key: np.concatenate(parts) for key, parts in found.items()}
    return Marks(
        lesion_scores=whole["lesion"], lesion_images=whole["lesion_at"], false_scores=whole["false"],
        false_images=whole["false_at"], n_images=len(table),
    )  # fmt: skip


def _located(found: Mapping[str, NDArray[np.float64]], table: SpacesTable, seed: int) -> Iterator[Figure]:
    from audit.stats import RATES as EVERY
    from audit.stats import froc_sensitivity

    for name, values in found.items():
        marks = marks_of(values, table)
        for what, rates in RATES.items():
            estimate = froc_sensitivity(
                marks, np.arange(len(table)), Levels(), np.random.default_rng([seed, 55]),
                rates=EVERY if rates is None else rates, resamples=_RESAMPLES,
            )  # fmt: skip
            yield Figure.of(f"{what}, {name}", estimate)


def _gradients(net: Any, table: SpacesTable, *, batch: int = 10) -> NDArray[np.float64]:
    """Return (n, planes, rows, columns) absolute gradients of the count."""
    import torch

    out = []
    for start in range(0, len(table), batch):
        x = torch.as_tensor(table.images[start : start + batch].astype(np.float32)[:, None] / FULL).requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x)
        out.append(slope[:, 0].abs().numpy())
    return np.concatenate(out).astype(np.float64)
