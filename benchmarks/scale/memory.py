"""Largest resident size of an audit of 5,000 and of 100,000 generated cases, each in a process of its own.

All probes of performance, calibration, fairness, confounding and shift run at the profile standard; the cohort has a
site of 60 levels. What is measured is the whole life of the process: imports, clean predictions, probes, and the
writing of predictions, evidence and report.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._driver import environment, peak_mb, told

CASES = (5_000, 100_000)
PROBES = "PERF*,CAL*,FAIR*,CONF*,SHIFT*"
MOST = 1.2
"""Peak at the last number of cases over that at the first that was promised."""
RULES = (
    ("auc", "PERF001", "auc", 0.7, {}),
    ("sensitivity", "PERF001", "sensitivity", 0.6, {}),
    ("slope", "CAL001", "slope", 0.7, {}),
    ("gap-site", "FAIR001", "sensitivity_gap", -0.3, {"attribute": "site"}),
    ("gap-sex", "FAIR001", "specificity_gap", -0.1, {"attribute": "sex"}),
    ("ranking-site", "FAIR002", "auc_gap", -0.3, {"attribute": "site"}),
    ("protocols", "SHIFT001", "auc_gap", -0.3, {"attribute": "site"}),
    ("device", "CONF001", "auc_balanced", 0.7, {"attribute": "device"}),
)


def measure(counts: Sequence[int] = CASES) -> dict[str, Any]:
    """Return, by number of cases, the peak, seconds of wall and processor, and the sizes of what was written.

    Args:
        counts: Numbers of cases, rising.
    """
    found = {}
    for count in counts:
        command = [sys.executable, "-m", "benchmarks.scale.memory", str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment())
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise RuntimeError(f"{count} cases ended with {done.returncode}; its own words are on the error output")
        found[str(count)] = json.loads(lines[-1])
        told(f"memory, {count:,} cases: {found[str(count)]['peak_mb']:.0f} MB")
    first, last = found[str(counts[0])], found[str(counts[-1])]
    return {"probes": PROBES, "cases": found, "growth": last["peak_mb"] / first["peak_mb"], "most": MOST}


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    rows = []
    for count, one in found["cases"].items():
        rows.append((
            f"peak memory, {int(count):,} cases through PERF, CAL, FAIR, CONF and SHIFT", f"{one['peak_mb']:,.0f} MB",
            f"{one['cpu_seconds'] / 60:.1f} min of one core; report {one['report_mb']:.2f} MB, "
            f"evidence {one['evidence_mb']:.1f} MB",
        ))  # fmt: skip
    held = found["growth"] <= found["most"]
    rows.append((
        "the last of these over the first", f"{found['growth']:.2f}",
        f"at most {found['most']:g} was promised: {'held' if held else 'NOT held'}",
    ))  # fmt: skip
    return rows


class Watch:
    """Keeps the largest resident size so far at the end of each part of a run."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}

    def start(self, code: str, title: str, index: int, total: int) -> None:
        """Ignore what begins."""

    def advance(self, done: int, total: int) -> None:
        """Ignore what goes on."""

    def finish(self, code: str, state: str) -> None:
        """Note what it took so far."""
        self.peaks[code] = round(peak_mb(), 1)
        told(f"{code} {state}: {self.peaks[code]:.0f} MB, {time.process_time():.0f} s of a core")

    def note(self, text: str) -> None:
        """Ignore what is said."""


def audited(count: int) -> dict[str, Any]:
    """Audit so many cases in this process, and return what it took."""
    from audit.core import IntendedUse, Limit, Policy, Prevalence, Rule
    from audit.session._run import Options, audit_model
    from audit.testing import generated_cohort, generated_network

    rules = tuple(
        Rule(id=name, probe=probe, metric=metric, limit=Limit(min=least), where=where)
        for name, probe, metric, least, where in RULES
    )
    use = IntendedUse(statement="a benchmark", role="none", prevalence=Prevalence(value=0.1))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        options = Options(profile="standard", probes=PROBES, out=folder, intended_use=use)
        watch = Watch()
        policy = Policy(name="scale", rules=rules)
        run = audit_model(generated_network(), generated_cohort(count), policy, options, watch)
        sizes = {
            k: (folder / f).stat().st_size / 1e6 for k, f in (("report", "report.html"), ("evidence", "evidence.json"))
        }
    states = [r.state for r in run.results]
    return {
        "peak_mb": peak_mb(), "seconds": time.perf_counter() - began, "cpu_seconds": time.process_time(),
        "report_mb": sizes["report"], "evidence_mb": sizes["evidence"], "completed": states.count("completed"),
        "errors": [r.probe for r in run.results if r.state == "error"],
        "peak_after": watch.peaks,
        "seconds_by_probe": {r.probe: round(r.seconds, 1) for r in run.results if r.seconds >= 1},
    }  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(json.dumps(audited(int(sys.argv[1]))))
