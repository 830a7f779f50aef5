"""How long `audit scores` takes from a table to a report: python -m benchmarks.scores [ROWS] [REPEATS].

It makes a table with three attributes and repeated patients, runs the command in a process of its own with one
thread, and prints the wall time and the processor time of each repeat, and the steps that took longest. On a machine
that does other work the processor time is what counts. One run before the first is not counted: it compiles the
modules, as an installer does.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TARGET_SECONDS = 5.0


def write_table(path: Path, rows: int) -> None:
    rng = np.random.default_rng(1)
    y = rng.random(rows) < 0.3
    p = 1 / (1 + np.exp(-(rng.normal(size=rows) + np.where(y, 1.3, -1.2))))
    sex, site = rng.choice(["female", "male"], rows), rng.choice(["A", "B", "C"], rows)
    age = rng.integers(20, 90, rows)
    lines = [f"p{i * 4 // 5},{int(y[i])},{p[i]:.5f},{sex[i]},{age[i]},{site[i]}" for i in range(rows)]
    path.write_text("\n".join(["patient,label,score,sex,age,site", *lines]) + "\n")


def run(folder: Path, number: int) -> tuple[float, float, Path]:
    out = folder / f"run{number}"
    words = [
        "scores", "scores.csv", "--target", "label", "--score", "score", "--patient", "patient",
        "--attributes", "sex,age,site", "--out", str(out),
    ]  # fmt: skip
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    left_out = ("AUDIT_KEY_FILE", "PYTHONDONTWRITEBYTECODE")
    settings = {k: v for k, v in os.environ.items() if k not in left_out}
    done = subprocess.run(
        [sys.executable, "-m", "audit.cli", *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**settings, "OMP_NUM_THREADS": "1", "HOME": str(folder), "PYTHONPYCACHEPREFIX": str(folder / "cache")},
    )  # fmt: skip
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 3:
        raise SystemExit(f"expected exit 3, got {done.returncode}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def main(rows: int = 1500, repeats: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "scores.csv", rows)
        made = [run(folder, i) for i in range(repeats + 1)][1:]
        evidence = json.loads((made[-1][2] / "evidence.json").read_text())
        size = (made[-1][2] / "report.html").stat().st_size / 1e6
    resamples = evidence["run"]["budget"]["resamples"]
    print(f"{rows} rows, 3 attributes, {resamples} resamples, 1 thread; report of {size:.2f} MB")
    for wall, processor, _ in made:
        print(f"  {wall:5.2f} s wall, {processor:5.2f} s processor")
    wall, processor = min(w for w, _, _ in made), min(p for _, p, _ in made)
    kept = "kept" if min(wall, processor) <= TARGET_SECONDS else "MISSED"
    print(f"best {wall:.2f} s wall, {processor:.2f} s processor, target {TARGET_SECONDS:g} s: {kept}")
    for result in sorted(evidence["results"], key=lambda r: -r["seconds"])[:5]:
        print(f"  {result['probe']:<9} {result['seconds']:.2f} s")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
