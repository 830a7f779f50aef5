"""Volumes that are answered tile by tile."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import InputSpec
from audit.models import from_module
from audit.models._pipeline import tile_starts
from tests.models.conftest import spec_for

torch = pytest.importorskip("torch")


def test_tiles_lie_side_by_side_and_the_last_ends_at_the_border():
    """Each voxel is covered, and only the last tile of an axis may overlap its neighbour."""
    assert tile_starts(8, 4) == [0, 4]
    assert tile_starts(7, 3) == [0, 3, 4]
    assert tile_starts(3, 3) == [0]


@pytest.mark.parametrize("size", [(6, 4, 5), (4, 4, 4), (3, 2, 9)])
def test_a_mask_is_stitched_without_seams(size):
    """For a voxelwise network the stitched mask is that of the whole volume, at any size."""
    batch = np.random.default_rng(0).uniform(0, 1, (2, 1, *size))
    model = from_module(torch.nn.Identity(), spec_for("mask", 3, input=InputSpec(tile=(4, 4, 4))))
    np.testing.assert_allclose(model.predict(batch), batch, atol=1e-6)


def test_class_outputs_are_averaged_over_tiles():
    """The output of a classifier is the mean over its tiles."""

    class Mean(torch.nn.Module):
        def forward(self, x):
            assert x.shape[2:] == (2, 2, 2)
            return x.mean(dim=(2, 3, 4))

    batch = np.random.default_rng(0).uniform(0, 1, (2, 1, 4, 2, 6))
    model = from_module(Mean(), spec_for("single logit", 3, input=InputSpec(tile=(2, 2, 2))))
    np.testing.assert_allclose(model.predict(batch)[:, 0], batch.mean(axis=(1, 2, 3, 4)), atol=1e-6)


def test_tiles_pass_gradients_on():
    """Every voxel of a stitched mask keeps its gradient, also where two tiles overlap."""
    model = from_module(torch.nn.Identity(), spec_for("mask", 3, input=InputSpec(tile=(2, 2, 2))))
    x = torch.rand(1, 1, 3, 2, 5, requires_grad=True)
    model.forward(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1.0, atol=1e-6)
