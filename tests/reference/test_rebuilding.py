"""Training again gives the shipped figures, on the systems that train fastest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from audit.reference import rebuild
from audit.reference._catalogue import weights_path


@pytest.mark.parametrize("name", ["gender-balanced", "protocol-source", "protocol-transfer"])
def test_building_again_gives_the_shipped_figures(name: str, tmp_path: Path) -> None:
    """Every figure lies in the shipped interval, and the weights are nearly those that are shipped."""
    made = rebuild(name, tmp_path)
    assert [r.name for r in made.rows if not r.agrees] == []
    assert made.rows
    shipped, again = load_file(weights_path(name)), load_file(made.weights)
    assert shipped.keys() == again.keys()
    for key, value in shipped.items():
        np.testing.assert_allclose(again[key], value, rtol=0.05, atol=0.05 * float(np.abs(value).max()) + 1e-6)
