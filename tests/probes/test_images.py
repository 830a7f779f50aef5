"""Which cases a costly probe looks at."""

from __future__ import annotations

import numpy as np
import pytest

from audit.cohorts import from_arrays
from audit.core import Cohort, NotApplicable
from audit.probes._images import batch_size, load_images, load_masks, sample_cases


def cohort(n: int = 6, *, images: bool = True, masks: bool = False) -> Cohort:
    pixels = np.arange(n * 4, dtype=float).reshape(n, 1, 2, 2)
    return from_arrays(
        pixels if images else None, np.zeros(n, int), task="binary", classes=("no", "yes"),
        masks=(pixels > 3) * 7.0 if masks else None,
    )  # fmt: skip


def test_whole_patients_are_drawn_and_their_number_is_fixed_beforehand() -> None:
    """Every sample has the same number of patients with all their cases, and every patient comes up alike."""
    patients = np.repeat(np.arange(20), [1, 9] * 10)
    counts = np.zeros(20)
    for seed in range(200):
        rows = sample_cases(patients, 50, np.random.default_rng(seed))
        drawn = np.unique(patients[rows])
        assert drawn.size == 10
        assert rows.size == np.isin(patients, drawn).sum()
        counts[drawn] += 1
    assert counts.min() > 70
    assert counts.max() < 130


def test_a_budget_that_suffices_takes_all() -> None:
    """No limit, or one beyond the cohort, takes every case in order."""
    patients = np.array([3, 1, 1, 0])
    for limit in (None, 4, 100):
        assert sample_cases(patients, limit, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


def test_images_and_masks_are_read_in_the_order_asked_for() -> None:
    """Images keep their intensities in float32; masks become 0 and 1."""
    given = cohort(masks=True)
    rows = np.array([4, 1])
    assert load_images(given, rows)[:, 0, 0, 0].tolist() == [16.0, 4.0]
    assert load_images(given, rows).dtype == np.float32
    assert load_masks(given, np.array([0, 1])).tolist() == [[[0, 0], [0, 0]], [[1, 1], [1, 1]]]


def test_what_is_absent_is_not_applicable() -> None:
    """No images and no masks each say so."""
    with pytest.raises(NotApplicable, match="no images"):
        load_images(cohort(images=False), np.array([0]))
    with pytest.raises(NotApplicable, match="no reference segmentations"):
        load_masks(cohort(), np.array([0]))


def test_volumes_go_in_smaller_batches() -> None:
    """A batch holds at most eight million values, and always one image."""
    assert batch_size(np.zeros((1, 64, 64)), 32) == 32
    assert batch_size(np.zeros((1, 128, 128, 128), dtype=np.int8), 32) == 4
    assert batch_size(np.zeros((1, 256, 256, 256), dtype=np.int8), 32) == 1
