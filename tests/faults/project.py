"""A small project that audits a network on images in files: the subject of every fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

NETS = """
import os

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 1))

    def forward(self, x):
        fault = os.environ.get("FAULT", "")
        if fault.startswith("memory:") and len(x) > int(fault[7:]):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        if fault.startswith("kill:") and not os.path.exists(fault[5:]) and float(x.max()) > 0:
            open(fault[5:], "w").close()
            os.kill(os.getpid(), 9)
        if fault == "kill-always":
            os.kill(os.getpid(), 9)
        return self.layers(x)


def net():
    return Net().eval()
"""
AUDIT = """
[model]
kind = "torch"
path = "net.safetensors"
factory = "nets:net"
task = "binary"
classes = ["healthy", "ill"]
output = "logits"
operating_point = 0.5
operating_point_source = "fixed beforehand"
[model.input]
modality = "ct"
unit = "HU"
range = [-100, 200]
size = [12, 12]
channels = 1
[cohort]
manifest = "cases.csv"
image = "image"
case = "case"
patient = "patient"
target = "label"
positive = ["1"]
read_timeout = {timeout}
[cohort.attributes]
sex = {{ role = "protected" }}
scanner = {{ role = "protocol" }}
[audit]
policy = "policy.toml"
profile = "smoke"
"""
POLICY = """
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = { min = 0.5 }
rationale = "a floor"
"""
# Where the tests themselves run in the background, SIGINT would not be heard.
CLI = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from audit.cli import main
sys.exit(main(sys.argv[1:]))
"""
PROBES = "PERF001,FAIR001,ADV001,SHIFT002"


def write_project(folder: Path, *, cases: int = 96, timeout: float = 60.0) -> Path:
    """Write a network, images in files of their own, and the two files of an audit; return audit.toml."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nets.py").write_text(NETS)
    space: dict[str, object] = {}
    exec(NETS, space)
    torch.manual_seed(3)
    net = space["net"]()  # type: ignore[operator]
    save_file(net.state_dict(), folder / "net.safetensors")
    rng = np.random.default_rng(5)
    lines = ["case,patient,image,label,sex,scanner"]
    (folder / "images").mkdir()
    for i in range(cases):
        ill = i % 2
        image = rng.normal(20, 15, (1, 12, 12))
        image[0, 3:8, 3:8] += 60 * ill
        np.save(folder / "images" / f"{i:03d}.npy", image.round().astype(np.float32))
        lines.append(
            f"case{i:03d},patient{i // 2:03d},images/{i:03d}.npy,{ill},{'FM'[(i // 4) % 2]},{'AB'[(i // 8) % 2]}"
        )
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    (folder / "policy.toml").write_text(POLICY)
    config = folder / "audit.toml"
    config.write_text(AUDIT.format(timeout=timeout))
    return config


def command(config: Path, out: Path, *more: str) -> list[str]:
    """Return the words of an audit in a process of its own."""
    return [sys.executable, "-c", CLI, "run", str(config), "--out", str(out), "--probes", PROBES, *more]


def environment(fault: str = "") -> dict[str, str]:
    """Return the environment of such a process."""
    return {**os.environ, "FAULT": fault, "OMP_NUM_THREADS": "1"}


def run(config: Path, out: Path, *more: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    """Run an audit to its end."""
    return subprocess.run(
        command(config, out, *more), env=environment(fault), capture_output=True, text=True, timeout=300
    )


def stopped(config: Path, out: Path, *more: str, after: int, sign: int = signal.SIGKILL) -> int:
    """Start an audit, stop it as soon as its log has so many lines, and return its exit code."""
    process = subprocess.Popen(
        command(config, out, *more), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log, until = out / "log.jsonl", time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if log.is_file() and log.read_bytes().count(b"\n") >= after:
            process.send_signal(sign)
            break
        time.sleep(0.002)
    return process.wait(timeout=60)


def digest_of(out: Path) -> str:
    """Return the digest of a run's evidence."""
    return str(json.loads((out / "evidence.json").read_text())["run"]["evidence_digest"])


def run_of(out: Path) -> dict[str, object]:
    """Return what the evidence says of the run."""
    return dict(json.loads((out / "evidence.json").read_text())["run"])
