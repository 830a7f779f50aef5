"""Where a run may be written."""

import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest

from audit.errors import InputError
from audit.evidence import FILES, SUMS
from audit.session import check_folder, default_folder
from audit.session._folder import _OURS, LOG, as_before, clear_earlier, emptied, made_new, settle
from audit.session._folder_lock import locked


def test_our_files_are_those_of_the_evidence() -> None:
    """The names that may be overwritten are those that a run writes."""
    assert {*FILES, SUMS, "artifacts", ".earlier", ".moving"} == _OURS


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


def finished_run(folder: Path) -> dict[str, str]:
    """Write what has the shape of a finished run, and return it by name."""
    (folder / "artifacts").mkdir(parents=True)
    files = {"evidence.json": "{}", "report.html": "old", LOG: "old log", "artifacts/a.npz": "a", SUMS: "seal"}
    for name, text in files.items():
        (folder / name).write_text(text)
    return files


def content(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("killed", [False, True])
def test_an_error_of_the_input_before_the_first_probe_brings_the_earlier_run_back(tmp_path: Path, killed: bool) -> None:
    """Meanwhile it is out of sight; also where a run was killed in between, whose log goes."""
    folder = tmp_path / "run"
    before = finished_run(folder)
    if killed:
        aside = {f".earlier/{name}": text for name, text in before.items()}
        shutil.rmtree(folder)
        for name, text in {LOG: "log of the one that was killed", **aside}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    check_folder(folder, overwrite=True)
    with pytest.raises(InputError, match="does not fit"), emptied(folder):
        _break_off(folder, InputError("the answer does not fit"))
    assert content(folder) == before


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_an_earlier_run_is_gone_once_something_is_measured_or_the_run_breaks_off(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """No old report is left beside the log of a run that has not ended."""
    folder = tmp_path / "run"
    finished_run(folder)
    with pytest.raises(error), emptied(folder):
        _break_off(folder, error("here"), measured=error is InputError)
    assert content(folder) == {LOG: "new log"}


def _break_off(folder: Path, error: BaseException, *, measured: bool = False) -> None:
    assert all(name.startswith(".earlier/") for name in content(folder))
    (folder / LOG).write_text("new log")
    if measured:
        clear_earlier(folder)
    raise error


@pytest.mark.parametrize("moves", range(14))
def test_a_kill_while_an_earlier_run_is_moved_loses_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    """Wherever it comes, there or back, the next try finds the run whole, and no half of it has a seal that holds."""
    folder = tmp_path / "run"
    before = finished_run(folder)
    left, move = iter(range(moves)), Path.replace

    def killed(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise SystemExit
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises((InputError, SystemExit)), emptied(folder):
            _break_off(folder, InputError("here"))
    half = content(folder)
    assert half == before or SUMS not in half or not set(before) <= set(half)
    check_folder(folder, overwrite=True)
    settle(folder)
    with pytest.raises(InputError), emptied(folder):
        _break_off(folder, InputError("here"))
    assert content(folder) == before


def test_an_earlier_run_that_is_half_taken_away_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seal goes before anything else of it."""
    folder = tmp_path / "run"
    finished_run(folder)
    with monkeypatch.context() as patch, pytest.raises(SystemExit), emptied(folder):
        _killed_at_first(patch, folder)
    with pytest.raises(InputError), emptied(folder):
        _break_off(folder, InputError("here"))
    assert content(folder) == {LOG: "new log"}


def _killed_at_first(patch: pytest.MonkeyPatch, folder: Path) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    patch.setattr(shutil, "rmtree", killed)
    clear_earlier(folder)


@pytest.mark.parametrize("name", [".earlier", ".moving"])
def test_a_folder_of_that_name_alone_is_nobodys_run(tmp_path: Path, name: str) -> None:
    """What somebody else keeps in it is not deleted."""
    (tmp_path / "run" / name).mkdir(parents=True)
    (tmp_path / "run" / name / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not the folder of a run"):
        check_folder(tmp_path / "run", overwrite=True)


def test_a_link_in_place_of_the_folder_for_an_earlier_run_leads_nowhere(tmp_path: Path) -> None:
    """Nothing is written or taken away where it leads."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run"
    before = finished_run(elsewhere)
    finished_run(folder)
    (folder / ".earlier").symlink_to(elsewhere)
    with pytest.raises(InputError), emptied(folder):
        raise InputError("here")
    assert content(elsewhere) == content(folder) == before


def test_an_unfinished_run_makes_way_at_once(tmp_path: Path) -> None:
    """There is nothing that could come back; a run that is taken up again keeps its log."""
    for keep, left in ((False, {}), (True, {LOG: "old log"})):
        folder = tmp_path / str(keep)
        finished_run(folder)
        (folder / SUMS).unlink()
        with pytest.raises(InputError), emptied(folder, keep_log=keep):
            raise InputError("here")
        assert content(folder) == left


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
