"""Throughput of a Ray cluster of one and of two machines with one processor each, all on this computer."""

from __future__ import annotations

import json
import os
import sys
import time
from statistics import median
from typing import Any

from benchmarks.scale.workload import ROUNDS, audited, in_turn, two_over_one

_MEMORY = 200 * 2**20


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Return what every round took with each number of machines, in turn, each cluster in processes of its own."""
    return in_turn("benchmarks.scale.ray_nodes", "nodes", rounds)


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    rows = []
    for nodes, each in found["rounds"].items():
        rate, seconds, start = (median(one[k] for one in each) for k in ("images_per_second", "seconds", "start"))
        rows.append((
            f"throughput, {nodes} Ray node{'s' if nodes != '1' else ''}", f"{rate:,.0f} images/s",
            f"median of {len(each)} audits of {seconds:.0f} s; the cluster's own start took {start:.0f} s more",
        ))  # fmt: skip
    return [*rows, two_over_one(found, "Ray nodes")]


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
