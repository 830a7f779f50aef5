"""Where a run may be written."""

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from audit.errors import InputError
from audit.evidence import FILES, SUMS
from audit.session import check_folder, default_folder
from audit.session._folder import _OURS, as_before, made_new
from audit.session._folder_lock import locked


def test_our_files_are_those_of_the_evidence() -> None:
    """The names that may be overwritten are those that a run writes."""
    assert {*FILES, SUMS, "artifacts"} == _OURS


def test_new_and_empty_folders_are_free(tmp_path: Path) -> None:
    """A folder that is not there or holds nothing is free."""
    check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path / "new", overwrite=False)


def test_a_run_is_replaced_only_when_asked(tmp_path: Path) -> None:
    """A run's folder needs --overwrite."""
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(InputError, match="--overwrite"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)


@pytest.mark.parametrize("names", [["thesis.docx"], ["evidence.json", "thesis.docx"], ["report.html"]])
def test_anything_else_is_never_replaced(tmp_path: Path, names: list[str]) -> None:
    """A folder that holds something foreign, or nothing that only a run has, is refused even with --overwrite."""
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match="not the folder of a run"):
        check_folder(tmp_path, overwrite=True)


def test_a_file_or_a_link_is_no_folder(tmp_path: Path) -> None:
    """A file, and a link to a folder, are refused."""
    (tmp_path / "f").write_text("")
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to(tmp_path / "d")
    for name in ("f", "l"):
        with pytest.raises(InputError, match="not a folder"):
            check_folder(tmp_path / name, overwrite=True)


def test_default_folder_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs within one second get two folders."""
    monkeypatch.chdir(tmp_path)
    first = default_folder()
    assert first.parent == Path("audit-runs")
    first.mkdir(parents=True)
    assert not default_folder().exists()


def test_only_who_made_a_folder_takes_it_away(tmp_path: Path) -> None:
    """Of two that start at once one makes it; the other is refused and leaves it alone."""
    folder = tmp_path / "deep" / "run"
    assert made_new(folder)
    assert not made_new(folder)
    (folder / "log.jsonl").write_text("")
    with pytest.raises(InputError, match="at work"), locked(folder), locked(folder), as_before(folder, created=True):
        pytest.fail("two runs hold one folder")
    assert (folder / "log.jsonl").exists()
    with pytest.raises(InputError, match="nothing"), locked(folder), as_before(folder, created=True):
        raise InputError("nothing to do")
    assert not folder.exists()


def test_a_folder_that_was_replaced_meanwhile_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a folder that is gone would keep nobody out of the new one."""
    folder = tmp_path / "run"
    folder.mkdir()
    lock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        folder.rename(tmp_path / "gone")
        folder.mkdir()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(InputError, match="another run"), locked(folder):
        pytest.fail("a folder that is gone was held")


def test_where_only_files_can_be_locked_a_run_holds_one_beside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS wants a lock on something that can be written to; the file goes with the run."""
    folder = tmp_path / "run"
    folder.mkdir()
    lock = fcntl.flock

    def files_alone(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", files_alone)
    with locked(folder) as held:
        assert len(held) == 1
        assert list(folder.iterdir()) == []
        with pytest.raises(InputError, match="another run"), locked(folder):
            pytest.fail("two runs hold one folder")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    with locked(folder) as held:
        assert len(held) == 1
