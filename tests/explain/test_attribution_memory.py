"""What explaining volumes takes of memory, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.core import InputSpec
from audit.explain._attribution_setup import MEMORY, affordable
from tests.attacks.nets import convolutional, wrap

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
import numpy as np, torch
from torch import nn
from audit.core import InputSpec, ModelSpec
from audit.explain import attribute, explained_by
from audit.models import from_module
from benchmarks._driver import peak_mb

given = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool3d(2), nn.Conv3d(8, 8, 3, padding=1), nn.ReLU(),
    nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 1),
)
tile = tuple(given["tile"]) if given["tile"] else None
model = from_module(net, ModelSpec(
    kind="torch", task="binary", output="logits", operating_point=0.5, classes=("a", "b"),
    input=InputSpec(scale=False, size=tuple(given["shape"]), tile=tile),
))
images = np.random.default_rng(0).random((given["n"], 1, *given["shape"])).astype(np.float32)
maps = attribute(
    model, images, explained_by(model.predict(images), model.card), methods=given["methods"],
    rng=np.random.default_rng(0), batch=32,
)
print(json.dumps({
    "mb": peak_mb(), "refused": maps.refused,
    "maps": {k: float(np.abs(v).max()) for k, v in maps.values.items()},
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "n", "tile", "limit"), [((32, 64, 64), 8, None, 1000), ((160, 160, 160), 1, (80, 80, 80), 4000)]
)
def test_volumes_are_explained_within_bounds(
    shape: tuple[int, ...], n: int, tile: tuple[int, ...] | None, limit: float
) -> None:
    """Eight volumes of 32 x 64 x 64 take less than 1 GB, one of 160 cubed in tiles less than 4 GB, all told."""
    methods = ["integrated_gradients", "saliency", "deep_lift", "guided_backprop", "grad_cam"]
    if tile:
        # Its points on the path are taken one after the other, each like the one of saliency.
        methods = ["saliency", "deep_lift", "grad_cam"]
    given = json.dumps({"shape": shape, "n": n, "tile": tile, "methods": methods})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, given], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=280,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["refused"] == {}
    assert all(size > 0 for size in said["maps"].values())
    assert said["mb"] < limit


def test_as_many_images_are_taken_as_fit() -> None:
    """One image of 1 x 6 x 6 through two convolutions of 6 channels keeps a few kB: the bound is what was asked for."""
    model = wrap(convolutional(0), input=InputSpec(scale=False))
    assert affordable(model, torch.zeros(1, 1, 6, 6), 32) == 32
    assert 100 < affordable(model, torch.zeros(1, 1, 6, 6), 10**9) < MEMORY // np.dtype(np.float32).itemsize // 36
