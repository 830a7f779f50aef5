"""Masks of regions and distractors, and the plane that was read, come with their cases."""

from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import from_arrays, load_cohort
from audit.config import load_audit
from audit.errors import FaultsError, ReadError
from tests.cohorts.conftest import Write, gray, save_png, spec


def mask(folder: Path, name: str, row: int) -> str:
    """Write a mask with one bright row; return its name."""
    values = np.zeros((4, 5), np.uint8)
    values[row] = 200
    return save_png(folder / name, values).name


def test_region_and_distractors_are_read_like_masks(tmp_path: Path, write_csv: Write) -> None:
    """Each has a source of its own in the order of the cases used; an empty cell is no mask, never an empty one."""
    image = save_png(tmp_path / "a.png", np.full((4, 5), 9, np.uint8)).name
    brain, lacune = mask(tmp_path, "brain.png", 1), mask(tmp_path, "lacune.png", 3)
    write_csv([["file", "label", "brain", "lacune", "plane"], [image, "", brain, lacune, "1"],
               [image, "1", brain, lacune, "2"], [image, "0", brain, "", ""]])  # fmt: skip
    declared = spec(region_mask="brain", distractors=(("lacune", "lacune"),), annotated_plane="plane")
    cohort = load_cohort(declared, tmp_path, task="binary", input=gray())
    assert cohort.regions is not None
    assert np.flatnonzero(cohort.regions.load(0)[0].any(axis=1)).tolist() == [1]
    assert np.flatnonzero(cohort.distractors["lacune"].load(0)[0].any(axis=1)).tolist() == [3]
    with pytest.raises(ReadError, match="no mask"):
        cohort.distractors["lacune"].load(1)
    assert cohort.annotated_planes is not None
    assert cohort.annotated_planes.tolist() == [2, -1]
    view = cohort.subset(np.array([1]))
    assert view.annotated_planes is not None
    assert view.annotated_planes.tolist() == [-1]
    assert len(view.distractors["lacune"]) == 1


@pytest.mark.parametrize("cell", ["-1", "1.5", "top"])
def test_a_plane_is_a_whole_number(cell: str, tmp_path: Path, write_csv: Write) -> None:
    """What is no index is a fault, and is not taken for an unknown plane."""
    image = save_png(tmp_path / "a.png", np.full((4, 5), 9, np.uint8)).name
    write_csv([["file", "label", "plane"], [image, "1", cell]])
    with pytest.raises(FaultsError, match="no index of a plane"):
        load_cohort(spec(annotated_plane="plane"), tmp_path, task="binary", input=gray())


def test_a_missing_column_is_named(tmp_path: Path, write_csv: Write) -> None:
    """A type whose column is not in the manifest is a fault."""
    image = save_png(tmp_path / "a.png", np.full((4, 5), 9, np.uint8)).name
    write_csv([["file", "label", "lacune"], [image, "1", image]])
    with pytest.raises(FaultsError, match="lacunes"):
        load_cohort(spec(distractors=(("lacune", "lacunes"),)), tmp_path, task="binary", input=gray())


def test_the_file_says_the_same(tmp_path: Path, write_csv: Write) -> None:
    """The three keys of audit.toml reach the cohort's declaration."""
    write_csv([["file", "label", "brain", "lacune", "plane"], ["a.png", "1", "", "", ""]])
    (tmp_path / "model.onnx").touch()
    (tmp_path / "audit.toml").write_text(
        '[model]\nkind = "onnx"\npath = "model.onnx"\ntask = "binary"\noutput = "logits"\n[cohort]\n'
        'manifest = "cases.csv"\nimage = "file"\ntarget = "label"\nregion_mask = "brain"\nannotated_plane = "plane"\n'
        '[cohort.distractors]\nlacune = "lacune"\n'
    )
    cohort = load_audit(tmp_path / "audit.toml").cohort
    assert (cohort.region_mask, cohort.annotated_plane) == ("brain", "plane")
    assert cohort.distractors == (("lacune", "lacune"),)


def test_arrays_take_them_too() -> None:
    """A cohort in memory has the same masks, and they are part of its digest."""
    images, targets = np.zeros((4, 1, 6, 6)), np.array([0, 1, 0, 1])
    inside = np.ones((4, 6, 6))
    given = {"regions": inside, "distractors": {"lacune": inside}, "annotated_planes": np.array([0, 1, -1, 2])}
    cohort, plain = (from_arrays(images, targets, task="binary", **more) for more in (given, {}))
    assert cohort.regions is not None
    assert cohort.regions.load(0).shape == (1, 6, 6)
    assert cohort.distractors["lacune"].load(3).sum() == 36
    assert len({cohort.digest, plain.digest}) == 2
