"""What an audit costs beyond the pure forward and backward passes through the model: the standard demo, one worker.

The overhead is the wall time of the probes that pass images through the model, over the time in these passes, less 1;
time in which another network learns counts on neither side. Probes that read saved numbers or images alone have no
passes; with them, the clean predictions, the report and all else, the whole audit is given beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._driver import environment, told

TWIN, PROFILE = "biased", "standard"
PROMISED = 0.15
_SHOWN = 6
_OUTSIDE = ("set-up", "predictions", "report")


def measure(profile: str = PROFILE) -> dict[str, Any]:
    """Return where the time of one audit went, in a process of its own, and the overhead over its passes."""
    command = [sys.executable, "-m", "benchmarks.scale.overhead", profile]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"the audit ended with {done.returncode}: {done.stderr[-1000:]}")
    found = summed(json.loads(lines[-1]))
    told(f"overhead {found['overhead']:.2f}")
    return {"twin": TWIN, "profile": profile, **found}


def summed(times: dict[str, Any]) -> dict[str, Any]:
    """Return the overhead of the probes that pass images, that of the whole audit, and its largest pieces.

    Args:
        times: `run.profile_time` of the evidence.
    """
    from audit.evidence import overhead

    parts = times["parts"]
    probes = {name: p for name, p in parts.items() if name not in _OUTSIDE}
    passes = sum(_passes(p) for p in parts.values())
    over = overhead(probes)
    if over is None or not passes:
        raise ValueError("no image passed through the model")
    beside = {name: _total(p) - _passes(p) - p["seconds"]["training"] for name, p in probes.items() if _passes(p) > 0}
    none = sum(_total(p) for name, p in probes.items() if not _passes(p))
    largest = sorted(beside, key=lambda name: -beside[name])[:_SHOWN]
    attacks = overhead({name: p for name, p in probes.items() if name.startswith("ADV")})
    return {
        "overhead": over, "whole": times["seconds"] / passes - 1, "attacks": attacks, "seconds": times["seconds"],
        "passes": passes, "without_passes": none, "forwards": sum(p["forwards"] for p in parts.values()),
        "backwards": sum(p["backwards"] for p in parts.values()),
        "largest": {name: {"beside": beside[name], "passes": _passes(probes[name])} for name in largest},
    }  # fmt: skip


def _total(part: dict[str, Any]) -> float:
    return float(sum(part["seconds"].values()))


def _passes(part: dict[str, Any]) -> float:
    return float(part["seconds"]["forward"] + part["seconds"]["backward"])


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows (what, value, remark)."""
    lost = "" if found["overhead"] <= PROMISED else f"; LOST: at most {100 * PROMISED:.0f} % was asked for"
    largest = ", ".join(
        f"{name} {one['beside']:.0f} s beside {one['passes']:.0f} s of passes" for name, one in found["largest"].items()
    )
    pace = 1000 * found["passes"] / (found["forwards"] + found["backwards"])
    return [
        (
            "overhead over pure passes", f"{100 * found['overhead']:.0f} %",
            f"wall time of the probes that pass images over their passes, {found['twin']} twin at {found['profile']}, "
            f"one worker{lost}. Largest pieces: {largest}",
        ),
        (
            "overhead of the attacks alone", f"{100 * found['attacks']:.0f} %",
            f"ADV001 to ADV009; a small network, whose pass takes {pace:.2f} ms an image",
        ),
        (
            "whole audit over pure passes", f"{100 * found['whole']:.0f} %",
            f"{found['seconds']:.0f} s for {found['passes']:.0f} s of passes ({found['forwards']:,} images forward, "
            f"{found['backwards']:,} backward); probes without passes took {found['without_passes']:.0f} s",
        ),
    ]  # fmt: skip


def audited(profile: str) -> dict[str, Any]:
    """Return `run.profile_time` of one audit of the demo."""
    from audit import session

    with tempfile.TemporaryDirectory() as folder:
        made = session.run_demo(TWIN, profile=profile, out=Path(folder) / "run", profile_time=True)  # type: ignore[arg-type]
    return dict(made.run["profile_time"])


if __name__ == "__main__":
    print(json.dumps(audited(sys.argv[1])))
