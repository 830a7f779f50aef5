"""The two models on a biased and on a balanced cohort: four cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort, Levels
from audit.reference._system import Figure
from audit.reference._texture import TextureModel, linear_recipe
from audit.reference.phantoms import lung_cohort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EMPTY = (6, 15, 24)
"""Moments that are always 0: the mean of the Laplacian at each scale."""
BIASED_TRAINING, BALANCED = (0.9, 0.1), (0.5, 0.5)
BIASED_TEST = (0.85, 0.35)
LEANING = (0.6, 0.4)
"""Share of men among the ill and among the healthy; in the last, men go with the disease, and no cell is small."""
TRAINING, VALIDATION, TEST_BIASED, TEST_BALANCED, AUDITED, DEVELOPMENT = 40, 41, 42, 43, 44, 45
"""First part of the entropy of a cohort: patients of one part are never those of another."""
SIZES = {TRAINING: 5000, VALIDATION: 1500, TEST_BIASED: 1500, TEST_BALANCED: 1500}


def cohort(part: int, shares: tuple[float, float], seed: int, per_label: int | None = None) -> Cohort:
    """Return as many ill as healthy patients, with shares of men among either.

    Args:
        part: One of the parts above.
        shares: Share of men among the ill and among the healthy.
        seed: The model's, or that of the audit's cohort.
        per_label: Ill patients, and as many healthy ones; as `SIZES` says by default.
    """
    n = SIZES[part] if per_label is None else per_label
    return lung_cohort(ill=n, healthy=n, men_of_ill=shares[0], men_of_healthy=shares[1], seed=(part, seed))


def images_of(made: Cohort) -> NDArray[np.float32]:
    """Return all scans, (n, 4, 16, 16) whole HU as a scanner stores them."""
    return np.rint(np.concatenate(list(made.images.blocks()))).astype(np.float32)  # type: ignore[union-attr]


def figures(made: Cohort, logits: NDArray[np.float64], operating_point: float, name: str) -> list[Figure]:
    """Return the figures of one model on one cohort.

    Args:
        made: The cohort.
        logits: (n,) of disease.
        operating_point: On the probability scale.
        name: The cohort in a few words.
    """
    from audit.stats import auc, proportion

    ill, male = made.targets == 1, made.attributes["sex"].levels == "male"
    codes, levels = made.patients, Levels()

    def area(label: str, positive: NDArray[Any], rows: NDArray[np.bool_]) -> Figure:
        return Figure.of(f"{label}, {name}", auc(logits[rows], positive[rows], codes[rows], levels))

    found = 1 / (1 + np.exp(-logits)) >= operating_point
    rates = [
        Figure.of(f"{label}, {name}", proportion(hits[rows], codes[rows], levels), "at the operating point")
        for label, hits, rows in (("sensitivity", found, ill), ("specificity", ~found, ~ill))
    ]
    everyone = np.ones(len(ill), dtype=bool)
    return [
        area("AUC", ill, everyone), area("AUC within men", ill, male), area("AUC within women", ill, ~male),
        area("AUC of the score for men among the healthy", male, ~ill), *rates,
    ]  # fmt: skip


def learnt(images: NDArray[np.float32], targets: NDArray[Any], seed: int) -> TextureModel:
    """Return the linear model of the moments, blind to those that are 0 in any scan.

    Args:
        images: (n, 4, 16, 16) HU.
        targets: (n,) 1 for disease.
        seed: Not used; nothing is drawn.
    """
    model = linear_recipe(images, targets, seed)
    # A periodic Laplacian has the mean 0: what a computer gives instead is rounding, and differs between machines.
    model.fitted.coef_[:, list(EMPTY)] = 0.0
    model.scale[list(EMPTY)] = 1.0
    return model


def rows_of(made: Cohort, file: str) -> Sequence[Sequence[object]]:
    """Return the manifest's rows: case, patient, image, disease, sex."""
    sex = made.attributes["sex"].levels
    return [
        (f"scan-{i}", made.patient_ids[p], f"{file}#[{i}]", made.classes[int(y)], s)
        for i, (p, y, s) in enumerate(zip(made.patients, made.targets, sex, strict=True))
    ]
