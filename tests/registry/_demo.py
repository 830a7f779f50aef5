"""The demo's cohort and twins as files that a registry and its operator have."""

from __future__ import annotations

import csv

import numpy as np

NAME = "lesion-burden"
CONFIG = """
[model]
kind = "mlflow"
path = "models:/lesion-burden/1"
task = "binary"
classes = ["low", "high"]
output = "logits"
operating_point = {point}
operating_point_source = "3,000 validation planes"
operating_point_chosen_on = "validation"
[model.input]
modality = "mr"
unit = "grey level"
range = [0, {most}]
size = [64, 64]
[cohort]
manifest = "cases.csv"
image = "file"
case = "case"
patient = "case"
target = "label"
positive = ["1"]
phantom = true
[cohort.sampling]
design = "enriched"
[cohort.attributes]
sex = {{ role = "protected", also = ["confounder"], reason = "planted" }}
protocol = {{ role = "protocol", also = ["confounder"], reason = "planted" }}
[audit]
policy = "policy.toml"
profile = "smoke"
probes = ["PERF001", "FAIR001"]
"""
POLICY = """
name = "release gate of the demo"
[[rule]]
id = "auc"
probe = "PERF001"
metric = "auc"
limit = { min = 0.8 }
rationale = "a floor"
margin_source = "chosen for the demonstration"
[[rule]]
id = "sensitivity-gap"
probe = "FAIR001"
metric = "sensitivity_gap"
where = { attribute = "sex" }
limit = { min = -0.1 }
rationale = "no sex may be missed more often"
margin_source = "chosen for the demonstration"
"""
LENIENT = """
name = "whatever"
[[rule]]
id = "auc"
probe = "PERF001"
metric = "auc"
limit = { min = 0.5 }
rationale = "none"
margin_source = "none"
"""
# What the how-to tells a submitter to do, in a process of its own.
LOG = """
import sys
import mlflow, numpy as np, torch
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from safetensors.torch import load_file
from audit.reference import lesion_net
from audit.reference._catalogue import weights_path

net = lesion_net()
net.load_state_dict(load_file(weights_path(sys.argv[1])))
net.eval()
image = np.zeros((2, 1, 64, 64), dtype=np.float32)
signature = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1, 64, 64))]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
)
mlflow.set_experiment("training")
with mlflow.start_run():
    made = mlflow.pytorch.log_model(
        net, name="model", serialization_format="pt2", input_example=image, signature=signature,
        registered_model_name="lesion-burden", pip_requirements=[],
    )
print("version", made.registered_model_version)
"""


def write_rules(folder, *, per_label=700):
    """Write cases.csv with its images, audit.toml, policy.toml, lenient.toml and gate.toml."""
    from audit.reference._catalogue import read_metadata, weights_path
    from audit.reference._demo import demo_cohort

    folder.mkdir(parents=True, exist_ok=True)
    cohort = demo_cohort(per_label=per_label)
    images = np.stack([cohort.images.load(i) for i in range(len(cohort))])
    np.savez(folder / "images.npz", x=images.astype(np.uint16))
    with (folder / "cases.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["case", "file", "label", "sex", "protocol"])
        levels = [cohort.attributes[k].levels for k in ("sex", "protocol")]
        for i in range(len(cohort)):
            rows.writerow([cohort.case_ids[i], f"images.npz#x[{i}]", int(cohort.targets[i]), *(v[i] for v in levels)])
    from audit.reference.phantoms import STORED_MAXIMUM

    point = read_metadata(weights_path("healthy"))["operating_point"]
    (folder / "audit.toml").write_text(CONFIG.format(point=point, most=STORED_MAXIMUM))
    (folder / "policy.toml").write_text(POLICY)
    (folder / "lenient.toml").write_text(LENIENT)
    table = f'[models.{NAME}]\nconfig = "audit.toml"\npolicy = "policy.toml"\nalias = "champion"\n'
    (folder / "gate.toml").write_text(table)
    return folder
