"""The memory of an audit grows little with its cases, and its report stays small."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from audit.execution._freed import give_back
from benchmarks.scale import memory, page


@pytest.mark.slow
def test_eight_times_the_cases_take_hardly_more_memory() -> None:
    """From 600 to 5,000 cases through five families the peak grows by less than a fifth; the report is below 2.5 MB."""
    found = memory.measure((600, 5_000))
    assert found["growth"] < memory.MOST
    for one in found["cases"].values():
        assert one["errors"] == []
        assert one["completed"] >= 30
        assert one["report_mb"] < 2.5


def test_the_page_names_what_was_not_measured() -> None:
    """A part that is absent or failed has a row of its own with the reason, and no figure."""
    text = page.written({"parts": {"memory": {"absent": "MemoryError: 3 | 4"}}, "version": "0"})
    assert "| memory | not measured | MemoryError: 3 / 4 |" in text
    assert text.count("| not measured |") == len(page.PARTS)


def test_a_promise_that_is_lost_is_said_to_be_lost() -> None:
    """Growth above what was promised is called so in the table."""
    one = {"peak_mb": 100.0, "cpu_seconds": 60.0, "report_mb": 1.0, "evidence_mb": 1.0}
    more = {**one, "peak_mb": 150.0}
    found = {"cases": {"5000": one, "100000": more}, "growth": 1.5, "most": 1.2}
    assert memory.table(found)[-1] == ("the last of these over the first", "1.50", "at most 1.2 was promised: NOT held")


def test_free_memory_is_given_back() -> None:
    """Holes that a probe leaves between small arrays that stay are resident no longer; elsewhere nothing happens."""
    give_back()
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return
    pieces = [np.ones(2_000) for _ in range(6_000)]
    kept = pieces[::40]
    pieces.clear()
    before = resident()
    give_back()
    assert before - resident() > 60
    assert sum(float(p[0]) for p in kept) == len(kept)


def resident() -> float:
    """Return the resident size in MB."""
    text = Path("/proc/self/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
