"""How the twins are trained and audited; they differ in the composition of their training data alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._files import read_metadata
from audit.reference._system import Made, Say
from audit.reference._texture import TextureModel
from audit.reference._writing import copy_weights, even_threshold, fill, write_table
from audit.reference.systems.gender_confounding import _cells as cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import Cohort

HERE = Path(__file__).parent
COMPOSITION = {"gender-biased": cells.BIASED_TRAINING, "gender-balanced": cells.BALANCED}
PER_LABEL = {"smoke": 600, "standard": 1500, "full": 3000}
"""Ill patients of the audited cohort, and as many healthy ones; 15 % of the ill are women, 35 % of the healthy men."""
DEVELOPMENT = {"smoke": 400, "standard": 1000, "full": 1000}


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train a twin, some seconds; see `audit.reference._system.Recipe.train`."""
    shares = COMPOSITION[name]
    say(f"10,000 phantom scans, men {shares[0]:.0%} of the ill and {shares[1]:.0%} of the healthy")
    learnt = cells.cohort(cells.TRAINING, shares, seed)
    model = cells.learnt(cells.images_of(learnt), learnt.targets, seed)
    held_out = cells.cohort(cells.VALIDATION, shares, seed)
    logits = model.predict(cells.images_of(held_out))[:, 0]
    point = round(float(1 / (1 + np.exp(-even_threshold(logits, held_out.targets)))), 4)
    say("figures on test cohorts of either composition")
    figures = []
    for part, composition, words in (
        (cells.TEST_BIASED, cells.BIASED_TEST, "biased test"),
        (cells.TEST_BALANCED, cells.BALANCED, "balanced test"),
    ):
        tested = cells.cohort(part, composition, seed)
        figures += cells.figures(tested, model.predict(cells.images_of(tested))[:, 0], point, words)
    return Made(
        tensors=tensors(model), figures=tuple(figures),
        metadata={"operating_point": repr(point), "composition": json.dumps(shares)},
    )  # fmt: skip


def tensors(model: TextureModel) -> dict[str, NDArray[np.float32]]:
    """Return the weights of `nets.TextureNet` that answer as a fitted model does."""
    values = {
        "mean": model.mean, "scale": model.scale, "decide.weight": model.fitted.coef_,
        "decide.bias": model.fitted.intercept_,
    }  # fmt: skip
    return {key: np.asarray(value, dtype=np.float32) for key, value in values.items()}


def fit(images: NDArray[np.float32], targets: NDArray[Any], seed: int) -> TextureModel:
    """Train again on a development cohort, as `[training] recipe` takes it.

    Args:
        images: (n, 4, 16, 16) HU.
        targets: (n,) 1 for disease.
        seed: Not used; nothing is drawn.
    """
    return cells.learnt(images, targets, seed)


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write the audit's folder; the cohort is the same for both twins."""
    audited = cells.cohort(cells.AUDITED, cells.BIASED_TEST, seed, PER_LABEL[profile])
    development = cells.cohort(cells.DEVELOPMENT, cells.LEANING, seed, DEVELOPMENT[profile])
    _store(audited, folder, "scans.npy", "cases.csv")
    _store(development, folder, "development.npy", "development.csv")
    fill(
        HERE / "audit.toml", folder / "audit.toml", name=name, weights=copy_weights(weights, folder),
        operating_point=read_metadata(weights)["operating_point"], profile=profile, seed=seed,
    )  # fmt: skip
    fill(HERE / "policy.toml", folder / "policy.toml")


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Measure what a growing imbalance does, the same for both names; see `Recipe.curves`."""
    from audit.reference.systems.gender_confounding._shares import measure

    del name
    measure(folder, say=say)


def _store(made: Cohort, folder: Path, images: str, manifest: str) -> None:
    np.save(folder / images, cells.images_of(made).astype(np.int16))
    write_table(folder / manifest, ("case", "patient", "scan", "copd", "sex"), cells.rows_of(made, images))
