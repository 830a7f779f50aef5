"""Models that can only be asked are attacked by asking, from the files to the verdict, and never called robust."""

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
{model}
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
probes = "ADV001,ADV003"
[audit.threat_model]
who = "whoever handles the file"
pixels = "all of them, by 2/255"
where = "between the archive and the model"
"""
POLICY = """
[not_applicable]
allow = ["ADV001", "SETUP*", "DATA*"]
[[rule]]
id = "asked"
probe = "ADV003"
metric = "robust_accuracy"
where = { parameter = "headline" }
limit = { min = 0.3 }
rationale = "a floor"
"""
CALLED = """
import numpy as np
WEIGHTS = np.load("weights.npy")
def answer(images):
    return images.reshape(len(images), -1) @ WEIGHTS - 0.5 * WEIGHTS.sum()
"""
KINDS = {
    "callable": 'kind = "callable"\nfactory = "asked_model:answer"',
    "onnx": 'kind = "onnx"\npath = "model.onnx"',
}


def onnx_model(path: Path, weights: np.ndarray) -> None:
    """Write a linear model behind a node that no gradient is known of and that changes nothing."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Shrink", ["x"], ["same"], lambd=0.0, bias=0.0),
        helper.make_node("Flatten", ["same"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logit"]),
    ]
    given = [
        numpy_helper.from_array(weights[:, None].astype(np.float32), "w"),
        numpy_helper.from_array(np.array([-0.5 * weights.sum()], dtype=np.float32), "b"),
    ]
    graph = helper.make_graph(
        nodes, "asked", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 6, 6])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])], given,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def folder(kind: str, tmp_path: Path, *, apart: float) -> Path:
    """Write 24 images whose brightness differs by label, a linear model that is right on all, and what audits it."""
    rng = np.random.default_rng(0)
    label, weights = np.arange(24) % 2, rng.uniform(0.5, 1.5, 36)
    images = 0.5 + rng.normal(0, 0.002, (24, 1, 6, 6)) + (label - 0.5)[:, None, None, None] * apart
    np.savez(tmp_path / "images.npz", x=images.astype(np.float32))
    np.save(tmp_path / "weights.npy", weights)
    if kind == "onnx":
        onnx_model(tmp_path / "model.onnx", weights)
    lines = [f"c{i},p{i},images.npz#x[{i}],{label[i]}" for i in range(24)]
    (tmp_path / "cases.csv").write_text("\n".join(["case,patient,file,label", *lines]) + "\n")
    for name, text in (
        ("audit.toml", AUDIT.replace("{model}", KINDS[kind])), ("policy.toml", POLICY), ("asked_model.py", CALLED),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "apart", "code", "status"),
    [
        ("callable", 0.01, 1, "FAIL"),
        pytest.param("callable", 0.5, 3, "INCONCLUSIVE", marks=pytest.mark.slow),
        pytest.param("onnx", 0.01, 1, "FAIL", marks=pytest.mark.slow),
        pytest.param("onnx", 0.5, 3, "INCONCLUSIVE", marks=pytest.mark.slow),
    ],
)
def test_a_model_without_gradients_is_asked_and_never_called_robust(
    kind: str, apart: float, code: int, status: str, audit: Callable[..., Said], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A fragile model is broken by questions alone and FAILs; one that stands is INCONCLUSIVE, whatever its number."""
    monkeypatch.chdir(folder(kind, tmp_path, apart=apart))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    said, out, err = audit("run", "audit.toml", "--out", "run1")
    assert said == code, out + err
    evidence = json.loads((tmp_path / "run1/evidence.json").read_text())
    by_probe: dict[str, Any] = {r["probe"]: r for r in evidence["results"]}
    assert by_probe["ADV001"]["state"] == "not_applicable"
    (finding,) = [f for f in evidence["findings"] if f["rule"] == "asked"]
    assert finding["status"] == status
    (row,) = [
        m for m in by_probe["ADV003"]["measurements"]
        if m["metric"] == "robust_accuracy" and m["condition"]["parameter"] == "headline"
    ]  # fmt: skip
    assert (row["value"] == 1.0) if status == "INCONCLUSIVE" else (row["high"] < 0.3)
    assert row["low"] == 0.0
    checks = {m["metric"] for m in by_probe["ADV003"]["measurements"] if m["metric"].startswith("certificate")}
    assert {"certificate_queries", "certificate_noise", "certificate_deterministic"} <= checks
