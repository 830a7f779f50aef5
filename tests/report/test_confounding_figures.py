"""Figures of the confounding family say what is left without a confounder, with counts, and draw controls apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.core import StoredArtifact
from audit.report._arrays import figure
from audit.report._arrays_confounding import CONFOUNDING
from audit.report._chart import Forest, Matrix
from audit.report._figures import Figure
from audit.report._plotly import specify
from audit.report._svg import draw

TWO = {"value": np.array([0.8, 0.5]), "low": np.array([0.7, 0.4]), "high": np.array([0.9, 0.6])}
PART = {**TWO, "n_patients": np.array([200, 100])}
STORED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stratum_matrix": (
        {"auc": np.array([[0.9, 0.46], [0.98, 0.91]]), "n_cases": np.array([30, 170]),
         "n_controls": np.array([130, 70])},
        {"attribute": "ward", "levels": "a|b", "pooled": 0.932, "within": 0.905, "balanced": 0.816,
         "reason": "one scanner served the oncology ward."},
    ),
    "scores_by_level": (
        {"side": np.array(["controls", "cases"]), "level": np.array(["a", "b"]), "n_patients": np.array([9, 8]),
         **{k: np.array([v, v + 0.1]) for k, v in (("q05", 0.1), ("q25", 0.2), ("q50", 0.3), ("q75", 0.4),
                                                    ("q95", 0.5))}},
        {"attribute": "ward", "p_controls": 0.0004, "p_cases": 0.31},
    ),
    "pooled_within": (
        {"part": np.array(["pairs within a level", "north"]), **PART},
        {"attribute": "site", "pooled": 0.8, "gain": 0.25, "share": 0.5, "reversed": True},
    ),
    "metadata_auc": ({"columns": np.array(["age, logistic regression", "the file, boosted trees"]), **PART}, {}),
    "decodability": (
        {"part": np.array(["male, features, all", "male, features, untrained network"]),
         "control": np.array([False, True]), **PART},
        {"attribute": "sex"},
    ),
    "resampled_auc": (
        {"part": np.array(["whole cohort: change", "male: gap that is left"]), **PART}, {"attribute": "sex"},
    ),
}  # fmt: skip


def made(name: str, **meta: Any) -> Figure:
    """Return the figure of one artifact as it is stored above."""
    arrays, facts = STORED[name]
    stored = StoredArtifact(
        name=name, title=f"Title of {facts.get('attribute', 'it')}", file="f", sha256="0" * 64, columns=tuple(arrays),
        meta={**facts, **meta},
    )  # fmt: skip
    found = figure(stored, arrays)
    assert found is not None
    return found


def test_every_figure_is_tried_here() -> None:
    """No maker is without a test."""
    assert set(STORED) == set(CONFOUNDING)


@pytest.mark.parametrize("name", sorted(STORED))
def test_both_drawings_are_made(name: str) -> None:
    """Once as a static picture and once for Plotly, with the same words."""
    chart = made(name).chart
    svg, spec = draw(chart, "n"), str(specify(chart))
    if isinstance(chart, Matrix):
        assert all(text in svg and text in spec for row in chart.texts for text in row)
    else:
        assert isinstance(chart, Forest)
        assert all(row.text in svg for row in chart.rows)


def test_the_matrix_has_its_counts_and_says_what_is_left() -> None:
    """Cases x controls stand in every cell of both drawings; the caption says what is left, and the reason."""
    found = made("stratum_matrix")
    assert isinstance(found.chart, Matrix)
    assert found.chart.notes == (("30 x 130", "30 x 70"), ("170 x 130", "170 x 70"))
    assert "30 x 70" in draw(found.chart, "n")
    assert "30 x 70" in str(specify(found.chart))
    for words in ("is: 0.932", "left without ward: 0.816", "because: one scanner served the oncology ward."):
        assert words in found.caption


def test_a_matrix_of_many_levels_has_its_counts_below() -> None:
    """Eight columns leave no room for counts in the cells: they stand in the caption, once a level."""
    arrays = {"auc": np.full((8, 8), 0.9), "n_cases": np.arange(21, 29), "n_controls": np.arange(41, 49)}
    artifact = StoredArtifact(
        name="stratum_matrix",
        title="t",
        file="f",
        sha256="0",
        columns=tuple(arrays),
        meta={"levels": "a|b|c|d|e|f|g|h"},
    )
    found = figure(artifact, arrays)
    assert found is not None
    assert isinstance(found.chart, Matrix)
    assert found.chart.notes == ()
    assert "Cases x controls of each level: a 21 x 41, b 22 x 42," in found.caption


def test_all_confounders_jointly_have_a_name() -> None:
    """The joint matrix speaks of all confounders, never of a word in brackets."""
    caption = made("stratum_matrix", attribute="(joint)").caption
    assert "left without all confounders: 0.816" in caption
    assert "(joint)" not in caption


def test_a_small_p_is_bounded_and_a_large_one_is_no_evidence() -> None:
    """The permutation p stands in the caption with what it does not say."""
    caption = made("scores_by_level").caption
    assert "controls below 0.001, cases 0.31" in caption
    assert "a large p is no evidence of no shift" in caption


def test_a_reversal_is_named() -> None:
    """The caption speaks of Simpson where there is a reversal and nowhere else."""
    assert "Simpson reversal" in made("pooled_within").caption
    assert "0.250 is made between levels" in made("pooled_within").caption
    assert "Simpson" not in made("pooled_within", reversed=False).caption


def test_controls_of_decodability_are_grey() -> None:
    """A control has another tone and its name, so that nobody takes it for a finding."""
    chart = made("decodability").chart
    assert isinstance(chart, Forest)
    assert [(r.tone, "(control)" in r.label) for r in chart.rows] == [("plain", False), ("none", True)]
