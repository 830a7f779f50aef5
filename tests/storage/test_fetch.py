"""Files of shared storage become files of this machine, within limits, and go again."""

from pathlib import Path
from typing import Any

import pytest

from audit.errors import StorageError
from audit.storage import Remote, fetched, fetched_files, file_size, is_file, join, marks, sizes, there
from tests.storage.conftest import put


def test_a_fetched_file_has_the_bytes_and_the_name_and_goes_afterwards(memory: Remote) -> None:
    """A fetched file has the bytes and the name and goes afterwards."""
    put(join(memory, "cases.csv"), b"a,b\n1,2\n")
    with fetched(join(memory, "cases.csv")) as file:
        assert (file.name, file.read_bytes()) == ("cases.csv", b"a,b\n1,2\n")
    assert not file.exists()


def test_a_path_of_this_machine_is_given_as_it_is(tmp_path: Path) -> None:
    """A path of this machine is given as it is."""
    (tmp_path / "x").write_bytes(b"1")
    with fetched(tmp_path / "x", most=0) as file:
        assert file == tmp_path / "x"
    assert file.exists()


def test_an_empty_file_is_fetched_empty(memory: Remote) -> None:
    """An empty file is fetched empty."""
    put(join(memory, "x"), b"")
    with fetched(join(memory, "x")) as file:
        assert file.read_bytes() == b""


def test_a_file_above_the_limit_is_not_fetched(memory: Remote) -> None:
    """A file above the limit is not fetched."""
    put(join(memory, "x"), bytes(11))
    with fetched(join(memory, "x"), most=11) as file:
        assert file.stat().st_size == 11
    with pytest.raises(StorageError, match="too large"), fetched(join(memory, "x"), most=10):
        pass


@pytest.mark.parametrize("at_once", [0, 2**20])
def test_a_file_that_grows_while_it_is_read_is_refused(
    memory: Remote, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A file that grows while it is read is refused."""
    from audit.storage import _fetch

    put(join(memory, "x"), bytes(100))
    monkeypatch.setattr(_fetch, "_AT_ONCE", at_once)
    monkeypatch.setattr(_fetch, "file_size", lambda place: 90)
    with pytest.raises(StorageError, match="changed while it was read"), fetched(join(memory, "x")):
        pass


def test_a_large_file_is_read_in_pieces(memory: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is read in pieces."""
    from audit.storage import _fetch

    data = bytes(range(256)) * 20
    put(join(memory, "x"), data)
    monkeypatch.setattr(_fetch, "_AT_ONCE", 100)
    monkeypatch.setattr(_fetch, "_CHUNK", 1000)
    with fetched(join(memory, "x")) as file:
        assert file.read_bytes() == data


def test_what_is_absent_is_not_found_and_a_store_that_fails_is_no_absence(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is absent is not found and a store that fails is no absence."""
    with pytest.raises(FileNotFoundError), fetched(join(memory, "x")):
        pass
    assert not is_file(join(memory, "x"))
    assert there([join(memory, "x")]) == set()

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("https://key:secret@storage.example/bucket timed out")

    import fsspec

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", fail)
    with pytest.raises(StorageError) as caught:
        is_file(join(memory, "x"))
    assert "secret" not in str(caught.value)
    assert "RuntimeError" in str(caught.value)


@pytest.mark.parametrize("one_by_one", [0, 100])
def test_files_and_folders_are_found_by_asking_and_by_listing_alike(
    memory: Remote, monkeypatch: pytest.MonkeyPatch, one_by_one: int
) -> None:
    """Files and folders are found by asking and by listing alike."""
    from audit.storage import _fetch

    monkeypatch.setattr(_fetch, "_ONE_BY_ONE", one_by_one)
    for name in ("a/1.png", "a/2.png", "series/1.dcm", "series/2.dcm"):
        put(join(memory, name), name.encode())
    asked = [join(memory, n) for n in ("a/1.png", "a/2.png", "series", "a/3.png", "serie")]
    found = marks(asked)
    assert set(found) == set(asked[:3]) == there(asked)
    put(join(memory, "series/2.dcm"), b"another")
    assert {p for p in found if marks(asked)[p] != found[p]} == {asked[2]}


def test_a_folder_is_fetched_with_its_own_files_only(memory: Remote) -> None:
    """A folder is fetched with its own files only."""
    for name in ("s/2.dcm", "s/1.dcm", "s/deeper/3.dcm", "t/4.dcm"):
        put(join(memory, name), name.encode())
    with fetched_files(join(memory, "s")) as folder:
        assert sorted(p.name for p in folder.iterdir()) == ["1.dcm", "2.dcm"]
    with fetched_files(join(memory, "s/1.dcm")) as file:
        assert file.read_bytes() == b"s/1.dcm"
    with pytest.raises(FileNotFoundError), fetched_files(join(memory, "u")):
        pass
    with pytest.raises(StorageError, match="too large"), fetched_files(join(memory, "s"), most=13):
        pass


def test_a_listing_gives_every_file_with_its_size_and_no_more_than_asked(memory: Remote) -> None:
    """A listing gives every file with its size and no more than asked."""
    put(join(memory, "a/x"), bytes(3))
    put(join(memory, "y"), bytes(4))
    assert sizes(memory) == {join(memory, "a/x"): 3, join(memory, "y"): 4}
    assert file_size(join(memory, "y")) == 4
    with pytest.raises(StorageError, match="too many files"):
        sizes(memory, most=1)


def test_a_store_that_says_nothing_of_a_content_has_no_mark_that_holds(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another content of the same size would otherwise pass for what was there before."""
    import fsspec

    place = put(join(memory, "a.png"), b"one")
    assert marks([place]) == marks([place])
    bare = {"name": "x", "size": 3, "type": "file"}
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", lambda self, path, **more: bare)
    assert marks([place]) != marks([place])
