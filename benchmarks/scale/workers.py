"""Throughput of one and of two worker processes of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks._driver import environment, told
from benchmarks.scale.workload import PROBES, ROUNDS, audited

WORKERS = (1, 2)


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Return what every round took with each number of workers, in turn, each in a process of its own."""
    found: dict[str, list[dict[str, Any]]] = {str(w): [] for w in WORKERS}
    for number in range(rounds):
        for workers in WORKERS if number % 2 == 0 else WORKERS[::-1]:
            command = [sys.executable, "-m", "benchmarks.scale.workers", str(workers)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            lines = done.stdout.strip().splitlines()
            if done.returncode or not lines:
                raise RuntimeError(f"{workers} workers ended with {done.returncode}: {done.stderr[-1000:]}")
            found[str(workers)].append(json.loads(lines[-1]))
            told(f"{workers} workers: {found[str(workers)][-1]['seconds']:.1f} s")
    digests = {one["evidence_digest"] for each in found.values() for one in each}
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(found["1"], found["2"], strict=True)]
    return {"probes": PROBES, "rounds": found, "speedup": median(ratios), "same_evidence": len(digests) == 1}


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    rows = []
    for workers, each in found["rounds"].items():
        rate, seconds = (median(one[k] for one in each) for k in ("images_per_second", "seconds"))
        rows.append((
            f"throughput, {workers} local worker{'s' if workers != '1' else ''}", f"{rate:,.0f} images/s",
            f"median of {len(each)} audits of {seconds:.0f} s, images forward and backward",
        ))  # fmt: skip
    same = "the same evidence to the bit" if found["same_evidence"] else "the evidence DIFFERS"
    rows.append(("two local workers over one", f"{found['speedup']:.2f}", f"median ratio within a round; {same}"))
    return rows


if __name__ == "__main__":
    print(json.dumps(audited(workers=int(sys.argv[1]))))
