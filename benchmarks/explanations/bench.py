"""Runs this suite's explanations and their peers on the same tasks, in turn, and writes what came out into the docs.

`make bench-explanations` sets up the environment of the peers and calls this. Each side has a process of its own that
stays up, so that neither imports nor first calls are timed, and only one of the two works at a time. Times are ratios
within one round, to as many plain eager float32 passes of the same network in the same process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._driver import ROOT, Worker, commit, machine, told, versions
from benchmarks.explanations import page, tasks

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "benchmarks-explanations.md"
OWN, THEIRS = "benchmarks.explanations.ours", "benchmarks.explanations.peers"
PACKAGES = ("quantus", "captum", "torch", "numpy")
TIMED = {
    "deletion": {"cnn2": 32, "resnet18": 8}, "road": {"cnn2": 16, "resnet18": 8},
    "randomisation": {"cnn2": 16, "strided": 16},
}  # fmt: skip
"""Networks and images by metric."""
ROUNDS, SHORT_ROUNDS = 5, 3


def timings(own: Worker, theirs: Worker, paths: dict[str, str], rounds: int) -> dict[str, Any]:
    """Return seconds and limits of every engine on every metric and network, engines in turn."""
    engines = {
        "deletion": [
            ("ours, fp32", own, {"how": "fold", "batch": 32}), ("ours, eager", own, {"how": "eager", "batch": 32}),
            ("ours, bf16 screening", own, {"how": "bf16", "batch": 32}), ("Quantus", theirs, {}),
        ],
        "road": [
            ("ours, fp32", own, {"how": "fold"}), ("ours, eager", own, {"how": "eager"}),
            ("ours, bf16 screening", own, {"how": "bf16"}), ("Quantus", theirs, {}),
        ],
        "randomisation": [("ours, fp32", own, {}), ("Quantus", theirs, {})],
    }  # fmt: skip
    found: dict[str, Any] = {}
    for metric, each in engines.items():
        found[metric] = {}
        for name, cases in TIMED[metric].items():
            given = {"do": metric, "path": paths[name]}
            for _, worker, more in each:
                worker.ask(**given, **more, cases=4)
            found[metric][name] = []
            for number in range(rounds):
                turn = each[number % len(each) :] + each[: number % len(each)]
                found[metric][name].append(
                    {engine: worker.ask(**given, **more, cases=cases) for engine, worker, more in turn}
                )
            told(f"{metric} {name}")
    return found


def parity(own: Worker, theirs: Worker, paths: dict[str, str], folder: Path) -> dict[str, Any]:
    """Return how far both sides are apart where their definitions are the same, and where they are not."""

    def both(do: str, name: str, cases: int, ours: dict[str, Any], peers: dict[str, Any]) -> Any:
        files = [str(folder / f"{do}-{name}-{side}.npz") for side in ("ours", "peers")]
        said = (
            own.ask(do=do, path=paths[name], cases=cases, save=files[0], **ours),
            theirs.ask(do=do, path=paths[name], cases=cases, save=files[1], **peers),
        )
        loaded = [dict(np.load(f)) if Path(f).exists() else {} for f in files]
        return said, loaded

    out: dict[str, Any] = {"deletion": {}, "road": {}, "imputation": {}, "similarity": {}, "attributions": {}}
    for name in paths:
        how, cases = {"how": "fold", "batch": 32}, 32 if name in ("cnn2", "strided") else 8
        (_, said), (a, b) = both("deletion", name, min(cases, 16), how, {})
        out["deletion"][name] = {"black": _apart(a.get("curve"), b.get("curve")), "error": said.get("error")}
        areas = {}
        for engine in ("fold", "eager", "bf16"):
            file = str(folder / f"area-{name}-{engine}.npz")
            own.ask(do="deletion", path=paths[name], cases=cases, save=file, how=engine, batch=32)
            areas[engine] = np.load(file)
        low, exact = areas["bf16"], areas["eager"]
        out["deletion"][name] |= {
            "fold_curve": _apart(areas["fold"]["curve"], exact["curve"]),
            "bf16_area": _apart(low["area"], exact["area"]), "bf16_curve": _apart(low["curve"], exact["curve"]),
            "bf16_rank": float(np.corrcoef(np.argsort(np.argsort(low["area"])),
                                           np.argsort(np.argsort(exact["area"])))[0, 1]),
        }  # fmt: skip
        (_, said), (a, b) = both("attributions", name, 8, {}, {})
        out["attributions"][name] = {
            "ours": _, "peers": said,
            "apart": {k: _relative(a[k], b[k]) for k in b if k in a},
        }  # fmt: skip
    for name in ("cnn2", "cnn3"):
        (_, said), (a, b) = both("road", name, 16 if name == "cnn2" else 4, {"how": "fold"}, {})
        out["road"][name] = {
            "ours": a["kept"].tolist() if a else None, "peers": b["kept"].tolist() if b else None,
            "error": said.get("error"),
        }  # fmt: skip
    (said, _), (a, b) = both("imputation", "cnn2", 4, {}, {})
    out["imputation"] = {
        "strict": max((_apart(a[f"strict_{p}"], b[f"{p}"]) or 0) for p in tasks.PERCENTAGES) if b else None,
        "used": max((_apart(a[f"used_{p}"], b[f"{p}"]) or 0) for p in tasks.PERCENTAGES) if b else None,
        "spread": said.get("spread"),
    }  # fmt: skip
    _, (a, b) = both("similarity", "cnn2", 16, {}, {})
    out["similarity"] = {"spearman": _apart(a.get("spearman"), b.get("spearman"))}
    mean = str(folder / "mean.npz")
    theirs.ask(do="deletion", path=paths["cnn2"], cases=16, baseline="mean", save=mean)
    out["mean_fill"] = _mean_fill(tasks.load(paths["cnn2"]).cut(16), np.load(mean)["curve"])
    return out


def _mean_fill(task: tasks.Task, theirs: np.ndarray) -> dict[str, float]:
    """Return how far Quantus' curve with the fill "mean" is from one mean of the image, and from one taken anew."""
    import torch

    order = np.argsort(-task.maps.reshape(len(task.images), -1), axis=1)
    step = order.shape[1] // tasks.STEPS
    still, anew = (task.images.reshape(len(task.images), -1).copy() for _ in range(2))
    mean = still.mean(axis=1, keepdims=True)
    curves: dict[str, list[np.ndarray]] = {"once": [], "anew": []}
    for k in range(tasks.STEPS):
        part = order[:, k * step : (k + 1) * step]
        for name, x, value in (("once", still, mean), ("anew", anew, anew.mean(axis=1, keepdims=True))):
            np.put_along_axis(x, part, np.broadcast_to(value, part.shape), axis=1)
            with torch.no_grad():
                said = task.net(torch.as_tensor(x.reshape(task.images.shape))).softmax(dim=1).numpy()
            curves[name].append(said[np.arange(len(said)), task.decided])
    return {name: _apart(np.stack(c, axis=1), theirs) or 0.0 for name, c in curves.items()}


