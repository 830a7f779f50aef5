"""A half-written or altered folder is never evidence."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Artifact
from audit.errors import EvidenceError
from audit.evidence import FILES, SUMS, check_seal, loader, read_run, store_artifact
from tests.evidence._make import sealed


def test_a_finished_run_is_read(tmp_path):
    """What was written comes back equal, and the arrays with it."""
    made = sealed(tmp_path / "run")
    assert read_run(tmp_path / "run") == made
    (stored,) = made.results[1].artifacts
    assert np.array_equal(loader(tmp_path / "run")(stored)["fpr"], np.arange(3.0))


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_a_run_that_lacks_a_file_is_refused(tmp_path, name):
    """Whichever file is missing, as after a kill, the folder is no evidence."""
    sealed(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(EvidenceError):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(tmp_path, name):
    """One byte more in any file and the run is refused by that file's name."""
    sealed(tmp_path / "run")
    with (tmp_path / "run" / name).open("ab") as f:
        f.write(b" ")
    with pytest.raises(EvidenceError, match="changed") as caught:
        read_run(tmp_path / "run")
    assert name in str(caught.value)


def test_an_unlisted_file_is_an_error(tmp_path):
    """A file that the sums do not list was not made by the run."""
    sealed(tmp_path / "run")
    (tmp_path / "run" / "extra.txt").write_text("x")
    with pytest.raises(EvidenceError, match="differ") as caught:
        check_seal(tmp_path / "run")
    assert "extra.txt (not listed)" in str(caught.value)


def test_a_part_of_a_file_does_not_count_as_the_file(tmp_path):
    """A temporary file left behind by a kill makes the folder unlisted, never accepted."""
    sealed(tmp_path / "run")
    (tmp_path / "run" / ".evidence.json.part").write_text("{")
    with pytest.raises(EvidenceError):
        read_run(tmp_path / "run")


def test_a_link_is_refused(tmp_path):
    """A link could point to a file that changes after the check."""
    sealed(tmp_path / "run")
    report = tmp_path / "run" / "report.html"
    report.rename(tmp_path / "elsewhere")
    report.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvidenceError, match="link"):
        read_run(tmp_path / "run")


def test_no_folder(tmp_path):
    """A wrong name is said so."""
    with pytest.raises(EvidenceError, match="no such run"):
        read_run(tmp_path / "nowhere")


def test_equal_arrays_have_one_file(tmp_path):
    """Artifacts are named by content, so equal arrays are stored once and equal runs have equal names."""
    a = store_artifact(tmp_path, Artifact(name="a", title="A", arrays={"x": np.arange(4.0), "y": np.ones(2)}))
    b = store_artifact(tmp_path, Artifact(name="b", title="B", arrays={"y": np.ones(2), "x": np.arange(4.0)}))
    assert a.file == b.file
    assert len(list((tmp_path / "artifacts").iterdir())) == 1


def test_objects_are_never_stored(tmp_path):
    """Arrays of objects would need a pickle to be read again."""
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        store_artifact(tmp_path, Artifact(name="a", title="A", arrays={"x": np.array([{}], dtype=object)}))


def test_a_folder_of_runs_is_not_a_run(tmp_path):
    """The parent of a run is named as such, not as an unfinished run."""
    sealed(tmp_path / "run")
    with pytest.raises(EvidenceError, match="not the folder of a run"):
        read_run(tmp_path)
