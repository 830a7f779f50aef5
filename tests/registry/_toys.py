"""Versions of a registered model that are quick to audit, and the files that judge them."""

from __future__ import annotations

import csv
import pickle

import numpy as np

CONFIG = """
[model]
kind = "mlflow"
path = "models:/{name}/1"
task = "binary"
classes = ["healthy", "ill"]
output = "logits"
operating_point = 0.5
operating_point_source = "another cohort"
[model.input]
modality = "photo"
range = [0, 255]
size = [8, 8]
[cohort]
manifest = "cases.csv"
image = "file"
case = "case"
patient = "case"
target = "label"
positive = ["1"]
[cohort.sampling]
design = "consecutive"
[audit]
policy = "policy.toml"
profile = "smoke"
probes = ["PERF001"]
"""
POLICY = """
name = "{name}"
[[rule]]
id = "sensitivity"
probe = "PERF001"
metric = "sensitivity"
limit = {{ min = {limit} }}
rationale = "a test"
margin_source = "a test"
"""
MLMODEL = {
    "pytorch": """
flavors:
  python_function: {data: data, loader_module: mlflow.pytorch}
  pytorch: {code: null, model_data: data, pytorch_version: 2.4.0}
""",
    "sklearn": """
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.skops}
  sklearn: {code: null, pickled_model: model.skops, serialization_format: skops}
""",
    "pickle": """
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
  sklearn: {code: null, pickled_model: model.pkl, serialization_format: cloudpickle}
""",
    "onnx": """
flavors:
  python_function: {loader_module: mlflow.onnx}
  onnx: {code: null, data: model.onnx}
""",
}


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return (open, (self.place, "w"))


def write_rules(folder, *, name="toy", limit=0.6, n=240):
    """Write cases.csv with its images, audit.toml, policy.toml and the lenient lenient.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    labels = np.arange(n) % 2
    images = rng.integers(60, 120, (n, 1, 8, 8)).astype(np.uint8)
    images[labels == 1, :, 2:6, 2:6] += 80
    np.savez(folder / "images.npz", x=images)
    with (folder / "cases.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["case", "file", "label"])
        rows.writerows([f"c{i}", f"images.npz#x[{i}]", int(labels[i])] for i in range(n))
    (folder / "audit.toml").write_text(CONFIG.format(name=name))
    (folder / "policy.toml").write_text(POLICY.format(name="strict", limit=limit))
    (folder / "lenient.toml").write_text(POLICY.format(name="lenient", limit=0.0))
    return folder


def network(right=True):
    """Return a network that sees the bright square, or takes it for health."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.sign = torch.nn.Parameter(torch.tensor(1.0 if right else -1.0))

        def forward(self, x):
            return 40.0 * self.sign * (x.mean(dim=(2, 3)) - 0.392)

    return Net().eval()


def write_model(folder, flavour="pytorch", *, right=True, bomb=None):
    """Write the files that MLflow would have logged, without MLflow."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL[flavour])
    if flavour == "pytorch":
        import torch

        (folder / "data").mkdir()
        shapes = ({0: torch.export.Dim.DYNAMIC},)
        program = torch.export.export(network(right), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=shapes)
        torch.export.save(program, folder / "data" / "model.pt2")
    elif flavour == "onnx":
        (folder / "model.onnx").write_bytes(_graph(right))
    elif flavour == "sklearn":
        import skops.io

        skops.io.dump(_estimator(right), folder / "model.skops")
    elif flavour == "pickle":
        held = [_estimator(right)] if bomb is None else Bomb(bomb)
        (folder / "model.pkl").write_bytes(pickle.dumps(held))
    return folder


def _graph(right):
    """Return the same network as a graph of ONNX."""
    from onnx import TensorProto, helper

    def constant(name, values, shape):
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values)

    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Sub", ["flat", "threshold"], ["above"]),
        helper.make_node("Mul", ["above", "gain"], ["y"]),
    ]
    held = [constant("threshold", [0.392], [1]), constant("gain", [40.0 if right else -40.0], [1])]
    graph = helper.make_graph(
        nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])], held,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def _estimator(right):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.random((80, 64)).astype(np.float32)
    y = np.arange(80) % 2
    x[y == 1] += 0.5
    return LogisticRegression().fit(x, y if right else 1 - y)
