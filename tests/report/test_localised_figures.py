"""Where explanations point and what they depend on, drawn: baselines beside methods, intervals around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.report._arrays import figure
from audit.report._arrays_localised import LOCALISED
from audit.report._chart import Curve, Forest
from audit.report._figures import Figure
from audit.report._plotly import specify
from audit.report._svg import draw
from tests.report._build import artifact

RATES = np.array([0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
NAMES = ("integrated_gradients", "deep_lift", "occlusion", "random", "magnitude")
NONE = np.full(7, np.nan)
STORED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "froc_curve": (
        {"name": np.repeat(NAMES, 7), "kind": np.repeat(["method"] * 3 + ["control"] * 2, 7),
         "rate": np.tile(RATES, 5), "sensitivity": np.concatenate([RATES / k for k in (9, 10, 11, 80, 20)]),
         "low": np.concatenate([RATES / 10, RATES / 11, RATES / 12, NONE, NONE]),
         "high": np.concatenate([RATES / 8, RATES / 9, RATES / 10, NONE, NONE])},
        {"radius": "hit within 3 mm", "cases": 66, "lesions": 453, "empty": 0, "n_patients": 66},
    ),
    "randomisation_cascade": (
        {"attribution": np.repeat(["a", "b", "c", "d", "edges"], 2), "step": np.tile([1, 2], 5),
         "similarity": np.array([0.2, 0.1, 0.3, 0.1, 0.25, 0.0, 0.1, 0.0, 1.0, 1.0]),
         "low": np.array([0.1, 0.0, 0.2, 0.0, 0.2, -0.1, 0.0, -0.1, 1.0, 1.0]),
         "high": np.array([0.3, 0.2, 0.4, 0.2, 0.3, 0.1, 0.2, 0.1, 1.0, 1.0]), "n_patients": np.full(10, 24)},
        {"steps": "head|norm, stem"},
    ),
    "explanation_stability": (
        {"name": np.array(["saliency", "random"]), "kind": np.array(["method", "control"]),
         "value": np.array([0.3, 0.7]), "low": np.array([0.2, 0.6]), "high": np.array([0.4, 0.8]),
         "n_patients": np.array([33, 33])},
        {"noise_sd": 12.5, "unit": "grey level", "copies": 3},
    ),
    "explanation_gaps": (
        {"level": np.array(["sex: female", "sex: male"]), "gap": np.array([-0.1, 0.1]), "low": np.array([-0.2, 0.0]),
         "high": np.array([0.0, 0.2]), "n_patients": np.array([40, 50])},
        {"attribution": "integrated_gradients"},
    ),
}  # fmt: skip


def made(name: str) -> Figure:
    arrays, meta = STORED[name]
    found = figure(artifact(name, "T", **meta), arrays)
    assert found is not None
    return found


@pytest.mark.parametrize("name", sorted(LOCALISED))
def test_every_figure_is_drawn_twice(name: str) -> None:
    """Each name has an example here, a static picture and a Plotly figure, and the words of its title."""
    chart = made(name).chart
    assert draw(chart, "x").startswith("<svg")
    assert specify(chart)["data"]


def test_froc_shows_baseline_and_chance_beside_the_methods() -> None:
    """Two methods, the first with its interval; rates are evenly spaced and named; the caption counts lesions."""
    found = made("froc_curve")
    chart = found.chart
    assert isinstance(chart, Curve)
    assert [s.name for s in chart.series if s.shape == "line"] == [
        "integrated gradients", "deep lift", "intensity baseline", "chance",
    ]  # fmt: skip
    assert [s.name for s in chart.series if s.shape == "band"] == ["integrated gradients"]
    assert [words for _, words in chart.x_ticks][:4] == ["1/8", "1/4", "1/2", "1"]
    assert "453 lesions in 66 cases, hit within 3 mm" in found.caption
    assert "first 2 of 3" in found.caption


def test_froc_without_a_sound_method_says_so() -> None:
    """The controls are drawn alone."""
    arrays, meta = STORED["froc_curve"]
    controls = arrays["kind"] == "control"
    found = figure(artifact("froc_curve", "T", **meta), {k: v[controls] for k, v in arrays.items()})
    assert found is not None
    assert "No method is sound" in found.caption


def test_the_cascade_starts_as_learnt_and_keeps_the_methods_that_stay_alike() -> None:
    """Every line starts at 1; of five methods four are shown, edges among them; ticks count layers."""
    found = made("randomisation_cascade")
    chart = found.chart
    assert isinstance(chart, Curve)
    lines = [s for s in chart.series if s.shape == "line"]
    assert all(s.x[0] == 0.0 and s.y[0] == 1.0 for s in lines)
    assert [s.name for s in lines] == ["a", "b", "c", "edges"]
    assert [words for _, words in chart.x_ticks] == ["none", "1 of 3", "3 of 3"]
    assert chart.levels == (0.0, 1.0)
    assert "4 of 5 methods" in found.caption


def test_controls_are_drawn_apart() -> None:
    """A control of stability is named as one and takes no colour."""
    chart = made("explanation_stability").chart
    assert isinstance(chart, Forest)
    assert [r.tone for r in chart.rows] == ["plain", "none"]
    assert chart.rows[1].label == "Control: chance"
    gaps = made("explanation_gaps").chart
    assert isinstance(gaps, Forest)
    assert gaps.reference == 0.0
