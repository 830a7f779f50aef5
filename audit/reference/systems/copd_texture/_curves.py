"""Ways of pooling regions over training sizes and seeds, a file a cell, so that what is there is not done again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Figure, Say
from audit.reference.phantoms import SCAN
from audit.reference.systems.copd_texture import _figures
from audit.reference.systems.copd_texture._cohorts import (
    FUTURE,
    HORIZON,
    TUNING,
    Scanned,
    followed,
    patients_of,
    scanned,
    training_set,
)
from audit.reference.systems.copd_texture._instances import VARIANTS, said_by
from audit.reference.systems.copd_texture._learn import Learner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

SEEDS = (11, 12, 13, 14, 15)
SIZES = (100, 200, 400)
TESTED = 500


def measure(name: str, folder: Path, *, say: Say) -> None:
    """Write `<seed>-<size>.json` for every seed and size; a file that is there stays.

    Args:
        name: The system.
        folder: Made if absent.
        say: Is told of each cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        lacking = [size for size in SIZES if not (folder / f"{seed}-{size}.json").is_file()]
        if not lacking:
            continue
        cases, labels, trust = training_set(name, seed=seed, n=max(SIZES))
        tested = scanned(patients_of(name, seed=seed, part=TUNING, n=TESTED))
        whole = Learner(scans=cases.regions, labels=labels, trust=trust)
        new = whole.textures_of(tested.regions)
        for size in lacking:
            learner = whole.first(size)
            found = _future(learner, new, tested) if name == FUTURE else _variants(learner, new, tested, seed)
            cell = {"name": name, "seed": seed, "training_scans": size, "phantom": True, "figures": found}
            part = folder / f".{seed}-{size}.part"
            part.write_text(json.dumps(cell, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            part.replace(folder / f"{seed}-{size}.json")
            say(f"{name}, seed {seed}, {size} scans: " + ", ".join(f"{f['name']} {f['value']:.3f}" for f in found))


def _variants(learner: Learner, textures: Tensor, tested: Scanned, seed: int) -> list[dict[str, Any]]:
    """Return the AUC of every way of pooling, on the same filters, and of densitometry."""
    chosen, regions = list(learner.select()), learner.regions
    train, new = (t[:, chosen].flatten(1) for t in (learner.textures, textures))
    said = said_by(
        train.view(len(learner.scans), regions, -1), learner.labels, new.view(len(tested.regions), regions, -1),
        seed=seed,
    )  # fmt: skip
    ranked: Mapping[str, NDArray[np.float64]] = {**{v: said[v] for v in VARIANTS}, "RA950": tested.density["ra950"]}
    return [_plain(_auc(f"auc, {name}", scores, tested)) for name, scores in ranked.items()]


def _auc(name: str, scores: NDArray[np.float64], tested: Scanned) -> Figure:
    from audit.stats import auc

    who = tested.of[tested.rows(SCAN)]
    return _figures.figure(name, auc(scores, tested.patients.copd[who], who, _figures.LEVELS))


def _future(learner: Learner, textures: Tensor, tested: Scanned) -> list[dict[str, Any]]:
    """Return the AUC at the horizon of the network and of densitometry."""
    from audit.stats import ranking_at_horizon

    said = learner.said(textures, learner.select())
    out = []
    for name, scores in (("mean", said), ("RA950", tested.density["ra950"])):
        cases, rng = followed(tested.patients, scores), np.random.default_rng(0)
        found = ranking_at_horizon(cases, _figures.LEVELS, rng, resamples=_figures.RESAMPLES)["auc_at_horizon"]
        out.append(_plain(_figures.figure(f"auc at {HORIZON:g} years, {name}", found)))
    return out


def _plain(figure: Figure) -> dict[str, Any]:
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in asdict(figure).items()}
