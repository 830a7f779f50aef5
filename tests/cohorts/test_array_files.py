"""Rows of .npy and .npz files."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audit.cohorts._array_files import ArrayFiles
from audit.cohorts._references import resolve
from audit.errors import ReadError

IMAGES = np.random.default_rng(3).integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)


def read(folder: Path, cell: str, files: ArrayFiles | None = None) -> np.ndarray:
    """Read what a cell names."""
    return (files or ArrayFiles()).read(resolve(cell, folder=folder, root=folder))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_an_npz(tmp_path: Path, save: object) -> None:
    """Stored and compressed members give the same rows, of the array that the key names."""
    save(tmp_path / "a.npz", images=IMAGES, masks=IMAGES[..., 0] > 9, fortran=np.asfortranarray(IMAGES))  # type: ignore[operator]
    files = ArrayFiles()
    for row in range(6):
        np.testing.assert_array_equal(read(tmp_path, f"a.npz#images[{row}]", files), IMAGES[row])
        np.testing.assert_array_equal(read(tmp_path, f"a.npz#fortran[{row}]", files), IMAGES[row])
    np.testing.assert_array_equal(read(tmp_path, "a.npz#masks[2]", files), IMAGES[2, ..., 0] > 9)
    np.testing.assert_array_equal(read(tmp_path, "a.npz#masks", files), IMAGES[..., 0] > 9)


def test_a_stored_member_is_mapped_not_read(tmp_path: Path) -> None:
    """The array is a window on the file: nothing but the row asked for is read."""
    np.savez(tmp_path / "a.npz", images=IMAGES)
    files = ArrayFiles()
    assert isinstance(files._array(tmp_path / "a.npz", "images"), np.memmap)


def test_the_temporary_file_goes_with_the_object(tmp_path: Path) -> None:
    """What a compressed member was unpacked into is removed."""
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES)
    files = ArrayFiles()
    read(tmp_path, "a.npz#images[0]", files)
    folder = files._folder
    assert folder is not None
    assert folder.exists()
    del files
    assert not folder.exists()


def test_it_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    """A copy by pickle opens the files anew."""
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES)
    files = ArrayFiles()
    read(tmp_path, "a.npz#images[0]", files)
    copy = pickle.loads(pickle.dumps(files))
    np.testing.assert_array_equal(read(tmp_path, "a.npz#images[5]", copy), IMAGES[5])


def test_npy_as_one_image_or_as_rows(tmp_path: Path) -> None:
    """An .npy file is one image, or an array whose rows are images."""
    np.save(tmp_path / "a.npy", IMAGES)
    np.testing.assert_array_equal(read(tmp_path, "a.npy#[4]"), IMAGES[4])
    np.testing.assert_array_equal(read(tmp_path, "a.npy"), IMAGES)


class Harmful:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> object:
        return open, (self.path, "w")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_objects_are_never_unpickled(tmp_path: Path, suffix: str) -> None:
    """An array of objects is refused, and the code in it does not run."""
    sentinel = tmp_path / "ran"
    array = np.array([Harmful(sentinel), None], dtype=object)
    if suffix == "npy":
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        cell = "a.npy#[0]"
    else:
        np.savez(tmp_path / "a.npz", images=array)
        cell = "a.npz#images[0]"
    sentinel.unlink(missing_ok=True)
    with pytest.raises(ReadError, match="objects that are not numbers"):
        read(tmp_path, cell)
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "cell, words",
    [
        ("a.npz#images[6]", "row outside"),
        ("a.npz#other[0]", "no such array"),
        ("a.npz", "names no array"),
        ("b.npy#key[0]", "has only one"),
        ("a.npz#images[-1]", "cannot be understood"),
        ("a.npz#images[0]x", "cannot be understood"),
    ],
)
def test_what_is_not_there_is_a_reason(tmp_path: Path, cell: str, words: str) -> None:
    """A row, key or form that the file does not have gives its reason."""
    np.savez(tmp_path / "a.npz", images=IMAGES, masks=IMAGES)
    np.save(tmp_path / "b.npy", IMAGES)
    with pytest.raises(ReadError, match=words):
        read(tmp_path, cell)


def test_damaged_arrays_are_a_reason(tmp_path: Path) -> None:
    """Files cut short, of zeros, or of another format are refused."""
    np.savez(tmp_path / "a.npz", images=IMAGES)
    np.savez_compressed(tmp_path / "c.npz", images=IMAGES)
    np.save(tmp_path / "a.npy", IMAGES)
    for name, cell in [("a.npz", "cut-a.npz#images[0]"), ("c.npz", "cut-c.npz#images[0]"), ("a.npy", "cut-a.npy#[0]")]:
        content = (tmp_path / name).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(content[: len(content) // 2])
        with pytest.raises(ReadError, match="damaged"):
            read(tmp_path, cell)
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(ReadError, match="damaged"):
        read(tmp_path, "empty.npy")


def test_a_changed_byte_in_a_compressed_member_is_damage(tmp_path: Path) -> None:
    """The check sum of a compressed member is verified."""
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(bytes(content))
    with pytest.raises(ReadError, match="damaged"):
        read(tmp_path, "a.npz#images[0]")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A small archive whose member does not hold what its header says, or more than the disk takes, is refused."""
    header = (
        b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4), }".ljust(117) + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header + b"\x00" * 10_000_000)
    files = ArrayFiles()
    with pytest.raises(ReadError, match="damaged"):
        read(tmp_path, "a.npz#images[0]", files)
    assert files._folder is None


def test_no_more_disk_than_is_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that would fill the disk is refused before it is unpacked."""
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((100, 100)))
    monkeypatch.setattr("audit.cohorts._array_files._SPARE_DISK", 0)
    with pytest.raises(ReadError, match="space left"):
        read(tmp_path, "a.npz#images[0]")


def test_a_row_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file that claims a giant image is not read."""
    np.save(tmp_path / "a.npy", IMAGES)
    monkeypatch.setattr("audit.cohorts._array_files.MAX_VALUES", 10)
    with pytest.raises(ReadError, match="too large"):
        read(tmp_path, "a.npy#[0]")