def _apart(one: Any, other: Any) -> float | None:
    if one is None or other is None or np.shape(one) != np.shape(other):
        return None
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-30))


def memory() -> dict[str, Any]:
    """Return the largest resident size of volumes, each in a process of its own."""
    out = {}
    for name, given in {
        "four of 32 × 64 × 64": {"side": 0, "tile": 0, "steps": 32, "limit_mb": 1000.0},
        "one of 160 cubed in tiles of 80": {"side": 160, "tile": 80, "steps": 32, "limit_mb": 4000.0},
    }.items():
        with Worker(Path(sys.executable), OWN) as own:
            out[name] = own.ask(do="volume", **given) | {"limit_mb": given["limit_mb"]}
    return out


def measure(python: Path, rounds: int, volumes: bool, timed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return all that was measured; timings that are there already are kept."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder, paths, prepared = Path(name), {}, {}
        with Worker(Path(sys.executable), OWN) as own, Worker(python, THEIRS) as theirs:
            for kind in tasks.KINDS:
                paths[kind] = str(folder / f"{kind}.pt")
                prepared[kind] = own.ask(do="prepare", name=kind, cases=32, path=paths[kind])
            timed = timed or timings(own, theirs, paths, rounds)
            same = parity(own, theirs, paths, folder)
            pays = own.ask(do="bfloat16")["pays"]
    return {
        "prepared": prepared, "timings": timed, "parity": same, "memory": memory() if volumes else {},
        "bfloat16": pays, "rounds": rounds,
        "versions": {"imaging-audit": version("imaging-audit"), **versions(python, PACKAGES)},
        "commit": commit("audit/explain"), "seconds": time.perf_counter() - began, **machine(),
    }  # fmt: skip


def main() -> None:
    """Measure, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path, help="of the peers' environment")
    parser.add_argument("--short", action="store_true", help="fewer rounds, no volume of 160 cubed")
    parser.add_argument("--parity", action="store_true", help="keep the timings that are there, measure the rest")
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there")
    given = parser.parse_args()
    if not given.page:
        before = json.loads(RESULTS.read_text()) if given.parity else {}
        found = measure(
            given.python.absolute(), before.get("rounds", SHORT_ROUNDS if given.short else ROUNDS),
            volumes=not given.short, timed=before.get("timings"),
        )  # fmt: skip
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page.written(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
