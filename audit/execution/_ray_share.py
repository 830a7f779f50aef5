"""How many workers a cluster has room for, and which share of a graphics processor each of them can have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Share:
    """What the workers of an audit ask a cluster for.

    Args:
        workers: How many, each with one processor.
        gpus: Share of a graphics processor that each asks for; 0 where not all of them can have one.
        note: What the user should know, "" where that is nothing.
    """

    workers: int
    gpus: float
    note: str = ""


def share_of(nodes: Sequence[Mapping[str, Any]], workers: int | None) -> Share:
    """Return the largest share of a graphics processor with which all workers find a place.

    Workers with a share and workers without would compute on different hardware, so either all have one or none has.

    Args:
        nodes: The machines as Ray lists them.
        workers: How many workers are asked for; None: one for each processor.
    """
    held = [n["Resources"] for n in nodes if n.get("Alive")]
    wanted = workers or max(1, sum(int(r.get("CPU", 0)) for r in held))
    rooms = [(int(r.get("CPU", 0)), float(r.get("GPU", 0))) for r in held if float(r.get("GPU", 0)) > 0]
    if not rooms:
        return Share(workers=wanted, gpus=0.0)
    places = sum(cpus for cpus, _ in rooms)
    if places < wanted:
        few = f"{places} of {wanted} workers fit on the machines with a graphics processor, so none asks for one"
        more = f"; with --workers {places} each has a share" if places else ""
        return Share(workers=wanted, gpus=0.0, note=few + more)
    # A share is a whole one, a half, a third: two thirds would leave room for one worker on each.
    most = max(math.ceil(cpus / gpus) for cpus, gpus in rooms)
    for parts in range(1, most + 1):
        if sum(min(cpus, int(gpus * parts)) for cpus, gpus in rooms) >= wanted:
            break
    # Ray counts in ten thousandths.
    return Share(workers=wanted, gpus=int(10_000 / parts) / 10_000)
