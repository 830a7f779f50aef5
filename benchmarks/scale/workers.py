"""Throughput of one and of two worker processes of this machine."""

from __future__ import annotations

import json
import sys
from statistics import median
from typing import Any

from benchmarks.scale.workload import ROUNDS, audited, in_turn, two_over_one


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Return what every round took with each number of workers, in turn, each in a process of its own."""
    return in_turn("benchmarks.scale.workers", "workers", rounds)


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    rows = []
    for workers, each in found["rounds"].items():
        rate, seconds = (median(one[k] for one in each) for k in ("images_per_second", "seconds"))
        rows.append((
            f"throughput, {workers} local worker{'s' if workers != '1' else ''}", f"{rate:,.0f} images/s",
            f"median of {len(each)} audits of {seconds:.0f} s, images forward and backward",
        ))  # fmt: skip
    return [*rows, two_over_one(found, "local workers")]


if __name__ == "__main__":
    print(json.dumps(audited(workers=int(sys.argv[1]))))
