"""Runs this suite's attack and its peers on the same tasks, in turn, and writes what came out into the docs.

`make bench-adversarial` sets up the environment of the peers and calls this. Each engine has a process of its own that
stays up, so that neither imports nor first calls are timed, and only one of a pair works at a time. Times are ratios
within one round: absolute times of a shared machine say little.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._driver import ROOT, Worker, commit, machine, told, versions
from benchmarks.adversarial import heads, page, tasks

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "benchmarks-adversarial.md"
OWN, THEIRS = "benchmarks.adversarial.ours", "benchmarks.adversarial.peers"
OURS = ("ours, fp32", "ours, bf16", "ours, bf16, with ranks")
PEERS = ("torchattacks PGD", "torchattacks APGD", "Foolbox PGD", "ART PGD", "ART APGD")
ON_HEADS = (*PEERS, "torchattacks APGD (dlr)", "torchattacks AutoAttack", "torchattacks Square")
PACKAGES = ("torchattacks", "foolbox", "adversarial-robustness-toolbox", "torch")
# What may run beside each other, one thread each.
GROUPS = (("resnet18",), ("cnn2", "cnn2-loud", "cnn3"))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Images of a network, and seeds by steps; each seed is a network, images and random starts of its own."""

    cases: int
    seeds: dict[str, int]


SETTINGS = {
    "cnn2": Setting(cases=48, seeds={"5": 5, "20": 5}),
    "cnn2-loud": Setting(cases=48, seeds={"5": 5, "20": 3}),
    "resnet18": Setting(cases=16, seeds={"5": 5, "20": 3}),
    "cnn3": Setting(cases=32, seeds={"5": 5, "20": 5}),
}
SHORT = {
    "cnn2": Setting(cases=24, seeds={"5": 5, "20": 5}),
    "cnn2-loud": Setting(cases=24, seeds={"5": 5, "20": 3}),
    "resnet18": Setting(cases=6, seeds={"5": 5, "20": 3}),
    "cnn3": Setting(cases=12, seeds={"5": 5, "20": 5}),
}
QUICK = {name: Setting(cases=4, seeds={"5": 1, "20": 1}) for name in ("cnn2", "cnn3")}
MEMORY = (("ours, fp32", "ours"), ("ART PGD", "ART PGD, batches of 64"), ("torchattacks PGD", "torchattacks PGD"))
MEMORY_CASES = (200, 2000)
REPEATS = 3
"""Processes whose median is taken: one larger by chance would hide, or make up, what is asked for."""


