"""A run that is killed at any moment and taken up again says what an undisturbed one says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from audit.evidence import check_seal
from tests.faults.project import command, digest_of, environment, run, run_of, stopped, write_project

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("killed") / "project")


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Digest, number of lines in the log, and seconds of a run that nobody stops."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    began = time.monotonic()
    ended = run(project, out)
    assert ended.returncode in (0, 1, 3), ended.stderr
    assert "Exception ignored" not in ended.stderr
    lines = (out / "log.jsonl").read_text().count("\n")
    return {"digest": digest_of(out), "lines": lines, "seconds": time.monotonic() - began, "out": out}


def resumed(project: Path, out: Path, undisturbed: dict[str, object], *more: str) -> dict[str, object]:
    """Take a run up again, hold it against the undisturbed one, and return what it says of itself."""
    ended = run(project, out, "--resume", *more)
    assert ended.returncode in (0, 1, 3), ended.stderr
    check_seal(out)
    assert digest_of(out) == undisturbed["digest"]
    return run_of(out)


@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
def test_kill_9_and_resume_give_the_same_evidence(
    project: Path, undisturbed: dict[str, object], tmp_path: Path, share: float
) -> None:
    """Early, in the middle and late; with two workers in the middle. What was kept is used again."""
    more = ("--workers", "2") if share == 0.5 else ()
    after = max(2, round(share * int(undisturbed["lines"])))
    assert stopped(project, tmp_path / "run", *more, after=after) == -signal.SIGKILL
    assert not (tmp_path / "run" / "SHA256SUMS").exists()
    said = resumed(project, tmp_path / "run", undisturbed, *more)
    assert int(said["reused"]) > 0
    events = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [e["resume"] for e in events if e["event"] == "start"] == [False, True]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_at_twenty_random_moments(project: Path, undisturbed: dict[str, object], tmp_path: Path) -> None:
    """At moments drawn over the whole time of a run, starting of the interpreter included."""
    draws = random.Random(20)
    kills = tries = 0
    while kills < 20 and tries < 60:
        out = tmp_path / f"run{tries}"
        more = ("--workers", "2") if tries % 2 else ()
        tries += 1
        process = subprocess.Popen(
            command(project, out, *more), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=draws.uniform(0.05, 1.0) * float(undisturbed["seconds"]))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            resumed(project, out, undisturbed, *more)
    assert kills == 20


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_signal_stops_cleanly(
    project: Path, undisturbed: dict[str, object], tmp_path: Path, sign: int, code: int
) -> None:
    """Its exit code is that of the signal, nothing is sealed, and the run can be taken up again."""
    more = ("--workers", "2") if sign == signal.SIGTERM else ()
    after = int(undisturbed["lines"]) // 2
    assert stopped(project, tmp_path / "run", *more, after=after, sign=sign) == code
    assert not (tmp_path / "run" / "SHA256SUMS").exists()
    resumed(project, tmp_path / "run", undisturbed, *more)


def test_a_finished_run_is_not_run_again(project: Path, undisturbed: dict[str, object]) -> None:
    """`--resume` on it gives its verdict and changes no byte; for another question the folder is refused."""
    out = Path(str(undisturbed["out"]))
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    again = run(project, out, "--resume")
    assert again.returncode in (0, 1, 3)
    assert "finished already" in again.stderr
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    other = run(project, out, "--resume", "--seed", "9")
    assert other.returncode == 2
    assert "a finished run of something else" in other.stderr
    nets = project.parent / "nets.py"
    text = nets.read_text()
    try:
        nets.write_text(text.replace("return self.layers(x)", "return -self.layers(x)"))
        edited = run(project, out, "--resume")
    finally:
        nets.write_text(text)
    assert edited.returncode == 2
    assert "a finished run of something else" in edited.stderr


def test_two_runs_in_one_folder_are_refused(project: Path, tmp_path: Path) -> None:
    """The second is told that another is at work, whatever it asks for; the first is not disturbed."""
    first = subprocess.Popen(
        command(project, tmp_path / "run"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "run" / "log.jsonl").is_file() and time.monotonic() < until:
            time.sleep(0.01)
        second = run(project, tmp_path / "run", "--overwrite")
        assert first.poll() is None
        assert second.returncode == 2
        assert "another run is writing to" in second.stderr
    finally:
        first.kill()
        first.communicate()
