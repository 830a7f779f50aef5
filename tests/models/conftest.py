"""Tiny networks, one for each kind of output, in two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec

torch = pytest.importorskip("torch")

# task, output, classes, outputs of the network
HEADS: dict[str, tuple[str, str, tuple[str, ...], int]] = {
    "single logit": ("binary", "logits", ("no", "yes"), 1),
    "single probability": ("binary", "probabilities", ("no", "yes"), 1),
    "two logits": ("binary", "logits", ("no", "yes"), 2),
    "three probabilities": ("multiclass", "probabilities", ("a", "b", "c"), 3),
    "multilabel": ("multilabel", "logits", ("a", "b", "c"), 3),
    "value": ("regression", "value", (), 1),
    "mask": ("segmentation", "mask_logits", (), 1),
}
HEAD_NAMES = sorted(HEADS)
SIZES = {2: (8, 6), 3: (6, 4, 5)}


def tiny(output: str, k: int, dimensions: int, channels: int = 1) -> Any:
    """Return a seeded network of one convolution (and a pooled linear layer unless it answers masks)."""
    nn = torch.nn
    torch.manual_seed(7)
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
    if output.startswith("mask"):
        return nn.Sequential(conv(channels, k, 3, padding=1))
    pool = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[dimensions]
    norm = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dimensions]
    layers = [conv(channels, 4, 3, padding=1), norm(4), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(4, k)]
    if output == "probabilities":
        layers.append(nn.Sigmoid() if k == 1 else nn.Softmax(dim=1))
    return nn.Sequential(*layers).eval()


def spec_for(head: str, dimensions: int, **further: Any) -> ModelSpec:
    """Return the declaration that belongs to `tiny`."""
    task, output, classes, _ = HEADS[head]
    declared = InputSpec(range=(0.0, 255.0), size=SIZES[dimensions], mean=(0.5,), std=(0.25,))
    fields = {"kind": "torch", "task": task, "output": output, "classes": classes, "input": declared, **further}
    return ModelSpec(**fields)


@pytest.fixture
def images() -> Callable[..., np.ndarray]:
    """Return a maker of seeded stored intensities from 0 to 255."""

    def make(n: int, dimensions: int = 2, channels: int = 1) -> np.ndarray:
        return np.random.default_rng(3).uniform(0, 255, (n, channels, *SIZES[dimensions])).astype(np.float32)

    return make
