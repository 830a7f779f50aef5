"""Any change of any byte of any file of a run is found, and the file is named."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import EvidenceError
from audit.verification import folder_faults
from tests.verification._runs import copy


def files_of(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_run_that_nobody_touched_has_no_fault(run):
    """Silence on what is as it was."""
    assert folder_faults(run) == ()


def test_a_flipped_byte_in_each_file_is_found_and_named(run, tmp_path):
    """First, middle and last byte of every file; the fault names that file, or the list where that was changed."""
    folder = copy(run, tmp_path / "run")
    for name in files_of(folder):
        data = (folder / name).read_bytes()
        for place in {0, len(data) // 2, len(data) - 1}:
            changed = bytearray(data)
            changed[place] ^= 1
            (folder / name).write_bytes(changed)
            faults = folder_faults(folder)
            assert faults, (name, place)
            assert name == "SHA256SUMS" or name in {f.file for f in faults}, (name, place)
        (folder / name).write_bytes(data)
    assert folder_faults(folder) == ()


@pytest.fixture(scope="module")
def victim(run, tmp_path_factory):
    return copy(run, tmp_path_factory.mktemp("flips") / "run")


@settings(max_examples=120)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 255))
def test_no_flip_of_any_byte_goes_unseen(victim, which, where, mask):
    """Random files, places and masks: each is found, and a file other than the list is named."""
    names = files_of(victim)
    name = names[which % len(names)]
    path = victim / name
    data = path.read_bytes()
    changed = bytearray(data)
    changed[where % len(data)] ^= mask
    path.write_bytes(changed)
    try:
        faults = folder_faults(victim)
        assert faults
        assert name == "SHA256SUMS" or name in {f.file for f in faults}
    finally:
        path.write_bytes(data)


def test_every_flip_of_the_list_itself_is_found(victim):
    """No byte of SHA256SUMS is free: digests, spaces, names, line breaks."""
    path = victim / "SHA256SUMS"
    data = path.read_bytes()
    try:
        for place in range(0, len(data), 17):
            changed = bytearray(data)
            changed[place] ^= 0x20 if place % 2 else 1
            path.write_bytes(changed)
            assert folder_faults(victim), place
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["evidence.json", "predictions.parquet", "report.html", "log.jsonl"])
def test_an_absent_file_is_named(run, tmp_path, name):
    """A file that was taken away is a fault of its own name."""
    folder = copy(run, tmp_path / "run")
    (folder / name).unlink()
    assert [(f.file, f.what) for f in folder_faults(folder)] == [(name, "absent")]


@pytest.mark.parametrize("name", ["extra.txt", "artifacts/more.npz", ".hidden", "artifacts/deep/er.txt"])
def test_an_added_file_is_named(run, tmp_path, name):
    """A file that was added is a fault, wherever it lies; so is an empty folder."""
    folder = copy(run, tmp_path / "run")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    assert name in {f.file for f in folder_faults(folder)}
    shutil.rmtree(folder / "artifacts")
    assert {f.what for f in folder_faults(folder)} >= {"absent"}


def test_an_added_folder_is_named(run, tmp_path):
    """Even an empty one."""
    folder = copy(run, tmp_path / "run")
    (folder / "empty").mkdir()
    assert [f.file for f in folder_faults(folder)] == ["empty"]


def test_a_link_is_no_file_of_a_run(run, tmp_path):
    """A link with the very same content is refused, a linked folder is not followed, a pipe does not hang."""
    folder = copy(run, tmp_path / "run")
    shutil.move(folder / "report.html", tmp_path / "report.html")
    (folder / "report.html").symlink_to(tmp_path / "report.html")
    assert [(f.file, "link" in f.what) for f in folder_faults(folder)] == [("report.html", True)]
    (folder / "outside").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(folder / "pipe")
    named = {f.file: f.what for f in folder_faults(folder)}
    assert set(named) == {"report.html", "outside", "pipe"}
    assert "neither a file nor a folder" in named["pipe"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "artifacts/../../secret", "a\\b"])
def test_a_list_that_leaves_the_folder_is_refused(run, tmp_path, name):
    """A line for a file elsewhere is a fault of the list, and that file is never opened."""
    folder = copy(run, tmp_path / "run")
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  {name}\n")
    faults = folder_faults(folder)
    assert [f.file for f in faults] == ["SHA256SUMS"]
    assert "1 of its lines" in faults[0].what


def test_what_is_no_run_cannot_be_checked(run, tmp_path):
    """No folder, an empty one, and one without its list are unreadable, not changed."""
    with pytest.raises(EvidenceError, match="no such run"):
        folder_faults(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvidenceError, match="not the folder of a run"):
        folder_faults(tmp_path / "empty")
    folder = copy(run, tmp_path / "run")
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(EvidenceError, match="unfinished"):
        folder_faults(folder)
