"""The audit whose throughput is measured, whoever does the work: attacks and explanations of the smoke demo."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

PROBES = "ADV001,ADV002,ADV005,ADV007"
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

    demo = load_demo("healthy", "smoke")
    with tempfile.TemporaryDirectory() as name:
        options = Options(
            profile="smoke", probes=PROBES, out=Path(name) / "run", workers=workers, executor=executor,
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
