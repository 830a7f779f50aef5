"""Error by number of labelled target voxels, and by how far a protocol lies from the source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Say
from audit.reference.phantoms import PREPARED, SPIN_ECHO
from audit.reference.systems.protocol_transfer import _data as data
from audit.reference.systems.protocol_transfer import _ways as ways
from audit.reference.systems.protocol_transfer._distance import maximum_mean_discrepancy, proxy_distance
from audit.reference.systems.protocol_transfer._ways import Voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = (11, 12, 13, 14, 15)
"""None trained a shipped model; the phantom and the machine's settings were chosen on seed 0."""
COUNTS = (10, 30, 100, 300, 1000, 3000, 10000)
SOURCE = {"patients": 60, "each": 11}
TARGET = {"patients": 40, "each": 85}
TEST = {"patients": 60, "each": 15}
PAIRS = {"patients": 10, "each": 33}
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""How far on the way from the source protocol to the target protocol, and a quarter beyond it."""
TRANSFORMED = "feature-space transformation"


def measure(folder: Path, *, say: Say) -> None:
    """Write one file a seed and number of voxels, and one a seed and protocol; what is there is not done again."""
    for seed in SEEDS:
        held: dict[str, Any] = {}
        for count in COUNTS:
            _cell(folder / f"voxels-{seed}-{count:05d}.json", lambda s=seed, c=count, h=held: by_count(s, c, h), say)  # type: ignore[misc]
        for step in STEPS:
            _cell(folder / f"distance-{seed}-{100 * step:03.0f}.json", lambda s=seed, t=step: by_distance(s, t), say)  # type: ignore[misc]


def _cell(path: Path, measured: Callable[[], dict[str, Any]], say: Say) -> None:
    if path.is_file():
        return
    say(path.stem)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(measured(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)


def by_count(seed: int, count: int, held: dict[str, Any]) -> dict[str, Any]:
    """Return the error of every way of transfer on target patients that nothing has learnt from.

    Target voxels come patient after patient, 255 of each, so that few voxels are those of one patient.

    Args:
        seed: Of patients and machines.
        count: Labelled target voxels.
        held: Keeps what does not depend on the number.
    """
    if not held:
        held |= _shared(seed)
    source, test, pairs = held["source"], held["test"], held["pairs"]
    rows = held["order"][:count]
    target = Voxels(features=held["target"].features[rows], tissue=held["target"].tissue[rows])
    found: dict[str, Any] = {
        "seed": seed,
        "target_voxels": count,
        "target_patients": int(held["owner"][rows].max()) + 1,
    }
    answers = {name: way(source, target, seed) for name, way in ways.WAYS.items()}
    answers[f"{TRANSFORMED}, no labels"] = ways.transformed(source, pairs, seed)
    answers[f"{TRANSFORMED}, with labels"] = ways.transformed(source, pairs, seed, target)
    found["error"] = {name: _error(answer, test) for name, answer in answers.items()}
    return found | {"test_voxels": len(test), "test_patients": TEST["patients"], "source_voxels": len(source)}


def _shared(seed: int) -> dict[str, Any]:
    drawn = data.drawn(data.TARGET_PATIENTS, seed, PREPARED, **TARGET)
    rng = np.random.default_rng([seed, 7])
    shuffled = rng.permutation(len(drawn.tissue))
    order = shuffled[np.argsort(drawn.patient[shuffled], kind="stable")]
    # Ten voxels hold every tissue at least once: three of each come first.
    first = np.concatenate([np.flatnonzero(drawn.tissue[order] == code)[:3] for code in range(ways.TISSUES)])
    order = np.concatenate([order[first], np.delete(order, first)])
    return {
        "source": data.drawn(data.SOURCE_PATIENTS, seed, SPIN_ECHO, **SOURCE).voxels(), "target": drawn.voxels(),
        "owner": drawn.patient, "order": order,
        "test": data.drawn(data.TEST_PATIENTS, seed, PREPARED, **TEST).voxels(), "pairs": data.pairs(seed, **PAIRS),
    }  # fmt: skip


def by_distance(seed: int, step: float) -> dict[str, Any]:
    """Return what unsupervised distances say of a protocol, and how much the source's machine loses under it."""
    protocol = SPIN_ECHO.towards(PREPARED, step)
    source = data.drawn(data.SOURCE_PATIENTS, seed, SPIN_ECHO, **SOURCE).voxels()
    answer = ways.source_only(source, source, seed)
    own, other = (data.drawn(data.TEST_PATIENTS, seed, p, **TEST) for p in (SPIN_ECHO, protocol))
    unlabelled = data.drawn(data.PAIR_PATIENTS, seed, protocol, **SOURCE)
    learnt = data.drawn(data.SOURCE_PATIENTS, seed, SPIN_ECHO, **SOURCE)
    seen = unlabelled.voxels().features
    return {
        "seed": seed, "step": step, "error_source": _error(answer, own.voxels()),
        "error_target": _error(answer, other.voxels()),
        "proxy_distance": proxy_distance(source.features, seen, learnt.patient, unlabelled.patient),
        "mmd": maximum_mean_discrepancy(source.features, seen),
        "test_voxels": len(other.tissue), "test_patients": TEST["patients"],
    }  # fmt: skip


def _error(answer: Callable[[NDArray[np.float64]], NDArray[np.int64]], test: Voxels) -> float:
    return round(float((answer(test.features) != test.tissue).mean()), 5)
