"""A model behind a real server of the KServe v2 protocol: MLServer, from an environment of its own.

MLServer wants other versions of packages than this project: the test runs where AUDIT_MLSERVER names its command,
`python -m venv ms && ms/bin/pip install mlserver==1.7.1 && AUDIT_MLSERVER=ms/bin/mlserver pytest -m slow tests/models`.
"""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec
from audit.errors import ModelError
from audit.models import load_model
from tests.registry.conftest import free_port, wait_for

RUNTIME = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Net(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        y = (40.0 * (x.mean(axis=(2, 3)) - 0.392)).astype("float32")
        y = y[:1] if self.name == "liar" else y
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(name="y", payload=y)])
"""
COMMAND = os.environ.get("AUDIT_MLSERVER", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMMAND, reason="AUDIT_MLSERVER names no command of MLServer"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a server with an honest model and one that answers with too few rows."""
    folder = tmp_path_factory.mktemp("mlserver")
    (folder / "runtime.py").write_text(RUNTIME)
    ports = [free_port() for _ in range(3)]
    settings = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    (folder / "settings.json").write_text(json.dumps({**settings, "host": "127.0.0.1", "parallel_workers": 0}))
    for name in ("net", "liar"):
        (folder / name).mkdir()
        tensor = {"datatype": "FP32", "shape": [-1, 1]}
        described = {
            "name": name, "implementation": "runtime.Net", "inputs": [{**tensor, "name": "x", "shape": [-1, 1, 8, 8]}],
            "outputs": [{**tensor, "name": "y"}],
        }  # fmt: skip
        (folder / name / "model-settings.json").write_text(json.dumps(described))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [os.path.abspath(COMMAND), "start", "."],  # noqa: PTH100
            cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": "."},
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{ports[0]}/v2/health/ready", process)
            yield f"http://127.0.0.1:{ports[0]}/v2/models/"
        finally:
            process.terminate()
            process.wait(30)


def model(address, folder):
    spec = ModelSpec(
        kind="http", path=address, task="binary", output="logits", operating_point=0.5,
        input=InputSpec(size=(8, 8), range=(0.0, 255.0)),
    )  # fmt: skip
    return load_model(spec, folder)


def test_mlserver_gives_the_numbers_of_the_model(address, tmp_path):
    """Images go there prepared, in batches of any size, and come back as float32 of the declared shape."""
    images = np.random.default_rng(0).integers(0, 255, (37, 1, 8, 8)).astype(np.float32)
    wanted = 40.0 * (images.mean(axis=(2, 3)) / 255 - 0.392)
    for rows in (images[:1], images):
        for end in ("net", "net/infer"):
            assert model(address + end, tmp_path).predict(rows) == pytest.approx(wanted[: len(rows)], abs=1e-4)


def test_a_server_that_lies_about_its_shapes_is_told(address, tmp_path):
    """Too few rows are an error that says so, never answers of other images; so is a model that is not there."""
    images = np.zeros((3, 1, 8, 8), dtype=np.float32)
    for name in ("liar", "absent"):
        with pytest.raises(ModelError):
            model(address + name, tmp_path).predict(images)
