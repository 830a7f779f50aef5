"""Memory that runs out, disks that are full, images that hang or vanish, workers that are killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from audit import session
from audit.cohorts import FileSource
from audit.config import load_audit
from tests.faults.project import digest_of, run, write_project

PROBES = "PERF001,SHIFT002"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", cases=48, timeout=0.5)


def audited(project: Path, name: str = "run", **more: object) -> session.run:
    """Audit in this process."""
    return session.run_config(load_audit(project), out=project.parent / name, **{"probes": PROBES, **more})


def test_a_model_out_of_memory_is_asked_about_fewer_images(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is halved until it fits, the evidence names it, and no decision changes."""
    whole = audited(project, "whole", probes=f"{PROBES},ADV001")
    monkeypatch.setenv("FAULT", "memory:5")
    small = audited(project, "small", probes=f"{PROBES},ADV001")
    batches = small.run["smaller_batches"]
    assert batches["clean predictions"] == 4
    assert batches["SHIFT002"] == 4
    assert any("memory" in w for w in small.run["warnings"])
    assert "smaller_batches" not in whole.run
    for code in ("PERF001", "SHIFT002", "ADV001"):
        one, other = whole.result(code).measurements, small.result(code).measurements
        assert [m.value for m in one] == pytest.approx([m.value for m in other], abs=1e-6)
    assert small.verdict == whole.verdict


def test_a_read_that_hangs_sets_the_case_aside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the declared time; the reason is counted, and no path is in it."""
    own = FileSource._read

    def hang(self: FileSource, reference: object) -> object:
        if reference.path.name == "007.npy":
            time.sleep(30)
        return own(self, reference)

    monkeypatch.setattr(FileSource, "_read", hang)
    made = audited(project)
    assert made.cohort["ledger"]["set_aside"] == {"reading took longer than 0.5 s": 1}
    assert made.cohort["ledger"]["used"] == 47


def test_an_image_that_vanishes_before_it_is_read_is_set_aside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there when the cohort was looked at."""
    from audit.session import _run

    own = _run.look_ahead

    def vanish(*arguments: object, **more: object) -> object:
        (project.parent / "images" / "003.npy").unlink()
        return own(*arguments, **more)

    monkeypatch.setattr(_run, "look_ahead", vanish)
    made = audited(project)
    assert made.cohort["ledger"]["set_aside"] == {"image file not found": 1}


def test_an_image_that_vanishes_after_it_was_answered_bars_pass(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe that needs it again is an error with the reason; what rests on the answers stands."""
    from audit.session import _run

    own = _run.clean_predictions

    def vanish(*arguments: object, **more: object) -> object:
        clean = own(*arguments, **more)
        for path in (project.parent / "images").iterdir():
            path.unlink()
        return clean

    monkeypatch.setattr(_run, "clean_predictions", vanish)
    made = audited(project)
    assert made.result("SHIFT002").state == "error"
    assert "image file not found" in made.result("SHIFT002").reason
    assert made.result("PERF001").state == "completed"
    assert made.verdict.outcome != "PASS"


def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    """kill -9 of one of two workers amid the clean predictions: the same evidence as with one process."""
    project = write_project(tmp_path / "project", cases=48)
    assert run(project, tmp_path / "alone").returncode in (0, 1, 3)
    hurt = run(project, tmp_path / "hurt", "--workers", "2", fault=f"kill:{tmp_path / 'mark'}")
    assert hurt.returncode in (0, 1, 3), hurt.stderr
    assert (tmp_path / "mark").exists()
    assert digest_of(tmp_path / "hurt") == digest_of(tmp_path / "alone")


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    """A file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)], capture_output=True
    ).returncode == 0  # fmt: skip
    if not made:
        pytest.skip("no small file system can be mounted here: not root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_stops_the_run_and_leaves_no_evidence(small_disk: Path, tmp_path: Path) -> None:
    """Exit 2 with the reason; nothing is sealed; with room again the run is taken up and ends as it should."""
    project = write_project(tmp_path / "project", cases=48)
    out = small_disk / "run"
    ended = run(project, out)
    assert ended.returncode == 2, ended.stderr
    assert "No space left on device" in ended.stderr
    assert not (out / "SHA256SUMS").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run(project, out, "--resume").returncode in (0, 1, 3)
    assert run(project, tmp_path / "elsewhere").returncode in (0, 1, 3)
    assert digest_of(out) == digest_of(tmp_path / "elsewhere")


def test_a_full_cache_costs_no_result(small_disk: Path, tmp_path: Path) -> None:
    """Where only the cache has no room, the run ends as it would; the next one has nothing to take up."""
    project = write_project(tmp_path / "project", cases=48)
    (tmp_path / "project" / ".audit-cache").symlink_to(small_disk)
    (small_disk / "filler").write_bytes(b"x" * 180_000)
    made = audited(project)
    assert made.result("PERF001").state == "completed"
    assert made.run["evidence_digest"] == audited(project, "again", resume=True).run["evidence_digest"]


def test_what_is_no_longer_valid_is_not_used(project: Path) -> None:
    """After a change of one image, one weight, one attribute or the confidence, what rests on it is made anew."""
    audited(project, "first")
    again = audited(project, "again", resume=True)
    assert again.run["reused"] >= 3
    folder = project.parent
    image = folder / "images" / "005.npy"
    image.write_bytes(image.read_bytes())
    np.save(image, np.load(image) + 1)
    changed = audited(project, "changed", resume=True)
    assert changed.run.get("reused", 0) <= 1  # the other shard of clean predictions
    fresh = audited(project, "fresh")
    assert changed.run["evidence_digest"] == fresh.run["evidence_digest"] != again.run["evidence_digest"]


def test_a_rule_with_another_limit_reuses_every_measurement(project: Path) -> None:
    """A limit is judged, never measured."""
    audited(project, "first")
    policy = project.parent / "policy.toml"
    policy.write_text(policy.read_text().replace("0.5", "0.9"))
    other = audited(project, "other", resume=True)
    assert other.run["reused"] >= 4
    assert other.findings[0].limit.min == 0.9


def test_another_confidence_is_measured_again(project: Path) -> None:
    """The bounds rest on it."""
    audited(project, "first")
    policy = project.parent / "policy.toml"
    policy.write_text("confidence = 0.9\n" + policy.read_text())
    other = audited(project, "other", resume=True)
    assert other.run["reused"] == 2  # clean predictions alone
    assert other.run["evidence_digest"] == audited(project, "fresh").run["evidence_digest"]


def test_a_cached_number_that_was_edited_is_not_used(project: Path) -> None:
    """A byte of an entry turned by hand makes it worthless."""
    audited(project, "first")
    for path in (project.parent / ".audit-cache").rglob("*"):
        if path.is_file():
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(bytes(data))
    assert "reused" not in audited(project, "again", resume=True).run


def test_no_identifier_is_in_the_cache(project: Path) -> None:
    """Neither the id of a case nor that of a patient, nor a path."""
    audited(project)
    for path in (project.parent / ".audit-cache").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(word in data for word in (b"case00", b"patient00", os.fsencode(str(project.parent))))


def test_the_log_names_who_worked(project: Path) -> None:
    """The evidence has workers and executor; they are no part of its digest."""
    made = audited(project)
    assert (made.run["workers"], made.run["executor"]) == (1, "local")
    assert json.loads((made.folder / "log.jsonl").read_text().splitlines()[0])["resume"] is False
