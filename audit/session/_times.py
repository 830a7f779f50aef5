"""Where the time of a run went, for its evidence."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from audit.core import Evidence
from audit.core.clock import Clock
from audit.evidence import loader, suppress

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
    times = {
        "seconds": round(time.perf_counter() - began, 1), "processes": processes, "parts": clock.to_plain(),
    }  # fmt: skip
    return replace(evidence, run={**evidence.run, "profile_time": times})
