"""A run that is killed leaves nothing that the gate would accept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from audit.errors import EvidenceError
from audit.evidence import read_run
from tests.session._make import write

# Each line of the list is a moment: the process stops itself there, as a power cut would.
CHILD = """
import os, signal, sys
from pathlib import Path
import audit.execution._workshop as workshop
import audit.session._run as run
from audit import session
from audit.config import load_audit

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

name = sys.argv[2]
if name == "before-seal":
    run.seal = die
elif name == "before-report":
    run._write = die
elif name == "in-report":
    import audit.report
    audit.report.render = die
elif name == "in-probes":
    workshop.run_probe = die
session.run_config(load_audit(Path(sys.argv[1]) / "audit.toml"), out=Path(sys.argv[1]) / "run")
"""


@pytest.mark.parametrize("moment", ["in-probes", "before-report", "in-report", "before-seal"])
def test_a_killed_run_is_no_evidence(tmp_path, moment):
    """Whenever the process is killed, reading the folder is refused and a new run may replace it."""
    write(tmp_path)
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), moment], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
    assert (tmp_path / "run" / "log.jsonl").exists()
    with pytest.raises(EvidenceError):
        read_run(tmp_path / "run")


@pytest.mark.slow
def test_a_kill_at_any_time_is_no_evidence_and_never_a_pass(tmp_path):
    """Killed after ever longer times, a run is either finished and sealed or refused."""
    write(tmp_path)
    outcomes = set()
    for wait in (0.6, 0.9, 1.2, 1.5, 1.8, 6.0):
        out = tmp_path / f"run-{wait}"
        child = subprocess.Popen(
            [sys.executable, "-m", "audit.cli", "run", str(tmp_path / "audit.toml"), "--out", str(out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        time.sleep(wait)
        child.kill()
        child.wait()
        try:
            read_run(out)
            outcomes.add("sealed")
        except EvidenceError:
            outcomes.add("refused")
    assert "refused" in outcomes
