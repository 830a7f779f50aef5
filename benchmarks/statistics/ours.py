"""What this suite says of the same tables."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats import resampled_auc, resampled_sums
from benchmarks._driver import peak_mb

CONFIG = """
[model]
kind = "predictions"
path = "predictions.csv"
case = "case"
score = "y_score"
task = "binary"
classes = ["negative", "positive"]
output = "probabilities"
operating_point = 0.5
[cohort]
manifest = "predictions.csv"
case = "case"
target = "y_true"
positive = ["1"]
patient = "patient"
ungradable = "declined"
[cohort.attributes]
site = { role = "protected" }
[audit]
policy = "policy.toml"
probes = ["PERF001", "CAL001", "FAIR001", "DATA003"]
"""
# The limits that the other programs were given: a gap of 0.1, a calibration error of 0.1.
POLICY = """
name = "the limits of the peers"
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = { min = 0.8 }
[[rule]]
id = "specificity"
probe = "PERF001"
metric = "specificity"
limit = { min = 0.8 }
[[rule]]
id = "calibration-error"
probe = "CAL001"
metric = "ece"
limit = { max = 0.1 }
[[rule]]
id = "sensitivity-gap"
probe = "FAIR001"
metric = "sensitivity_gap"
where = { attribute = "site" }
limit = { min = -0.1 }
[[rule]]
id = "specificity-gap"
probe = "FAIR001"
metric = "specificity_gap"
where = { attribute = "site" }
limit = { min = -0.1 }
"""


def prepare(folder: Path, *, policy: str = POLICY, config: str = CONFIG) -> Path:
    """Write audit.toml and policy.toml beside predictions.csv; return the path of audit.toml."""
    (folder / "audit.toml").write_text(config, encoding="utf-8")
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    return folder / "audit.toml"


def verdict(folder: Path) -> dict[str, object]:
    """Return the outcome of `audit run` on `folder/predictions.csv`, its exit code, and what blocks it."""
    command = [Path(sys.executable).parent / "audit", "run", prepare(folder), "--out", folder / "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        return {"outcome": "refused", "exit_code": 2, "why": done.stderr.strip().splitlines()[0]}
    found = json.loads((folder / "run" / "evidence.json").read_text(encoding="utf-8"))
    blocking = found["verdict"]["blocking"]
    why = [f"{f['rule']}: {f['status']}" for f in found["findings"] if f["rule"] in blocking]
    return {"outcome": found["verdict"]["outcome"], "exit_code": done.returncode, "why": "; ".join(why)}


def metrics(data: Mapping[str, NDArray[Any]]) -> dict[str, list[float]]:
    """Return sensitivity, specificity, selection rate and accuracy of every group, and the AUC of all."""
    from audit.core import Levels
    from audit.stats import auc, proportion

    label, decided, group, patient = data["label"], data["decided"], data["group"], data["patient"]
    levels = Levels(confidence=0.95)
    found: dict[str, list[float]] = {"sensitivity": [], "specificity": [], "selection_rate": [], "accuracy": []}
    for value in np.unique(group):
        own = group == value
        for name, rows, hits in (
            ("sensitivity", own & label, decided), ("specificity", own & ~label, ~decided),
            ("selection_rate", own, decided), ("accuracy", own, decided == label),
        ):  # fmt: skip
            found[name].append(proportion(hits[rows], patient[rows], levels).value)
    found["auc"] = [auc(data["score"], label, patient, levels).value]
    return found


def subgroup_seconds(data: Mapping[str, NDArray[Any]], resamples: int) -> float:
    """Return the seconds of so many patient resamples of four rates in every group."""
    label, decided, group = data["label"], data["decided"], data["group"]
    began = time.perf_counter()
    own = group[:, None] == np.unique(group)
    pairs = [
        (own & label[:, None], decided),
        (own & ~label[:, None], ~decided),
        (own, decided),
        (own, decided == label),
    ]
    columns = np.concatenate([c for rows, hits in pairs for c in (rows & hits[:, None], rows)], axis=1)
    sums = resampled_sums(columns.astype(np.float64), data["patient"], np.random.default_rng(1), resamples=resamples)
    parts = np.split(sums, 2 * len(pairs), axis=1)
    rates = [top / bottom for top, bottom in zip(parts[::2], parts[1::2], strict=True)]
    np.quantile(np.stack(rates), [0.025, 0.975], axis=1)
    return time.perf_counter() - began


def auc_seconds(data: Mapping[str, NDArray[Any]], resamples: int) -> float:
    """Return the seconds of so many patient resamples of the AUC."""
    began = time.perf_counter()
    resampled_auc(data["score"], data["label"], data["patient"], np.random.default_rng(1), resamples=resamples)
    return time.perf_counter() - began


def main() -> None:
    """Measure what the arguments name on a table in an .npz file, and print it as JSON."""
    what, path, resamples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = dict(np.load(path))
    if what == "subgroups":
        seconds = subgroup_seconds(data, resamples)
    elif what == "auc":
        seconds = auc_seconds(data, resamples)
    else:
        seconds = subgroup_seconds(data, resamples) + auc_seconds(data, resamples)
    print(json.dumps({"seconds": seconds, "resamples": resamples, "peak_gb": peak_mb() / 1e3}))


if __name__ == "__main__":
    main()
