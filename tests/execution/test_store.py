"""What is kept, and what of it is believed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from audit.execution import FolderFiles, Kept, Store
from audit.execution._store import decode, encode

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(files=FolderFiles(folder=tmp_path / "cache"), run="one", earlier=True)


def only_file(store: Store) -> Path:
    """Return the file of the one entry."""
    return next(p for p in store.files.folder.rglob("*") if p.is_file())


def test_an_entry_comes_back_as_it_was(store: Store) -> None:
    """Numbers to the bit, NaN, infinity, truth values, texts of any alphabet and empty arrays survive."""
    arrays = {
        "numbers": np.array([0.1, np.nan, np.inf, -0.0]), "flags": np.array([True, False]),
        "texts": np.array(["", "µ-Läsion", "x" * 40]), "none": np.zeros((0, 3), dtype=np.float32),
    }  # fmt: skip
    store.put(KEY, Kept(plain={"a": [1, 0.1, None, "ü"]}, arrays=arrays))
    found = store.get(KEY)
    assert found.plain == {"a": [1, 0.1, None, "ü"], "run": "one"}
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in found.arrays.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in arrays.items()
    }


@pytest.mark.parametrize("at", [0, 25, 60, -1])
def test_one_changed_byte_makes_an_entry_as_good_as_none(store: Store, at: int) -> None:
    """Mark, sum and content are all covered."""
    store.put(KEY, Kept(plain={"a": 1}, arrays={"x": np.arange(9)}))
    path = only_file(store)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    assert store.get(KEY) is None


def test_a_shortened_entry_is_as_good_as_none(store: Store) -> None:
    """What a power cut leaves is not believed."""
    store.put(KEY, Kept(arrays={"x": np.arange(99)}))
    path = only_file(store)
    path.write_bytes(path.read_bytes()[:-20])
    assert store.get(KEY) is None


def test_an_entry_moved_to_another_key_is_not_believed(store: Store) -> None:
    """The key is part of the sum: the answer to one question is no answer to another."""
    data = encode(Kept(plain={"a": 1}), KEY)
    assert decode(data, KEY) is not None
    assert decode(data, "cd" * 32) is None


def test_without_resume_only_the_own_run_is_read(tmp_path: Path) -> None:
    """An entry of an earlier run counts where the run is resumed, and only there."""
    files = FolderFiles(folder=tmp_path)
    Store(files=files, run="one").put(KEY, Kept(plain={"a": 1}))
    assert Store(files=files, run="two").get(KEY) is None
    assert Store(files=files, run="one").get(KEY) is not None
    assert Store(files=files, run="two", earlier=True).get(KEY) is not None


def test_objects_are_never_unpickled(store: Store, tmp_path: Path) -> None:
    """An entry with a pickled array is refused when it is written, and not read when somebody else wrote it."""
    with pytest.raises(ValueError, match="Object arrays"):
        store.put(KEY, Kept(arrays={"x": np.array([{}], dtype=object)}))


def test_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    """An entry is a file of the cache, not one that a link points at."""
    store.put(KEY, Kept(plain={"a": 1}))
    path = only_file(store)
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    assert store.get(KEY) is None


def test_no_store_keeps_nothing() -> None:
    """Without files an entry is dropped, and nothing is found."""
    store = Store(files=None, run="one", earlier=True)
    store.put(KEY, Kept(plain={"a": 1}))
    assert store.get(KEY) is None


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no half of an entry behind."""

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        FolderFiles(folder=tmp_path).write(KEY, b"x")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_what_was_of_use_the_longest_ago_goes_first(tmp_path: Path) -> None:
    """Reading counts as use; what is left fits into the bytes that may stay."""
    files = FolderFiles(folder=tmp_path)
    for i in range(4):
        name = f"{i}{i}" + "0" * 62
        files.write(name, b"x" * 100)
        os.utime(tmp_path / name[:2] / name, (i + 1, i + 1))
    assert files.read("00" + "0" * 62) == b"x" * 100
    files.prune(250)
    assert sorted(p.name[:2] for p in tmp_path.glob("*/*")) == ["00", "33"]
    files.prune(0)
    assert list(tmp_path.glob("*/*")) == []
