"""What the peers say of the same tables; runs in their own environment and prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def metrics(path: str) -> dict[str, list[float]]:
    """Return fairlearn's rates by group and scikit-learn's AUC."""
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import roc_auc_score

    data = np.load(path)
    frame = MetricFrame(
        metrics=_rates(), y_true=data["label"].astype(int), y_pred=data["decided"].astype(int),
        sensitive_features=data["group"],
    )  # fmt: skip
    found = {name: frame.by_group[name].sort_index().tolist() for name in _rates()}
    return {**found, "auc": [float(roc_auc_score(data["label"], data["score"]))]}


def _rates():
    from fairlearn.metrics import selection_rate, true_negative_rate, true_positive_rate
    from sklearn.metrics import accuracy_score

    return {
        "sensitivity": true_positive_rate, "specificity": true_negative_rate, "selection_rate": selection_rate,
        "accuracy": accuracy_score,
    }  # fmt: skip


def subgroups(path: str, resamples: int) -> dict[str, float]:
    """Return the seconds of MetricFrame with bootstrap resamples (of rows: it knows no patients)."""
    from fairlearn.metrics import MetricFrame

    data = np.load(path)
    began = time.perf_counter()
    MetricFrame(
        metrics=_rates(), y_true=data["label"].astype(int), y_pred=data["decided"].astype(int),
        sensitive_features=data["group"], n_boot=resamples, ci_quantiles=[0.025, 0.975], random_state=1,
    )  # fmt: skip
    return {"seconds": time.perf_counter() - began, "resamples": resamples}


def auc(path: str, resamples: int) -> dict[str, float]:
    """Return the seconds of a loop over resampled patients with scikit-learn's AUC."""
    from sklearn.metrics import roc_auc_score

    data = np.load(path)
    label, score, patient = data["label"], data["score"], data["patient"]
    rng = np.random.default_rng(1)
    count = int(patient.max()) + 1
    began = time.perf_counter()
    for _ in range(resamples):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)[patient]
        roc_auc_score(label, score, sample_weight=weight)
    return {"seconds": time.perf_counter() - began, "resamples": resamples}


def rai(path: str) -> dict[str, object]:
    """Return the verdict of rai-check-dl's medical audit with its gate."""
    import pandas as pd
    from rai_audit.core.scoring import gate_check
    from rai_audit.dl.medical import MedicalImagingAudit

    frame = pd.read_csv(path)
    try:
        report = MedicalImagingAudit(
            y_true=frame["y_true"].values,
            y_pred=frame["y_pred"].values,
            patient_ids=frame["patient"].values,
            splits=frame["split"].values,
            sites=frame["site"].values,
            probabilities=frame["y_score"].values,
            persist=False,
        ).run()
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        return {"outcome": "error", "why": f"{type(error).__name__}: {error}"[:160]}
    active = [f.check_id for f in report.findings if f.severity.value not in ("passed", "info")]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        report.to_json(str(out))
        passed, why = gate_check(json.loads(out.read_text(encoding="utf-8")))
    return {"outcome": "PASS" if passed else "FAIL", "why": f"{why}; findings: {', '.join(active) or 'none'}"}


def fmm(path: str) -> dict[str, object]:
    """Return what fmm-fairness says: it has no gate, so a gap of 0.1 or less counts as a pass."""
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).parent / "fmm-fairness", "evaluate", path]
        command += ["--protected-attrs", "site", "--output", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            text = (done.stderr or done.stdout).strip().splitlines()
            return {"outcome": "error", "why": text[-1][:160] if text else "no message"}
        found = _gaps(Path(folder))
    if not found:
        return {"outcome": "no number", "why": "no gap in its output"}
    worst = max(found.values())
    shown = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    return {"outcome": "PASS" if worst <= 0.1 else "FAIL", "why": shown}


def _gaps(folder: Path) -> dict[str, float]:
    """Return every true-positive-rate gap in its JSON output."""
    found: dict[str, float] = {}
    for file in sorted(folder.glob("*.json")):
        _walk(json.loads(file.read_text(encoding="utf-8")), "", found)
    return found


def _walk(node: object, name: str, found: dict[str, float]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            _walk(value, f"{name}.{key}" if name else str(key), found)
    elif isinstance(node, (int, float)) and not isinstance(node, bool) and name.endswith("gap"):
        found[name] = float(node)


def main() -> None:
    """Answer one question and print JSON."""
    what, path = sys.argv[1], sys.argv[2]
    resamples = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    answers = {
        "metrics": lambda: metrics(path), "subgroups": lambda: subgroups(path, resamples),
        "auc": lambda: auc(path, resamples), "rai": lambda: rai(path), "fmm": lambda: fmm(path),
    }  # fmt: skip
    print(json.dumps(answers[what]()))


if __name__ == "__main__":
    main()
