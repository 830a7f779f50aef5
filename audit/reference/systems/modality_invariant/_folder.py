"""The folder in which either twin is audited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.reference._files import read_metadata
from audit.reference._writing import copy_weights, fill, write_table
from audit.reference.phantoms import PairedPatches, Patches
from audit.reference.systems.modality_invariant._learning import AUDIT, Settings
from audit.reference.systems.modality_invariant._measuring import COMPLETE, PAIRS, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATIENTS = {"smoke": 200, "standard": 1000, "full": 3000}
"""One patch each, unlike in training: probes that change images look at a number of cases, and patients count."""
_FACTORY = {"modality-invariant": "invariant", "modality-naive": "naive"}
_KINDS = ("nothing", "lesion", "lacune")
_HERE = Path(__file__).parent
_COLUMNS = (
    "case", "patient", "image", "lesions", "lacunes", "white_matter", "middle", "kind", "sequences", "scanner", "patch",
    "sex", "age", "second_observer",
)  # fmt: skip
EXAMS = (COMPLETE, *PAIRS)
"""What a busy day leaves of an exam; all four equally often."""


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write images, masks, manifest, weights, audit.toml and policy.toml.

    Every patch is there twice: from an exam with all three sequences, and from one of which a quarter lack each of the
    sequences and a quarter lack none. The second has noise and gain of its own.

    Args:
        name: One of the twins.
        folder: There already.
        weights: The model's file.
        seed: Of the cohort; no patient is one of the training, whatever the seed.
        profile: smoke, standard or full: how many patients.
    """
    about, knobs = read_metadata(weights), replace(Settings().knobs, patches=1)
    source = PairedPatches(PATIENTS[profile], seed=(seed, AUDIT), knobs=knobs)
    made = [source.patient(i) for i in range(len(source))]
    lacking = np.random.default_rng([seed, AUDIT, 10**9]).integers(len(EXAMS), size=len(made))
    _arrays(folder, made, lacking)
    write_table(folder / "cases.csv", _COLUMNS, _rows(made, lacking))
    shutil.copyfile(_HERE / "policy.toml", folder / "policy.toml")
    fill(
        _HERE / "audit.toml", folder / "audit.toml", name=name, factory=_FACTORY[name], profile=profile,
        weights=copy_weights(weights, folder), model_seed=about["seed"], operating_point=about["operating_point"],
        validation=about["validation_patients"],
    )  # fmt: skip


def _arrays(folder: Path, made: list[Patches], lacking: NDArray[np.int64]) -> None:
    """Write images of both exams, first all of the first ones, and masks of the tissue that both have."""
    second = []
    for one, which in zip(made, lacking, strict=True):
        image = np.zeros_like(one.rescan)
        image[:, list(EXAMS[which])] = one.rescan[:, list(EXAMS[which])]
        second.append(image)
    np.savez(folder / "images.npz", images=np.concatenate([*(m.images for m in made), *second]))
    masks = {"lesions": "lesions", "lacunes": "lacunes", "white_matter": "white"}
    held = {key: np.concatenate([getattr(m, name) for m in made]).astype(np.uint8) for key, name in masks.items()}
    np.savez(folder / "masks.npz", lesions=held["lesions"], lacunes=held["lacunes"], white_matter=held["white_matter"])


def _rows(made: list[Patches], lacking: NDArray[np.int64]) -> Iterator[tuple[object, ...]]:
    each, total = len(made[0].middle), sum(len(m.middle) for m in made)
    for exam in range(2):
        for number, one in enumerate(made):
            for patch in range(each):
                row = number * each + patch
                kind = _KINDS[one.middle[patch]]
                yield (
                    f"patch-{row:05d}-{exam + 1}", f"patient-{number:04d}", f"images.npz#images[{exam * total + row}]",
                    *(f"masks.npz#{key}[{row}]" for key in ("lesions", "lacunes", "white_matter")),
                    "lesion" if kind == "lesion" else "none", kind,
                    words(EXAMS[lacking[number]] if exam else COMPLETE), one.scanner, f"{number}-{patch}", one.sex,
                    one.age, "lesion" if one.second[patch] else "none",
                )  # fmt: skip
