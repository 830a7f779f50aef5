"""A surrogate that is declared in audit.toml is attacked in place of the model, from file to report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Said

AUDIT = """
[model]
kind = "torch"
path = "net.safetensors"
factory = "surrogate_nets:build"
task = "binary"
classes = ["negative", "positive"]
output = "logits"
operating_point = 0.5
[model.input]
range = [0, 1]
size = [6, 6]
channels = 1
[cohort]
manifest = "cases.csv"
case = "case"
patient = "patient"
image = "file"
target = "label"
positive = ["1"]
[audit]
policy = "policy.toml"
profile = "smoke"
probes = "ADV004"
[[audit.surrogate]]
relation = "other init"
kind = "torch"
path = "twin.safetensors"
factory = "surrogate_nets:build"
"""
POLICY = """
[[rule]]
id = "transfer"
probe = "ADV004"
metric = "robust_accuracy"
where = { attack = "transfer: other init" }
limit = { min = 0.5 }
rationale = "a floor"
"""
NETS = """
import torch
def build():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 1))
"""


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A linear network that answers 60 images right, a twin of nearly its weights, and the files that audit it."""
    import torch
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(tmp_path))
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    w = rng.uniform(0.5, 1.5, 36)
    images = 0.5 + rng.normal(0, 0.02, (60, 1, 6, 6)) + (label - 0.5)[:, None, None, None] * 0.02
    weights = {"1.weight": torch.tensor(w[None], dtype=torch.float32)}
    for name, factor in (("net", 1.0), ("twin", 2.0)):
        bias = torch.tensor([-0.5 * factor * w.sum()], dtype=torch.float32)
        save_file({"1.weight": factor * weights["1.weight"], "1.bias": bias}, tmp_path / f"{name}.safetensors")
    np.savez(tmp_path / "images.npz", x=images.astype(np.float32))
    lines = [f"c{i},p{i},images.npz#x[{i}],{label[i]}" for i in range(60)]
    (tmp_path / "cases.csv").write_text("\n".join(["case,patient,file,label", *lines]) + "\n")
    for name, text in (("audit.toml", AUDIT), ("policy.toml", POLICY), ("surrogate_nets.py", NETS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_declared_surrogate_is_read_by_its_relation(audit: Callable[..., Said], declared: Path) -> None:
    """What the twin finds breaks the model, so the rule on its relation FAILs; no student is distilled beside it."""
    code, out, err = audit("run", "audit.toml", "--out", "run1")
    assert code == 1, out + err
    (found,) = [
        r for r in json.loads((declared / "run1/evidence.json").read_text())["results"] if r["probe"] == "ADV004"
    ]
    rows: list[dict[str, Any]] = [m for m in found["measurements"] if m["metric"] == "robust_accuracy"]
    assert {m["condition"]["attack"] for m in rows} == {"transfer: other init"}
    assert max(rows, key=lambda m: m["condition"]["epsilon"])["high"] < 0.5
    assert {"transfer_curve", "attack_certificate"} <= {a["name"] for a in found["artifacts"]}
    page = (declared / "run1/report.html").read_text()
    assert "other init: audited model" in page
    assert "surrogate itself" in page
