"""The lines of the how-to on clusters are typed as they stand, on a cluster of two machines on loopback."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.examples.test_how_to import NETS, lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
PAGE = "cluster.md"
SERVE = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
time.sleep(3600)
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Terminal:
    """A folder with its environment, and the processes that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, []
        # Elsewhere: what lies beside audit.toml may be read by the code that lies there, and then counts.
        home = folder.with_name("home")
        home.mkdir()
        self.port = free_port()
        self.environment = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(home),
            "OMP_NUM_THREADS": "1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests", "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
            "RAY_USAGE_STATS_ENABLED": "0", "AUDIT_LEDGER_FILE": str(home / "ledger.jsonl"),
        }  # fmt: skip

    def start(self, *words: str) -> None:
        """Leave a process running until the end of the test."""
        with (self.folder / f"{len(self.running)}.log").open("wb") as log:
            made = subprocess.Popen(words, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        self.running.append(made)

    def wait_for(self, words: str) -> None:
        """Wait until what was started last has said so, as whoever types the next line does."""
        log = self.folder / f"{len(self.running) - 1}.log"
        for _ in range(1800):
            if words in log.read_text(errors="replace"):
                return
            assert self.running[-1].poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        raise AssertionError(f"not a word of '{words}' in three minutes: {log.read_text(errors='replace')[-2000:]}")

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line], cwd=self.folder, capture_output=True, text=True, env=self.environment, check=False
        )

    def close(self) -> None:
        """End the processes that were started here, by their ids."""
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            process.wait(timeout=60)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    (tmp_path / "work").mkdir()
    made = Terminal(tmp_path / "work")
    yield made
    made.close()


def prepare(terminal: Terminal) -> None:
    """Write what runs on one machine, and put the cohort into a bucket as well."""
    import torch
    from safetensors.torch import save_file

    folder = terminal.folder
    labels = np.arange(60) % 2
    images = np.random.default_rng(3).integers(60, 120, (60, 8, 8)).astype(np.uint8)
    images[labels == 1, 2:6, 2:6] += 80
    np.savez(folder / "images.npz", images=images)
    with (folder / "cases.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["case_id", "patient_id", "file", "label", "sex"])
        rows.writerows(
            [f"c{i}", f"p{i}", f"images.npz#images[{i}]", int(labels[i]), "fm"[i // 2 % 2]] for i in range(60)
        )
    (folder / "nets.py").write_text(NETS)
    save_file({"gain": torch.tensor(1.0)}, folder / "weights.safetensors")
    assert terminal.type("audit init cases.csv --model weights.safetensors --factory nets:net").returncode == 0
    text = (folder / "audit.toml").read_text().replace('profile = "standard"', 'profile = "smoke"')
    (folder / "audit.toml").write_text(text)
    place = re.search(r'manifest = "(s3://[^"]+)"', (Path("docs/how-to") / PAGE).read_text())
    assert place is not None
    (folder / "on-s3.toml").write_text(text.replace('manifest = "cases.csv"', f'manifest = "{place[1]}"'))
    (folder / "serve.txt").write_text(SERVE)
    terminal.start(sys.executable, "serve.txt", str(terminal.port))
    for _ in range(300):
        if listens(terminal.port):
            break
        time.sleep(0.1)
    put = f"import s3fs; f = s3fs.S3FileSystem(); f.mkdir('hospital'); p = '{place[1]}'.rpartition('/')[0]; " + (
        "f.put('cases.csv', p + '/cases.csv'); f.put('images.npz', p + '/images.npz')"
    )
    done = terminal.type(f'{sys.executable} -c "{put}"')
    assert done.returncode == 0, done.stderr


def test_from_a_laptop_to_a_cluster(terminal: Terminal) -> None:
    """Runs of one configuration have one digest, whoever worked; the job ends as its audit does."""
    if not shutil.which("bash") or listens(6379) or listens(8265):
        pytest.skip("a Ray cluster, or something else, listens on its ports already")
    prepare(terminal)
    for line in lines(PAGE):
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            terminal.environment[name] = value
        elif line.startswith("ray start "):
            terminal.start(*line.split(), "--block")
            terminal.wait_for("Ray runtime started")
        else:
            done = terminal.type(line)
            codes = (1,) if line.startswith("ray job") else (0, 3) if re.match(r"audit (run|gate)", line) else (0,)
            assert done.returncode in codes, (line, done.stdout[-2000:], done.stderr[-2000:])
            assert "a-secret-of-tests" not in done.stdout + done.stderr
            if line.startswith("python "):
                one, other = done.stdout.split()
                assert one == other
            if line.startswith("ray job"):
                assert "exit code 3" in done.stdout + done.stderr
    runs = {
        name: json.loads((terminal.folder / name / "evidence.json").read_text())["run"]
        for name in ("local", "on-ray", "on-two")
    }
    assert len({run["evidence_digest"] for run in runs.values()}) == 1
    assert [(run["executor"], run["workers"]) for run in runs.values()] == [("local", 2), ("ray", 2), ("ray", 2)]
    assert "INTACT" in terminal.type("audit verify s3://hospital/runs/job").stdout
