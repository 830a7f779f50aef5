"""What texture is measured with."""

from __future__ import annotations

import numpy as np

from audit.edits._clone import quantile


def test_a_quantile_is_that_of_numpy_to_the_bit():
    """Of one value and of many, with ties and without, at the share in use and at others."""
    rng = np.random.default_rng(0)
    for number in range(400):
        values = rng.normal(size=int(rng.integers(1, 300))) ** 2 * rng.choice([1e-6, 1.0, 1e5])
        if number % 3 == 0:
            values = np.round(values)
        share = 0.97 if number % 2 else float(rng.random())
        assert quantile(values, share) == float(np.quantile(values, share))
    assert quantile(np.array([3.0]), 0.97) == 3.0
