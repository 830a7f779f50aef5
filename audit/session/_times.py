"""Where the time of a run went, for its evidence."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from audit.core import Evidence
from audit.core.clock import Clock
from audit.evidence import loader, suppress
from audit.execution import PREDICTIONS

SET_UP, REPORT = "set-up", "report"
Finished = TypeVar("Finished", bound=Evidence)


def with_times(evidence: Finished, clock: Clock, *, began: float, processes: int, folder: Path) -> Finished:
    """Return evidence that says where the time went.

    The report is drawn once to be timed, since what it took cannot stand in the page that it took it for.

    Args:
        evidence: What the run found out.
        clock: Its parts; the report's is added to here.
        began: When the run began, on `time.perf_counter`.
        processes: How many processes shared the work.
        folder: The run's folder, with its artifacts.
    """
    from audit.report import render

    with clock.part(REPORT):
        render(suppress(evidence, int(evidence.run.get("min_cell") or 0)), loader(folder))
    parts = clock.to_plain()
    times: dict[str, Any] = {
        "seconds": round(time.perf_counter() - began, 1), "processes": processes,
        "parts": {name: parts[name] for name in _ordered(parts, [r.probe for r in evidence.results])},
    }  # fmt: skip
    return replace(evidence, run={**evidence.run, "profile_time": times})


def _ordered(names: Iterable[str], probes: list[str]) -> list[str]:
    """Return names in the order of a run, whichever worker was first."""
    place = {name: i for i, name in enumerate([SET_UP, PREDICTIONS, *probes, REPORT])}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))
