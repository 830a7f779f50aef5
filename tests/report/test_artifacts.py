"""Every array that a probe of this suite stores has a figure, drawn twice, or a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import StoredArtifact
from audit.report._arrays import columns, figure
from audit.report._arrays_attacks import ATTACKED
from audit.report._arrays_curves import CURVES
from audit.report._arrays_explain import EXPLAINED
from audit.report._arrays_rows import ROWS
from audit.report._chart import Curve, Forest
from audit.report._plotly import specify
from audit.report._svg import draw
from tests.report._build import artifact

X = np.linspace(0, 1, 12)
THREE = np.array(["a", "b", "c"])
LOW, MID, HIGH = np.array([-0.2, 0.0, 0.1]), np.array([-0.1, 0.1, 0.2]), np.array([0.1, 0.2, 0.4])
N = np.array([40, 30, 20])
BINS: dict[str, Any] = {
    "predicted": X,
    "observed": X**1.2,
    "low": X**1.2 * 0.8,
    "high": np.minimum(1, X + 0.1),
    "n": X * 9 + 9,
}
STORED: dict[str, dict[str, Any]] = {
    "roc_curve": {"fpr": X, "tpr": X**0.3},
    "roc_by_level": {"level": np.repeat([0, 1, 2], 4), "fpr": np.tile(X[::3], 3), "tpr": np.tile(X[::3] ** 0.4, 3)},
    "reliability_curve": BINS, "calibration_at_horizon": BINS,
    "reliability_by_level": {**BINS, "level": np.repeat(THREE, 4)},
    "operating_curve": {
        "threshold": X, "sensitivity": 1 - X, "sensitivity_low": 1 - X - 0.01, "sensitivity_high": 1 - X,
        "specificity": X, "specificity_low": X, "specificity_high": X, "called_positive": 1 - X,
    },
    "decision_curve": {
        "threshold": X, "model": 0.1 - X / 9, "low": -X / 9, "high": 0.2 - X / 9, "treat_all": 0.1 - 9 * X,
        "treat_none": 0 * X,
    },
    "risk_coverage": {"coverage": X, "risk": X / 4, "low": X / 5, "high": X / 3, "n": X * 90 + 10},
    "paired_errors": {"share": X, "model": X * 2, "comparator": X * 3},
    "bland_altman": {"mean": X, "difference": X - 0.5},
    "score_distribution": {"edges": np.linspace(0, 1, 4), "negatives": N, "positives": N[::-1]},
    "output_spread": {"edges": np.linspace(0, 9, 4), "model": N, "reference": N[::-1]},
    "deletion_curve": {"fraction": X, "attribution": 1 - X, "edge": 1 - X / 2, "random": 1 - X / 3, "method b": X},
    "insertion_curve": {"fraction": X, "attribution": X, "edge": X / 2},
    "deletion_margins": {"control": np.array(["random", "edge", "untrained"]), "difference": MID, "low": LOW,
                         "high": HIGH},
    "insertion_margins": {"control": np.array(["random", "edge", "untrained"]), "difference": MID, "low": LOW,
                          "high": HIGH},
    "infidelity_by_map": {"map": np.array(["saliency", "random", "edge"]), "control": np.array([False, True, True]),
                          "infidelity": HIGH, "low": MID, "high": HIGH, "n_patients": N},
    "transfer_curve": {
        "epsilon": np.arange(3.0), "share_right": np.array([[0.9, 0.8, 0.7], [0.9, 0.7, 0.2]]),
        "share_right_on_surrogate": np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]),
        "relation": np.array(["other init", "other data"]), "question": np.array(["", "effusion"]),
    },
    "minimal_perturbations": {"size": X},
    "targeted_rates": {
        "epsilon": np.arange(3.0), "rate": np.array([[0.1, 0.5, 1.0], [0.0, 0.2, 0.3]]),
        "finding": np.array(["", ""]), "want": np.array(["miss", "false alarm"]),
    },
    "sparse_curve": {"pixels": np.array([0, 1, 4]), "share_right": np.array([[0.9, 0.5, 0.1]]),
                     "question": np.array([""])},
    "universal_perturbation": {
        "perturbation": np.zeros((2, 1, 4, 4)), "stratum": np.array(["all", "positive"]), "epsilon": np.arange(3.0),
        "share_right": np.array([[0.9, 0.5, 0.2], [-1.0, -1.0, -1.0]]),
    },
    "query_curve": {"queries": np.array([1.0, 10.0, 200.0]), "share_right": np.array([1.0, 0.6, 0.3])},
    "attack_controls": {"condition": np.array(["no change", "attack", "shuffled"]), "share_right": HIGH},
    "attack_visibility": {"psnr_db": 40 + X, "ssim": 1 - X / 9, "overturned": X > 0.4},
    "stored_range": {"low": X * 3, "high": X * 3 + 250},
    "agreement_by_reader": {
        "name": THREE, "reader": MID, "reader_low": LOW, "reader_high": HIGH, "model": MID, "model_low": LOW,
        "model_high": HIGH, "n": N, "n_patients": N,
    },
    "comparator_advantages": {
        "comparator": THREE, "metric": np.array(["auc_advantage"] * 3), "value": MID, "low": LOW, "high": HIGH, "n": N,
        "n_patients": N,
    },
    "association_parity": {
        "determinant": THREE, "reference": MID, "reference_low": LOW, "reference_high": HIGH, "automatic": MID,
        "automatic_low": LOW, "automatic_high": HIGH, "n_patients": N,
    },
    "metric_disagreements": {
        "pair": THREE, "state": THREE, "class": np.array(["", "x", ""]), "disagreement": MID, "low": LOW, "high": HIGH,
    },
    "gap_decomposition": {
        "level": THREE, "threshold_part": MID, "threshold_low": LOW, "threshold_high": HIGH, "ranking_part": MID,
        "ranking_low": LOW, "ranking_high": HIGH, "n_patients": N,
    },
    "gap_by_stratum": {
        "level": THREE, "stratum": np.array(["all", "A", "B"]), "gap": np.array([0.1, np.nan, 0.2]), "low": LOW,
        "high": HIGH, "n_patients": N,
    },
    "subgroup_search": {
        "subgroup": THREE, "gap": np.array([-0.2, np.nan, np.nan]), "low": LOW, "high": HIGH, "gap_where_searched": MID,
        "n_patients": N,
    },
    "operational_load": {
        "kind": np.array(["alerts", "false_alarms", "misses"]), "value": MID, "low": LOW, "high": HIGH},
    "population_shares": {"level": THREE, "cohort": np.array([0.2, 0.3, 0.5]), "declared": np.array([0.3, 0.3, 0.4])},
}  # fmt: skip
STORED["net_benefit_curve"] = STORED["decision_curve"]
META: dict[str, dict[str, Any]] = {
    "roc_by_level": {"levels": "north|south|east"},
    "roc_curve": {"model_fpr": 0.2, "model_tpr": 0.7, "comparator_fpr": 0.1, "comparator_tpr": 0.6,
                  "parameter": "reader"},
    "operating_curve": {"operating_point": 0.4},
    "decision_curve": {"operating_point": 0.3, "stratum": "in this sample"},
    "bland_altman": {"mean": 0.1, "mean_from": 0.0, "mean_to": 0.2, "low": -0.4, "low_from": -0.5, "low_to": -0.3},
    "agreement_by_reader": {"difference": 0.1, "difference_low": 0.0, "difference_high": 0.2},
    "minimal_perturbations": {"cases": 24, "largest": 2.0, "noise_sd": 0.5, "class": "effusion"},
    "association_parity": {"slope_ratio": 0.8}, "stored_range": {"declared_low": 0.0, "declared_high": 255.0},
}  # fmt: skip


def made(name: str) -> Any:
    """Return the figure of a stored artifact."""
    found = figure(artifact(name, f"Title of {name}", **META.get(name, {})), STORED[name])
    assert found is not None
    return found


def test_each_drawn_artifact_is_among_those_below() -> None:
    """No maker of a figure is without a test."""
    assert set(STORED) == {*ATTACKED, *CURVES, *EXPLAINED, *ROWS}


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_stored_artifact_is_drawn_twice_from_the_same_numbers(name: str) -> None:
    """The static picture has a title and no coordinate that is no number; Plotly gets plain JSON."""
    found = made(name)
    svg, spec = draw(found.chart, "f"), specify(found.chart)
    assert svg.count("<title") == 1
    assert "nan" not in svg
    assert spec["data"]
    assert {t["type"] for t in spec["data"]} <= {"scatter", "bar"}
    assert found.caption.startswith(f"Title of {name}")


def test_both_points_of_use_stand_on_the_curves() -> None:
    """The model and its comparator are marked where they are used."""
    dots = [s for s in made("roc_curve").chart.series if s.shape == "dots"]
    assert [(s.ink, s.x, s.y) for s in dots] == [(1, (0.2,), (0.7,)), (2, (0.1,), (0.6,))]
    assert made("roc_curve").caption.endswith("Dots: as used.")


def test_the_operating_point_is_a_line_in_both_drawings() -> None:
    """At the place of the threshold, from the foot to the top."""
    chart = made("operating_curve").chart
    assert chart.marks == (0.4,)
    assert {"x0": 0.4, "x1": 0.4, "yref": "paper"}.items() <= specify(chart)["layout"]["shapes"][-1].items()
    assert 'class="limit"' in draw(chart, "f")


def test_a_subgroup_that_was_not_tested_again_has_no_number() -> None:
    """What a search found and nobody confirmed stays without a dot."""
    rows = made("subgroup_search").chart.rows
    assert [r.value for r in rows] == [-0.2, None, None]
    assert rows[1].reason == "not tested on the other half"


def test_more_than_four_levels_are_said_to_be_left_out() -> None:
    """Four colours and dashes can be told apart; the caption says how many levels there are."""
    level = np.repeat(np.array(list("abcdef")), 2)
    found = figure(artifact("reliability_by_level", "R"), {**BINS, "level": level, "n": np.arange(12)})
    assert found is not None
    assert isinstance(found.chart, Curve)
    assert {s.name for s in found.chart.series} == set("cdef")
    assert "The 4 largest of 6 levels" in found.caption


def test_bars_of_counts_stand_on_the_foot() -> None:
    """The tallest bar of a reliability curve takes a sixth of the height, in proportion to the cases."""
    bars = next(t for t in specify(made("reliability_curve").chart)["data"] if t["type"] == "bar")
    assert max(bars["y"]) == pytest.approx(1 / 6)
    assert bars["y"][0] / bars["y"][-1] == pytest.approx(0.5)


def test_margin_and_both_intervals_are_drawn() -> None:
    """A forest plot with a limit has a shade, a dashed line and its words; the thin line is the interval of all."""
    from audit.report._chart import Row

    row = Row(label="female", text="−0.1", value=-0.1, low=-0.2, high=0.0, outer=(-0.3, 0.1), counts="75 patients")
    gone = Row(
        label="(missing)", text="", value=None, counts="2 patients", reason="no number: 2 patients, 5 are needed"
    )
    chart = Forest(title="T", rows=(row, gone), least=-0.15, reference=0.0)
    svg, spec = draw(chart, "f"), specify(chart)
    assert svg.count('class="outer"') == svg.count('class="iv"') == svg.count('class="good"') == 1
    assert "limit ≥ −0.15" in svg
    assert "no number: 2 patients, 5 are" in svg
    widths = [t["line"]["width"] for t in spec["data"] if t.get("mode") == "lines"]
    assert widths == [1.5, 7]
    assert "limit ≥ −0.15" in [a["text"] for a in spec["layout"]["annotations"]]


def test_figures_of_attacks_show_their_controls() -> None:
    """The surrogate stands beside the audited model, cases that nothing turned count, strata without cases are out."""
    names = list(dict.fromkeys(s.name for s in made("transfer_curve").chart.series))
    assert names[:2] == ["other data, effusion: audited model", "other data, effusion: surrogate itself"]
    smallest = made("minimal_perturbations")
    assert smallest.chart.series[0].y[-1] == 0.5
    assert smallest.chart.marks == (0.5,)
    assert "Dashed: the noise of this cohort, 0.5" in smallest.caption
    assert {s.name for s in made("universal_perturbation").chart.series} == {"all"}
    assert {s.name for s in made("targeted_rates").chart.series} == {"missed", "false alarms"}
    assert [r.label for r in made("attack_controls").chart.rows] == ["No change", "Attack", "Shuffled"]


def test_every_drawn_artifact_is_stored_by_a_probe() -> None:
    """No maker of a figure waits for arrays that nothing stores."""
    root = Path(__file__).resolve().parents[2] / "audit" / "probes"
    text = "\n".join(p.read_text() for p in sorted(root.rglob("*.py")))
    made = {f"{direction}_{kind}" for direction in ("deletion", "insertion") for kind in ("curve", "margins")}
    names = set(re.findall(r'sink\.artifact\(\s*f?"([a-z_{}]+)"', text)) | made
    assert {*ATTACKED, *CURVES, *EXPLAINED, *ROWS} <= names


def test_unequal_columns_and_words_become_a_table() -> None:
    """A third party's arrays of words and numbers are printed row by row."""
    stored = StoredArtifact(name="acme", title="Acme", file="f", sha256="0" * 64, columns=("a", "b"))
    table = columns(stored, {"a": np.array(["x", "y"]), "b": np.array([1.0, np.nan])})
    assert table is not None
    assert table.rows == (("x", "1"), ("y", "no number"))


def test_a_method_is_drawn_among_its_controls() -> None:
    """The room of all controls, the closest one by name, chance, and the method in front; other methods are not."""
    found = made("deletion_curve")
    assert [(s.name, s.shape) for s in found.chart.series] == [
        ("all 2 controls", "band"), ("edges", "line"), ("chance", "line"), ("attribution", "line"),
    ]  # fmt: skip
    assert "Closest control: edges." in found.caption
    assert "Closest control: edges." in made("insertion_curve").caption
    assert [r.label for r in made("infidelity_by_map").chart.rows] == [
        "Saliency", "Control: chance", "Control: edges",
    ]  # fmt: skip
