"""Figures of models that were trained again say what was trained, and that it is said of the recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.report._arrays import figure
from audit.report._arrays_training import OF_RECIPE, TRAINING
from audit.report._chart import Curve, Forest, Matrix
from audit.report._figures import Figure
from audit.report._plotly import specify
from audit.report._svg import draw
from audit.report._words import definition, metric_name
from tests.report._sample import artifact

FIVE = {"value": np.linspace(0.7, 0.9, 5), "low": np.linspace(0.6, 0.85, 5), "high": np.linspace(0.8, 0.95, 5)}
TABLE = np.array([[0.91, 0.66], [0.91, 0.86]])
STORED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "learning_curve": (
        {"cases": np.array([100, 200, 400, 800, 1600]), **FIVE}, {"performance": "AUC", "target": 0.85, "model": 0.88}
    ),
    "four_cells": (
        {"auc": TABLE, "low": TABLE - 0.05, "high": TABLE + 0.05, "shift": np.array([0.99, 0.8]),
         "shift_low": np.array([0.97, 0.7]), "shift_high": np.array([1.0, 0.9])},
        {"level": "male", "rest": "female", "cases": 80, "controls": 90, "share_of_cases": 0.85,
         "share_of_controls": 0.35},
    ),
    "share_curve": (
        {"share": np.array([0, 0.25, 0.5, 0.75, 1]), "auc": np.array([FIVE["value"], FIVE["value"][::-1]]),
         "low": np.array([FIVE["low"], FIVE["low"][::-1]]), "high": np.array([FIVE["high"], FIVE["high"][::-1]])},
        {"level": "male", "rest": "female"},
    ),
    "transfer": (
        FIVE, {"arms": "source only|pooled|target only|weighted|reweighted", "source_cases": 300, "target_cases": 40,
               "performance": "AUC"},
    ),
    "noise_curve": (
        {"place": np.array([0, 0.1, 0.2, 0.3, 0.4]), **FIVE},
        {"names": "as they are|flips of 10 %|flips of 20 %|flips of 30 %|flips of 40 %", "performance": "AUC"},
    ),
}  # fmt: skip


def made(name: str, **change: Any) -> Figure | None:
    """Return the figure of one artifact as it is stored above, with some arrays changed."""
    arrays, meta = STORED[name]
    return figure(artifact(name, "T", **meta), {**arrays, **change})


@pytest.mark.parametrize("name", sorted(TRAINING))
def test_each_is_drawn_twice_and_says_of_what(name: str) -> None:
    """Static and for Plotly, with a caption that names the recipe."""
    found = made(name)
    assert found is not None
    assert isinstance(
        found.chart, {"learning_curve": Curve, "share_curve": Curve, "four_cells": Matrix}.get(name, Forest)
    )
    assert found.caption.endswith(OF_RECIPE)
    assert "<svg" in draw(found.chart, "x")
    assert specify(found.chart)["data"]


def test_the_learning_curve_marks_target_and_model() -> None:
    """Dashed at the target, thin at the audited model, ticks at the numbers of cases."""
    found = made("learning_curve")
    assert found is not None
    assert isinstance(found.chart, Curve)
    assert found.chart.limits == (0.85,)
    assert found.chart.levels == (0.88,)
    assert [words for _, words in found.chart.x_ticks] == ["100", "200", "400", "800", "1,600"]
    assert "0.880" in found.caption


def test_the_four_cells_say_what_biased_means_and_what_sex_does_to_the_score() -> None:
    """Shares, trainings and the shift after either training stand in the caption; each cell has its interval."""
    found = made("four_cells")
    assert found is not None
    assert isinstance(found.chart, Matrix)
    assert found.chart.texts == (("0.91", "0.66"), ("0.91", "0.86"))
    assert found.chart.notes[0][1] == "0.61 to 0.71"
    assert "85 % of the cases and 35 % of the controls are male" in found.caption
    assert "an AUC of 0.99 (0.970 to 1.00) after biased training and of 0.80 (0.70 to 0.90) after" in found.caption


def test_a_cell_without_a_number_says_so() -> None:
    """Neither a 0 nor a NaN is written."""
    found = made("four_cells", auc=np.array([[np.nan, 0.66], [0.91, 0.86]]), shift=np.array([np.nan, 0.8]))
    assert found is not None
    assert isinstance(found.chart, Matrix)
    assert found.chart.texts[0][0] == "no number"
    assert "nan" not in found.caption.lower() + draw(found.chart, "x").lower()


def test_a_share_without_a_number_is_left_out_of_its_curve() -> None:
    """Where the budget ended there is no point, and no curve where there is none at all."""
    gone = np.array([FIVE["value"], np.full(5, np.nan)])
    found = made("share_curve", auc=gone)
    assert found is not None
    assert isinstance(found.chart, Curve)
    assert {s.name for s in found.chart.series} == {"tested on male"}
    assert made("share_curve", auc=np.full((2, 5), np.nan)) is None


def test_lines_stand_at_what_is_without_errors_and_without_target_cases() -> None:
    """The first row is what the others are held against."""
    for name in ("transfer", "noise_curve"):
        found = made(name)
        assert found is not None
        assert isinstance(found.chart, Forest)
        assert found.chart.reference == found.chart.rows[0].value


def test_metrics_have_words() -> None:
    """Each metric of the four probes has a name and a definition of its own."""
    from audit.probes import PROBES

    for probe in PROBES:
        if probe.info.code in ("PERF007", "SHIFT004", "DATA011"):
            for metric in probe.info.metrics:
                assert metric_name(metric, probe.info.code) != metric.replace("_", " ")
                assert definition(metric, probe.info.code)
