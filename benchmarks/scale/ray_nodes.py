"""Throughput of a Ray cluster of one and of two machines with one processor each, all on this computer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks._driver import environment, told
from benchmarks.scale.workload import PROBES, ROUNDS, audited

NODES = (1, 2)
_MEMORY = 200 * 2**20


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Return what every round took with each number of machines, in turn, each cluster in processes of its own."""
    found: dict[str, list[dict[str, Any]]] = {str(n): [] for n in NODES}
    for number in range(rounds):
        for nodes in NODES if number % 2 == 0 else NODES[::-1]:
            command = [sys.executable, "-m", "benchmarks.scale.ray_nodes", str(nodes)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            lines = [line for line in done.stdout.strip().splitlines() if line.startswith("{")]
            if done.returncode or not lines:
                raise RuntimeError(f"{nodes} nodes ended with {done.returncode}: {done.stderr[-1000:]}")
            found[str(nodes)].append(json.loads(lines[-1]))
            told(f"{nodes} nodes: {found[str(nodes)][-1]['seconds']:.1f} s")
    digests = {one["evidence_digest"] for each in found.values() for one in each}
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(found["1"], found["2"], strict=True)]
    return {"probes": PROBES, "rounds": found, "speedup": median(ratios), "same_evidence": len(digests) == 1}


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    rows = []
    for nodes, each in found["rounds"].items():
        rate, seconds, start = (median(one[k] for one in each) for k in ("images_per_second", "seconds", "start"))
        rows.append((
            f"throughput, {nodes} Ray node{'s' if nodes != '1' else ''}", f"{rate:,.0f} images/s",
            f"median of {len(each)} audits of {seconds:.0f} s; the cluster's own start took {start:.0f} s more",
        ))  # fmt: skip
    same = "the same evidence to the bit" if found["same_evidence"] else "the evidence DIFFERS"
    rows.append(("two Ray nodes over one", f"{found['speedup']:.2f}", f"median ratio within a round; {same}"))
    return rows


def once(nodes: int) -> dict[str, Any]:
    """Audit once on a cluster that is started for it; the actors' own start counts as part of the audit."""
    from ray.cluster_utils import Cluster

    from audit.execution import RayExecutor

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    began = time.perf_counter()
    head = {"num_cpus": 1, "object_store_memory": _MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1, object_store_memory=_MEMORY)
    try:
        with RayExecutor(cluster.address, workers=nodes) as executor:
            start = time.perf_counter() - began
            return {**audited(executor=executor), "start": start, "lost": executor.lost}
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    print(json.dumps(once(int(sys.argv[1]))))
