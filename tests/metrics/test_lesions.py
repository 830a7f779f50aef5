"""Lesions of two masks."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from audit.metrics import LesionCounts, lesion_counts


def drawn(*rows: str) -> np.ndarray:
    """Return a mask drawn with # signs."""
    return np.array([[c == "#" for c in row] for row in rows])


REFERENCE = drawn("##....#", "##....#", ".......", "...#...")


def test_found_and_false_by_hand():
    """Three lesions; one is touched in one voxel, one is covered, one missed; one predicted part touches none."""
    predicted = drawn("#......", "......#", "......#", "#......")
    assert lesion_counts(predicted, REFERENCE) == LesionCounts(reference=3, found=2, predicted=3, false=1)


def test_one_blob_over_two_lesions_finds_both():
    """Where the model joins two lesions both are found, and its one part is not false."""
    assert lesion_counts(drawn("#######", *["......."] * 3), REFERENCE) == LesionCounts(
        reference=3, found=2, predicted=1, false=0
    )


def test_a_corner_joins():
    """Voxels that meet at a corner are one lesion, in the plane and in space."""
    assert lesion_counts(np.eye(3), np.eye(3)).reference == 1
    cube = np.zeros((2, 2, 2), bool)
    cube[0, 0, 0] = cube[1, 1, 1] = True
    assert lesion_counts(cube, cube).reference == 1


def test_empty_masks_hold_no_lesion():
    """Nothing to find and nothing found are counts of 0."""
    nothing = np.zeros_like(REFERENCE)
    assert lesion_counts(nothing, nothing) == LesionCounts(reference=0, found=0, predicted=0, false=0)
    assert lesion_counts(nothing, REFERENCE) == LesionCounts(reference=3, found=0, predicted=0, false=0)
    assert lesion_counts(REFERENCE, nothing) == LesionCounts(reference=0, found=0, predicted=3, false=3)


def test_agrees_with_scikit_image():
    """On random volumes the counts are those of a plain loop over scikit-image's components."""
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 9, 9, 9)) < 0.06
    parts_a, parts_b = label(a, connectivity=3), label(b, connectivity=3)
    false = sum(not b[parts_a == i].any() for i in range(1, parts_a.max() + 1))
    found = sum(bool(a[parts_b == i].any()) for i in range(1, parts_b.max() + 1))
    assert lesion_counts(a, b) == LesionCounts(
        reference=parts_b.max(), found=found, predicted=parts_a.max(), false=false
    )


def test_masks_of_two_sizes_are_refused():
    """The message names both shapes."""
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 3\)"):
        lesion_counts(np.zeros((2, 2)), np.zeros((3, 3)))