def compared(
    settings: dict[str, Setting], python: Path, folder: Path, until: float
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return what every engine did on every task of some networks, engines in turn, another one first in each seed.

    All networks have their first seed before one has its second. No further task but the first is begun after a time of
    the clock; the results say how many seeds there were.
    """
    found: dict[str, dict[str, Any]] = {
        name: {"prepared": [], "rounds": {steps: [] for steps in setting.seeds}, "setting": asdict(setting)}
        for name, setting in settings.items()
    }
    # All tasks at the few steps that tell attacks apart come first.
    wanted = sorted(
        (int(s), k, n) for n, setting in settings.items() for s, c in setting.seeds.items() for k in range(c)
    )
    with Worker(Path(sys.executable), OWN) as own, Worker(python, THEIRS) as theirs:
        for steps, seed, name in wanted:
            if seed and time.perf_counter() > until:
                continue
            path = folder / f"{name}-{seed}.pt"
            if not path.exists():
                cases = settings[name].cases
                prepared = own.ask(do="prepare", name=name, seed=seed, cases=cases, path=str(path))
                found[name]["prepared"].append(prepared)
            found[name]["rounds"][str(steps)].append(_round(own, theirs, path, steps, seed))
            told(f"{name}, {steps} steps, seed {seed}")
    return found


def _round(own: Worker, theirs: Worker, path: Path, steps: int, seed: int) -> dict[str, Any]:
    order = [*((own, e) for e in OURS), *((theirs, e) for e in PEERS)]
    order = order[seed % len(order) :] + order[: seed % len(order)]
    found = {}
    for worker, engine in order:
        # The first call of a network builds kernels and loads what is loaded late.
        worker.ask(do="run", engine=engine, path=str(path), steps=1, seed=seed, cases=2)
        reply = worker.ask(do="run", engine=engine, path=str(path), steps=steps, seed=seed)
        if "broken" in reply:
            reply["first"] = "".join(str(row.index(True) if any(row) else tasks.SIZES) for row in reply["broken"])
            reply["by_size"] = [sum(column) for column in zip(*reply.pop("broken"), strict=True)]
        found[engine] = reply
    return found


def on_heads(python: Path) -> dict[str, dict[str, Any]]:
    """Return what every engine says of every head."""
    found: dict[str, dict[str, Any]] = {}
    with Worker(Path(sys.executable), OWN) as own, Worker(python, THEIRS) as theirs:
        for name in heads.TITLES:
            found[name] = {"imaging-audit": own.ask(do="head", name=name)}
            for engine in ON_HEADS:
                found[name][engine] = theirs.ask(do="head", name=name, engine=engine)
    return found


def memory(python: Path, path: Path, counts: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Return the largest resident size at every number of cases, each in its own process; of ours a median of three."""
    found: dict[str, dict[str, Any]] = {}
    for engine, title in MEMORY:
        found[title] = {}
        for cases in counts:
            asked = [_peak(engine, python, path, cases) for _ in range(REPEATS if engine in OURS else 1)]
            found[title][str(cases)] = sorted(asked, key=lambda one: one.get("peak_mb", 0.0))[len(asked) // 2]
    return found


def _peak(engine: str, python: Path, path: Path, cases: int) -> dict[str, Any]:
    own = engine in OURS
    given = {} if own else {"engine": engine}
    with Worker(Path(sys.executable) if own else python, OWN if own else THEIRS) as worker:
        return worker.ask(do="memory", path=str(path), cases=cases, steps=5, **given)


def measure(
    python: Path, settings: dict[str, Setting], counts: tuple[int, ...], minutes: float
) -> dict[str, Any]:  # fmt: skip
    """Return all that was measured."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Worker(Path(sys.executable), OWN) as own:
            own.ask(do="prepare", name="cnn2", seed=0, cases=4, path=str(folder / "memory.pt"))
        peaks, said = memory(python, folder / "memory.pt", counts), on_heads(python)

        def group(names: tuple[str, ...]) -> dict[str, Any]:
            own = {n: settings[n] for n in names if n in settings}
            return compared(own, python, folder, began + 60 * minutes)

        # Two processes of one thread each are at work at any time.
        with ThreadPoolExecutor(len(GROUPS)) as pool:
            models = {k: v for part in pool.map(group, GROUPS) for k, v in part.items()}
        return {
            "models": {n: models[n] for n in settings}, "heads": said, "memory": peaks,
            "versions": {"imaging-audit": version("imaging-audit"), **versions(python, PACKAGES)},
            "commit": commit("audit/attacks"), "seconds": time.perf_counter() - began, **machine(),
        }  # fmt: skip


def main() -> None:
    """Measure and write; the argument is the interpreter of the peers' environment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("python", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true", help="six images, one seed, nothing written")
    parser.add_argument("--short", action="store_true", help="fewer images, for a machine that does other work")
    parser.add_argument("--minutes", type=float, default=12, help="begin no further task after this")
    parser.add_argument("--page", action="store_true", help="write the page again from the results")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page.page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    settings, counts = (QUICK, (20, 40)) if given.quick else (SHORT if given.short else SETTINGS, MEMORY_CASES)
    found = {**measure(given.python, settings, counts, given.minutes), "short": given.short, "minutes": given.minutes}
    text = page.page(found)
    print(text)
    if given.quick:
        return
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(text, encoding="utf-8")
    wrong = {engine: page.misses(found, engine) for engine in OURS[:2]}
    if any(wrong.values()):
        told = ", ".join(f"{count} under {engine}" for engine, count in wrong.items() if count)
        raise SystemExit(f"cells stand that a peer breaks: {told}")


if __name__ == "__main__":
    main()
