"""A run's folder that somebody made to mislead or to exhaust whoever reads it."""

from __future__ import annotations

import hashlib
import os
import zipfile

import numpy as np
import pytest

from audit.core import StoredArtifact
from audit.errors import EvidenceError
from audit.evidence import _folder, loader, read_run, seal, to_plain, write_evidence
from tests.evidence._make import evidence


@pytest.fixture
def folder(tmp_path):
    """A small sealed run."""
    path = tmp_path / "run"
    path.mkdir()
    made = evidence(path)
    write_evidence(path, made)
    (path / "log.jsonl").write_text("")
    seal(path)
    assert to_plain(read_run(path))["findings"]
    return path


def test_a_link_a_pipe_or_a_linked_folder_is_refused(folder, tmp_path):
    """None of them is a file of a run, and none is followed or waited for."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, make in (
        ("pipe", os.mkfifo), ("link", lambda p: p.symlink_to("/etc/passwd")),
        ("inner", lambda p: p.symlink_to(outside)),
    ):  # fmt: skip
        make(folder / name)
        with pytest.raises(EvidenceError, match="differ"):
            read_run(folder)
        (folder / name).unlink()
    assert read_run(folder).findings


def test_a_listed_link_is_refused(folder, tmp_path):
    """Even with the digest of what it points to."""
    (tmp_path / "log").write_text("")
    (folder / "log.jsonl").unlink()
    (folder / "log.jsonl").symlink_to(tmp_path / "log")
    with pytest.raises(EvidenceError, match="link"):
        read_run(folder)


def test_json_that_is_nested_without_end_is_refused(folder):
    """A parser that runs out of stack is an input error, not a crash."""
    (folder / "evidence.json").write_text("[" * 200_000)
    (folder / "SHA256SUMS").unlink()
    seal(folder)
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_run(folder)


def test_evidence_of_absurd_size_is_not_read(folder, monkeypatch):
    """The limit is far above what any run writes."""
    monkeypatch.setattr(_folder, "_MOST_EVIDENCE", 100)
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_run(folder)


def stored(folder, name="x"):
    (path,) = (folder / "artifacts").iterdir()
    return path, StoredArtifact(name=name, title="", file=f"artifacts/{path.name}", sha256="", columns=())


def test_arrays_that_unpack_to_too_much_are_refused(folder, monkeypatch):
    """A bomb is seen from the archive's own list, before anything is unpacked."""
    path, artifact = stored(folder)
    monkeypatch.setattr(_folder, "_MOST_ARRAYS", 1000)
    np.savez_compressed(path, a=np.zeros(100_000))
    assert path.stat().st_size < 2000
    with pytest.raises(EvidenceError, match="too large"):
        loader(folder)(artifact)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_arrays_that_are_none_are_an_input_error(folder, content):
    """Bytes that are no archive."""
    path, artifact = stored(folder)
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match="cannot be read"):
        loader(folder)(artifact)


def test_an_array_with_a_pickle_in_it_is_never_loaded(folder):
    """Objects run code when they are read."""
    path, artifact = stored(folder)
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as f:
        np.lib.format.write_array(f, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(EvidenceError, match="cannot be read"):
        loader(folder)(artifact)


def test_a_list_with_a_path_that_leads_out_opens_nothing(folder, tmp_path):
    """A line for a file elsewhere, with its true digest, makes the run differ from its list."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    sha = hashlib.sha256(b"s").hexdigest()
    for name in ("../secret", str(secret)):
        sums = folder / "SHA256SUMS"
        before = sums.read_text()
        sums.write_text(before + f"{sha}  {name}\n")
        with pytest.raises(EvidenceError, match="differ"):
            read_run(folder)
        sums.write_text(before)
