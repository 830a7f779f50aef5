"""What tells protocols apart is drawn once a pair, the farthest first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.report._arrays import figure
from audit.report._chart import Forest
from audit.report._plotly import specify
from audit.report._svg import draw
from tests.report._build import artifact


def arrays(levels: tuple[str, ...]) -> dict[str, Any]:
    """Return the AUC of three descriptors for each level, the mirror image for the second of two."""
    auc = np.concatenate([0.5 + (-1) ** i * np.array([0.02, 0.4, -0.1]) for i in range(len(levels))])
    return {
        "level": np.repeat(levels, 3), "descriptor": np.tile(["mean", "noise", "sharpness"], len(levels)), "auc": auc,
        "low": auc - 0.05, "high": auc + 0.05, "n_patients": np.full(auc.size, 40),
    }  # fmt: skip


@pytest.mark.parametrize(("levels", "rows", "first"), [
    (("A", "B"), 3, "Noise"), (("A", "B", "C"), 9, "Noise, A"),
])  # fmt: skip
def test_descriptors_stand_in_the_order_of_their_distance(levels: tuple[str, ...], rows: int, first: str) -> None:
    """Of two protocols one says all; the line without any difference is drawn at one half."""
    made = figure(artifact("drift_by_descriptor", "What tells them apart"), arrays(levels))
    assert made is not None
    assert isinstance(made.chart, Forest)
    assert (len(made.chart.rows), made.chart.rows[0].label, made.chart.reference) == (rows, first, 0.5)
    assert ("Here A against B." in made.caption) == (len(levels) == 2)
    assert "<svg" in draw(made.chart, "drift")
    assert specify(made.chart)["data"]


def test_no_descriptor_is_no_figure() -> None:
    """Without a number there is nothing to draw."""
    nothing = {k: v[:0] for k, v in arrays(("A", "B")).items()}
    assert figure(artifact("drift_by_descriptor", "What tells them apart"), nothing) is None
