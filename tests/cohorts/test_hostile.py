"""Files that were altered at random: a reason or an image, never another exception, and never a word of the path."""

import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from audit.cohorts import FileSource
from audit.core import InputSpec
from audit.errors import ReadError
from tests.cohorts.conftest import save_png
from tests.cohorts.test_dicom import dicom

VALUES = np.random.default_rng(5).integers(0, 200, (12, 12)).astype(np.uint16)


def png(path: Path) -> Path:
    """An 8-bit PNG."""
    return save_png(path / "a.png", VALUES.astype(np.uint8))


def jpeg(path: Path) -> Path:
    """A JPEG."""
    return save_png(path / "a.jpg", VALUES.astype(np.uint8))


def tiff(path: Path) -> Path:
    """A 16-bit TIFF."""
    return save_png(path / "a.tif", VALUES)


def npz(path: Path) -> Path:
    """A compressed .npz."""
    np.savez_compressed(path / "a.npz", x=VALUES)
    return path / "a.npz"


def npy(path: Path) -> Path:
    """An .npy."""
    np.save(path / "a.npy", VALUES)
    return path / "a.npy"


def slice_(path: Path) -> Path:
    """A DICOM file."""
    return dicom(path / "a.dcm", VALUES, RescaleSlope="2", RescaleIntercept="-10", PixelSpacing=[1, 1])


def nifti(path: Path) -> Path:
    """A NIfTI file."""
    nib.save(nib.Nifti1Image(VALUES.astype(np.int16)[None], np.eye(4)), path / "a.nii")
    return path / "a.nii"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("write", [png, jpeg, tiff, npz, npy, slice_, nifti])
def test_altered_files(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    """Bytes overwritten, cut out or doubled, 150 times a format, most of them in the header."""
    path = write(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(11)
    source = FileSource(references=np.array([path.name]), folder=tmp_path, root=tmp_path, input=InputSpec(channels=1))
    reasons = set()
    for _ in range(150):
        altered = bytearray(whole)
        for _ in range(int(rng.integers(1, 5))):
            place = int(rng.integers(0, len(altered) if rng.random() < 0.3 else min(len(altered), 700)))
            kind = rng.random()
            if kind < 0.6:
                altered[place] = int(rng.integers(0, 256))
            elif kind < 0.8:
                del altered[place : place + int(rng.integers(1, 40))]
            else:
                altered[place:place] = altered[place : place + int(rng.integers(1, 40))]
        path.write_bytes(bytes(altered))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image = source.load(0)
        except ReadError as error:
            reasons.add(error.problem)
        else:
            assert image.dtype == np.float32
            assert np.isfinite(image).all()
    assert reasons
    assert not any(str(tmp_path) in reason for reason in reasons)


def test_a_dicom_header_that_ends_in_the_middle_of_a_number(tmp_path: Path) -> None:
    """A length that the file does not keep is damage, whatever the decoder raises."""
    (tmp_path / "t.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\x10")
    source = FileSource(references=np.array(["t.dcm"]), folder=tmp_path, root=tmp_path, input=InputSpec(size=(2, 2)))
    with pytest.raises(ReadError, match="damaged or cut short"):
        source.load(0)
