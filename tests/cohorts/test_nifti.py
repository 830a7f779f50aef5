"""NIfTI volumes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.cohorts._nifti import read_nifti
from audit.core import InputSpec
from audit.errors import ReadError
from tests.cohorts.conftest import Write, spec

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
RAS = np.diag([1.0, 2.0, 3.0, 1.0])


def nifti(path: Path, values: np.ndarray = VALUES, affine: np.ndarray = RAS, codes: tuple[int, int] = (1, 1)) -> Path:
    """Write a volume whose sform and qform are set to the same affine."""
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    nib.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_values_and_spacing(tmp_path: Path, suffix: str) -> None:
    """Values come exactly, the spacing in the order of the axes."""
    read = read_nifti(nifti(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(read.values[0], VALUES)
    assert read.spacing == pytest.approx((1, 2, 3))


def test_every_orientation_gives_the_same_volume(tmp_path: Path) -> None:
    """However a file was saved, flipped or with its axes exchanged, the patient's right stays on one side."""
    from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

    for codes in ("RAS", "LPS", "LAS", "PIR", "SAL", "ASR"):
        transform = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
        values = nib.orientations.apply_orientation(VALUES, transform)
        affine = RAS @ inv_ornt_aff(transform, VALUES.shape)
        read = read_nifti(nifti(tmp_path / f"{codes}.nii", values, affine))
        np.testing.assert_array_equal(read.values[0], VALUES)
        assert read.spacing == pytest.approx((1, 2, 3))


def test_the_model_declares_its_own_axes(tmp_path: Path) -> None:
    """SPL: slices from below, rows from front to back, columns from right to left."""
    read = read_nifti(nifti(tmp_path / "a.nii"), "SPL")
    np.testing.assert_array_equal(read.values[0], VALUES.transpose(2, 1, 0)[:, ::-1, ::-1])
    assert read.spacing == pytest.approx((3, 2, 1))


def test_the_files_scaling_is_applied(tmp_path: Path) -> None:
    """Stored integers with slope and intercept come in their unit."""
    image = nib.Nifti1Image(VALUES, RAS)
    image.header.set_slope_inter(0.5, -10)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii").values[0], VALUES * 0.5 - 10, atol=1e-6)


def test_orientation_must_be_known_and_clear(tmp_path: Path) -> None:
    """A file that says nothing of its orientation, or two things, is refused."""
    with pytest.raises(ReadError, match="without an orientation"):
        read_nifti(nifti(tmp_path / "a.nii", codes=(0, 0)))
    image = nib.Nifti1Image(VALUES, RAS)
    image.set_sform(np.diag([-1.0, 2, 3, 1]), 1)
    image.set_qform(RAS, 1)
    nib.save(image, tmp_path / "b.nii")
    with pytest.raises(ReadError, match="disagree"):
        read_nifti(tmp_path / "b.nii")
    with pytest.raises(ReadError, match="no three anatomical directions"):
        read_nifti(nifti(tmp_path / "c.nii"), "RAL"[:2] + "R")


def test_only_one_volume(tmp_path: Path) -> None:
    """A series in time is refused; a fourth axis of length one is none."""
    with pytest.raises(ReadError, match="4 dimensions"):
        read_nifti(nifti(tmp_path / "a.nii", np.zeros((2, 3, 4, 5), np.int16)))
    assert read_nifti(nifti(tmp_path / "b.nii", VALUES[..., None])).values.shape == (1, 2, 3, 4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_damage_is_a_reason(tmp_path: Path, suffix: str) -> None:
    """Files cut short or of another format are refused without their path."""
    whole = nifti(tmp_path / f"a{suffix}", np.random.default_rng(0).integers(0, 999, (9, 9, 9)).astype(np.int16))
    content = whole.read_bytes()
    for bad in (content[:100], content[: len(content) // 2], b"", b"nothing of the kind" * 30):
        (tmp_path / f"b{suffix}").write_bytes(bad)
        with pytest.raises(ReadError, match="damaged") as caught:
            read_nifti(tmp_path / f"b{suffix}")
        assert str(tmp_path) not in str(caught.value)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    """A small file that says it is 2000 x 2000 x 2000 is refused before anything is allocated."""
    nifti(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[40:48] = np.array([3, 2000, 2000, 2000], "<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(bytes(content))
    with pytest.raises(ReadError, match="too large"):
        read_nifti(tmp_path / "a.nii")


def test_in_a_cohort(tmp_path: Path, write_csv: Write) -> None:
    """A NIfTI image and its mask come on one grid, whichever way each was saved."""
    nifti(tmp_path / "a.nii.gz", VALUES)
    flipped = np.diag([-1.0, 2, 3, 1])
    flipped[0, 3] = 1
    nifti(tmp_path / "m.nii.gz", (VALUES[::-1] > 20).astype(np.int16), flipped)
    write_csv([["file", "label", "mask"], ["a.nii.gz", "1", "m.nii.gz"]])
    wanted = InputSpec(size=(2, 3, 4), spacing_mm=(1.0, 2.0, 3.0), orientation="RAS")
    cohort = load_cohort(spec(mask="mask"), tmp_path, task="binary", input=wanted)
    assert cohort.images is not None
    assert cohort.masks is not None
    np.testing.assert_array_equal(cohort.masks.load(0) > 0, cohort.images.load(0) > 20)


def test_colours_and_broken_affines_are_refused(tmp_path: Path) -> None:
    """Voxels that are colours hold no intensities; an affine that flattens the volume tells no orientation."""
    colours = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(ReadError, match="colours"):
        read_nifti(nifti(tmp_path / "a.nii", colours))
    image = nib.Nifti1Image(VALUES, RAS)
    image.header.set_sform(np.diag([1.0, 2, 0, 1]), 1)
    image.header["qform_code"] = 0
    with (tmp_path / "b.nii").open("wb") as stream:
        header = image.header.copy()
        header.set_data_offset(352)
        header.set_slope_inter(1, 0)
        stream.write(header.binaryblock + b"\0" * 4 + VALUES.tobytes(order="F"))
    with pytest.raises(ReadError, match="cannot be told"):
        read_nifti(tmp_path / "b.nii")
