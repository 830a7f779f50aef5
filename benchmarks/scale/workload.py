"""The audit whose throughput is measured, whoever does the work: attacks on the network of the standard demo.

The smoke demo has too few cases: each attack on it is one shard, which no second worker can help with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Literal

from benchmarks._driver import environment, told

COUNTS = (1, 2)
PROFILE: Literal["standard"] = "standard"
PROBES = "ADV001,ADV007"
ROUNDS = 3


def audited(*, workers: int = 1, executor: Any = None) -> dict[str, Any]:
    """Audit the demo once, without anything kept from before, and return what it took.

    Args:
        workers: Processes of this machine.
        executor: Who works in their place, for example a Ray cluster; see `audit.execution`.

    Returns:
        Wall seconds, images passed forward and backward through the model, images a second, and the digest of what was
        found out.
    """
    from audit.reference import load_demo
    from audit.session._run import Options, audit_model

    demo = load_demo("healthy", PROFILE)
    with tempfile.TemporaryDirectory() as name:
        options = Options(
            profile=PROFILE, probes=PROBES, out=Path(name) / "run", workers=workers, executor=executor,
            profile_time=True, threat_model=demo.threat_model, envelope=demo.envelope, intended_use=demo.intended_use,
        )  # fmt: skip
        began = time.perf_counter()
        run = audit_model(demo.model, demo.cohort, demo.policy, options)
        seconds = time.perf_counter() - began
    parts = run.run["profile_time"]["parts"].values()
    passed = {kind: sum(int(p.get(kind, 0)) for p in parts) for kind in ("forwards", "backwards")}
    return {
        "seconds": seconds, **passed, "images_per_second": sum(passed.values()) / seconds,
        "evidence_digest": run.run["evidence_digest"],
    }  # fmt: skip


def in_turn(module: str, what: str, rounds: int) -> dict[str, Any]:
    """Return what every round took with one and with two, in turn, each in a process of its own.

    Args:
        module: Run with the number; prints what `audited` returned as its last line in braces.
        what: What there is one or two of.
        rounds: How often.
    """
    found: dict[str, list[dict[str, Any]]] = {str(c): [] for c in COUNTS}
    for number in range(rounds):
        for count in COUNTS if number % 2 == 0 else COUNTS[::-1]:
            command = [sys.executable, "-m", module, str(count)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            lines = [line for line in done.stdout.strip().splitlines() if line.startswith("{")]
            if done.returncode or not lines:
                raise RuntimeError(f"{count} {what} ended with {done.returncode}: {done.stderr[-1000:]}")
            found[str(count)].append(json.loads(lines[-1]))
            told(f"{count} {what}: {found[str(count)][-1]['seconds']:.1f} s")
    digests = {one["evidence_digest"] for each in found.values() for one in each}
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(found["1"], found["2"], strict=True)]
    return {
        "profile": PROFILE,
        "probes": PROBES,
        "rounds": found,
        "speedup": median(ratios),
        "same_evidence": len(digests) == 1,
    }


def two_over_one(found: dict[str, Any], what: str) -> tuple[str, str, str]:
    """Return the row that holds two against one."""
    same = "the same evidence to the bit" if found["same_evidence"] else "the evidence DIFFERS"
    return f"two {what} over one", f"{found['speedup']:.2f}", f"median ratio within a round; {same}"
