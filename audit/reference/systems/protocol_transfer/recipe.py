"""How the two models are trained and audited; one has labels of the target protocol, the other has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Figure, Made, Say
from audit.reference._writing import copy_weights, fill, write_table
from audit.reference.phantoms import PREPARED, SPIN_ECHO, TISSUE_NAMES, TissuePatients
from audit.reference.systems.protocol_transfer import _data as data
from audit.reference.systems.protocol_transfer._features import features
from audit.reference.systems.protocol_transfer._fitted import TissueModel, fitted
from audit.reference.systems.protocol_transfer._ways import Voxels, both, even_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

HERE = Path(__file__).parent
SOURCE = {"patients": 60, "each": 11}
TARGET = {"patients": 2, "each": 50}
TEST = {"patients": 150, "each": 6}
PATIENTS = {"smoke": 160, "standard": 400, "full": 800}
TWICE = 0.15
"""Share of the audited patients who are scanned under both protocols."""
DEVELOPMENT = {"smoke": 100, "standard": 160, "full": 160}
EACH = 2
"""Voxels of each tissue of an audited patient."""
LEARNT = {"protocol-transfer": ("A", "B"), "protocol-source": ("A",)}


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train one of the two, some seconds; see `audit.reference._system.Recipe.train`."""
    source = data.drawn(data.SOURCE_PATIENTS, seed, SPIN_ECHO, **SOURCE)
    voxels, groups, weights = source.voxels(), source.patient, None
    say(f"{len(source.tissue)} voxels of {SOURCE['patients']} patients under protocol A")
    if "B" in LEARNT[name]:
        target = data.drawn(data.TARGET_PATIENTS, seed, PREPARED, **TARGET)
        voxels, groups = both(voxels, target.voxels()), np.concatenate([groups, SOURCE["patients"] + target.patient])
        weights = even_weights(len(source.tissue), len(target.tissue))
        say(f"{len(target.tissue)} voxels of {TARGET['patients']} patients under protocol B")
    model = fitted(voxels, groups, seed=seed, weights=weights)
    say("figures on test patients of either protocol")
    return Made(
        tensors=model.tensors(), figures=figures(model, seed), metadata={"trained_on": json.dumps(LEARNT[name])}
    )


def figures(model: TissueModel, seed: int) -> tuple[Figure, ...]:
    """Return error of all voxels and of each tissue, under either protocol."""
    from audit.core import Levels
    from audit.stats import proportion

    found = []
    for protocol, words in ((SPIN_ECHO, "source protocol A"), (PREPARED, "target protocol B")):
        test = data.drawn(data.TEST_PATIENTS, seed, protocol, **TEST)
        wrong = model.predict(test.patches).argmax(axis=1) != test.tissue
        found.append(Figure.of(f"error, {words}", proportion(wrong, test.patient, Levels())))
        for code, tissue in enumerate(TISSUE_NAMES):
            rows = test.tissue == code
            estimate = proportion(wrong[rows], test.patient[rows], Levels())
            found.append(Figure.of(f"error in {tissue}, {words}", estimate))
    return tuple(found)


def fit(
    images: NDArray[np.float32], targets: NDArray[Any], seed: int, weights: NDArray[np.float64] | None = None
) -> TissueModel:
    """Train again on a development cohort, as `[training] recipe` takes it.

    Args:
        images: (n, 1, 25, 25) stored patches.
        targets: (n,) 0 to 2.
        seed: Of the random features.
        weights: (n,) weights of the voxels.
    """
    voxels = Voxels(features=features(images), tissue=np.asarray(targets, dtype=np.int64))
    # Voxels come without their patients: those that stand together are held out together.
    blocks = np.arange(len(voxels)) * 10 // max(1, len(voxels))
    return fitted(voxels, blocks, seed=seed, weights=None if weights is None else weights / weights.mean())


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write the audit's folder; the cohort is the same for both models."""
    _store(data.AUDIT_PATIENTS, seed, PATIENTS[profile], TWICE, folder, "voxels.npy", "cases.csv")
    _store(data.DEVELOPMENT_PATIENTS, seed, DEVELOPMENT[profile], 0.0, folder, "development.npy", "development.csv")
    fill(
        HERE / "audit.toml", folder / "audit.toml", name=name, weights=copy_weights(weights, folder), profile=profile,
        seed=seed, trained_on=json.dumps(LEARNT[name]),
    )  # fmt: skip
    fill(HERE / "policy.toml", folder / "policy.toml")


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Measure every way of transfer over seeds and numbers of voxels, and distances; see `Recipe.curves`."""
    from audit.reference.systems.protocol_transfer._grid import measure

    if name == "protocol-transfer":
        measure(folder, say=say)


COLUMNS = ("case", "patient", "patch", "tissue", "second", "third", "protocol", "sex", "age")


def _store(part: int, seed: int, n: int, twice: float, folder: Path, images: str, manifest: str) -> None:
    people = TissuePatients(n=n, seed=(part, seed))
    patches: list[NDArray[np.uint16]] = []
    rows: list[tuple[object, ...]] = []
    for i in range(n):
        who = people.patient(i)
        own = [p for p in people.protocols if p.name == who.protocol or i < twice * n]
        for protocol in own:
            scan = people.voxels(i, protocol, each=EACH)
            for k, named in enumerate(zip(scan.tissue, scan.second, scan.third, strict=True)):
                rows.append((
                    f"v{i:04d}{protocol.name}{k}", f"p{part}-{seed}-{i:04d}", f"{images}#[{len(rows)}]",
                    *(TISSUE_NAMES[code] for code in named), protocol.name, who.sex, who.age,
                ))  # fmt: skip
            patches += list(scan.patches)
    np.save(folder / images, np.stack(patches))
    write_table(folder / manifest, COLUMNS, rows)
