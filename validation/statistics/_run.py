"""Runs simulations in blocks whose seeds follow from their name, so that a result does not depend on who ran it."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from validation.statistics._study import Study

SEED = 20261126
BLOCK = 250
ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
SOURCES = ("audit/stats", "audit/judge", "audit/metrics")
LIBRARIES = ("numpy", "scipy", "statsmodels", "scikit-learn")

Sums = dict[str, tuple[int, float, float]]


def generator(study: Study, block: int, seed: int = SEED) -> np.random.Generator:
    """Return the generator of one block of repeats: from the seed, the study's id and the block's number alone."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(study.id.encode()), block]))


def block_sums(study: Study, block: int, repeats: int, seed: int = SEED) -> Sums:
    """Return (number, sum, sum of squares) of every quantity over one block of repeats."""
    rng = generator(study, block, seed)
    sums: Sums = {}
    for _ in range(repeats):
        for name, value in study.draw(rng).items():
            n, total, squares = sums.get(name, (0, 0.0, 0.0))
            if value is not None:
                x = float(value)
                n, total, squares = n + 1, total + x, squares + x * x
            sums[name] = (n, total, squares)
    return sums


def added(parts: Iterable[Sums]) -> Sums:
    """Return the sums of several blocks together."""
    whole: Sums = {}
    for part in parts:
        for name, (n, total, squares) in part.items():
            before = whole.get(name, (0, 0.0, 0.0))
            whole[name] = (before[0] + n, before[1] + total, before[2] + squares)
    return whole


def summary(sums: Sums) -> dict[str, dict[str, float | int | None]]:
    """Return mean, Monte-Carlo standard error and number of repeats of every quantity."""
    found: dict[str, dict[str, float | int | None]] = {}
    for name, (n, total, squares) in sums.items():
        mean = total / n if n else None
        error = None if mean is None or n < 2 else math.sqrt(max(squares / n - mean * mean, 0.0) / (n - 1))
        found[name] = {"mean": _short(mean), "error": _short(error), "n": n}
    return found


def _short(x: float | None) -> float | None:
    return None if x is None else float(f"{x:.6g}")


def run(study: Study, *, repeats: int, seed: int = SEED) -> dict[str, dict[str, float | int | None]]:
    """Return what a study gives, in this process."""
    return summary(added(block_sums(study, b, n, seed) for b, n in _blocks(repeats)))


def _blocks(repeats: int) -> list[tuple[int, int]]:
    return [(b, min(BLOCK, repeats - b * BLOCK)) for b in range(-(-repeats // BLOCK))]


def _task(work: tuple[str, int, int]) -> tuple[Sums, float]:
    from validation.statistics.catalogue import study

    name, block, repeats = work
    began = time.process_time()
    sums = block_sums(study(name), block, repeats)
    return sums, time.process_time() - began


def run_all(chosen: Sequence[Study], *, processes: int, share: float = 1.0) -> Iterator[dict[str, Any]]:
    """Run studies and yield their rows, in order, each as soon as it is done.

    Args:
        chosen: What to run.
        processes: Number of processes.
        share: Share of the repeats to make, for a trial.
    """
    # A long run may outlive an edit of the code that it has loaded.
    code_digest()
    wanted = {s.id: max(2, round(s.repeats * share)) for s in chosen}
    work = [(s.id, b, n) for s in chosen for b, n in _blocks(wanted[s.id])]
    done = _mapped(work, processes)
    for s in chosen:
        parts, seconds = [], 0.0
        for _ in _blocks(wanted[s.id]):
            sums, spent = next(done)
            parts.append(sums)
            seconds += spent
        yield row(s, summary(added(parts)), wanted[s.id], seconds)


def _mapped(work: Sequence[tuple[str, int, int]], processes: int) -> Iterator[tuple[Sums, float]]:
    if processes == 1:
        yield from map(_task, work)
        return
    from multiprocessing import get_context

    with get_context("spawn").Pool(processes) as pool:
        # In order, so that sums of floating-point numbers are added alike however many processes there are.
        yield from pool.imap(_task, work)


def row(study: Study, found: Mapping[str, Any], repeats: int, seconds: float) -> dict[str, Any]:
    """Return what is stored of one study."""
    return {
        "id": study.id, **told(study), "repeats": repeats, "seconds": round(seconds, 1), "code": code_digest(),
        "quantities": dict(found), "accept": judged(study, found),
    }  # fmt: skip


def told(study: Study) -> dict[str, Any]:
    """Return what is stored of a study itself."""
    return {"job": study.job, "method": study.method, "scenario": study.scenario, "control": study.control}


def judged(study: Study, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return every acceptance of a study and whether it is kept."""
    return {
        name: {
            "low": a.low, "high": a.high, "deviation": a.deviation,
            "kept": found[name]["mean"] is not None and a.kept(found[name]["mean"]),
        }
        for name, a in study.accept.items()
    }  # fmt: skip


def lacking(all_studies: Sequence[Study], path: Path = RESULTS) -> list[Study]:
    """Return the studies without stored results of their scenario, method and number of repeats."""
    kept = {r["id"]: r for r in stored(path)["studies"]} if path.is_file() else {}

    def there(s: Study) -> bool:
        r = kept.get(s.id)
        return r is not None and r["repeats"] == s.repeats and all(r[k] == v for k, v in told(s).items())

    return [s for s in all_studies if not there(s)]


@cache
def code_digest() -> str:
    """Return the first 12 digits of the sha256 of the code that is simulated, as it was at the first call."""
    total = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).glob("*.py")):
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Return the versions that the results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def stored(path: Path = RESULTS) -> dict[str, Any]:
    """Return the stored results."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def store(rows: Sequence[Mapping[str, Any]], known: Sequence[Study], path: Path = RESULTS) -> dict[str, Any]:
    """Write rows over those stored under the same id, in the order of the known studies; others are dropped.

    Acceptances are those of the code as it is now, which a result does not depend on.
    """
    kept = {r["id"]: r for r in stored(path)["studies"]} if path.is_file() else {}
    kept.update({r["id"]: dict(r) for r in rows})
    whole = {
        "seed": SEED, "block": BLOCK, "versions": versions(),
        "studies": [{**kept[s.id], "accept": judged(s, kept[s.id]["quantities"])} for s in known if s.id in kept],
    }  # fmt: skip
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    spare = path.with_suffix(".part")
    spare.write_text(text, encoding="utf-8")
    spare.replace(path)
    return whole
