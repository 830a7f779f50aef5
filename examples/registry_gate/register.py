"""Register one of the demo's twins as a new version of lesion-burden: as an exported program, without code."""

from __future__ import annotations

import argparse

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from safetensors.torch import load_file

from audit.reference import lesion_net
from audit.reference._catalogue import weights_path

NAME = "lesion-burden"


def register(twin: str) -> str:
    """Log a twin and return the number of its version."""
    net = lesion_net()
    net.load_state_dict(load_file(weights_path(twin)))
    # Two images, so that the size of a batch stays open in the exported program.
    images = np.zeros((2, 1, 64, 64), dtype=np.float32)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1, 64, 64))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
    )
    mlflow.set_experiment("training")
    with mlflow.start_run():
        made = mlflow.pytorch.log_model(
            net.eval(), name="model", serialization_format="pt2", input_example=images, signature=signature,
            registered_model_name=NAME, pip_requirements=[],
        )  # fmt: skip
    return str(made.registered_model_version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("twin", choices=("biased", "healthy"))
    print("version", register(parser.parse_args().twin))
