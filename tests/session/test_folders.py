"""Where a run may be written."""

from pathlib import Path

import pytest

from audit.errors import InputError
from audit.evidence import FILES, SUMS
from audit.session import check_folder, default_folder
from audit.session._folder import _OURS


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
