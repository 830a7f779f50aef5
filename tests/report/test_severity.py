"""Severity curves show the range in clinical use and where too much is lost; a table says what breaks first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.report._arrays_severity import SEVERITY, severity_curve
from audit.report._plotly import specify
from audit.report._severity_table import first_to_break, severity_table
from audit.report._svg import draw
from audit.report._words import measured_name
from tests.judge._make import measurement
from tests.report._build import artifact

S = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
CHANGE = np.array([-0.3, -0.12, 0.0, 0.01, -0.02])
ARRAYS: dict[str, Any] = {
    "quantity": np.repeat(np.array(["auc", "sensitivity"]), 5),
    "severity": np.tile(S, 2),
    "change": np.concatenate([CHANGE / 10, CHANGE]),
    "low": np.concatenate([CHANGE / 10 - 0.02, CHANGE - 0.05]),
    "high": np.concatenate([CHANGE / 10 + 0.02, CHANGE + 0.05]),
    "similarity": np.ones(10),
}
META: dict[str, Any] = {
    "parameter": "gain", "unit": "share", "amount": "change of the brightness", "tolerated": 0.05, "higher": True,
    "in_use_low": -0.1, "in_use_high": 0.1, "source": "survey", "n": 200, "critical_less": 0.04, "critical_more": None,
}  # fmt: skip


def made(**more: Any) -> Any:
    found = severity_curve(artifact("severity_curve", "Change with gain", **{**META, **more}), ARRAYS)
    assert found is not None
    return found


def test_the_range_in_use_is_shaded_and_the_critical_severity_is_marked() -> None:
    """A band over the whole height from -0.1 to 0.1, a dashed line at -0.04 and one at the tolerated loss."""
    chart = made().chart
    band = chart.series[0]
    assert (band.name, band.shape, band.x) == ("in clinical use", "band", (-0.1, 0.1))
    assert (band.y[0], band.top[0]) == chart.y_domain
    assert chart.marks == (-0.04,)
    assert chart.limits == (-0.05,)
    assert "Shaded: in clinical use (survey)" in made().caption
    assert "lost from −0.04 share on" in made().caption


def test_what_is_not_declared_is_said() -> None:
    """Without a range nothing is shaded; without a crossing nothing is marked; a growing error is lost upwards."""
    bare = made(in_use_low=None, in_use_high=None, critical_less=None)
    assert all(s.shape != "band" for s in bare.chart.series)
    assert "all of it is exploratory" in bare.caption
    assert "is not reached" in bare.caption
    assert made(higher=False).chart.limits == (0.05,)
    assert made(tolerated=None).chart.limits == ()


def test_both_drawings_are_of_the_same_numbers() -> None:
    """The static picture has one title and no coordinate that is no number; Plotly gets plain JSON."""
    found = made()
    svg, spec = draw(found.chart, "f"), specify(found.chart)
    assert svg.count("<title") == 1
    assert "nan" not in svg
    assert spec["data"]
    assert {s.name for s in found.chart.series} == {"in clinical use", "AUC", "sensitivity"}


def test_a_number_without_intervals_is_left_out() -> None:
    """Where nothing has a value there is no figure; where some have, they are drawn."""
    gone = {**ARRAYS, "change": np.full(10, np.nan)}
    assert severity_curve(artifact("severity_curve", "t", **META), gone) is None
    partly = {**ARRAYS, "low": np.where(ARRAYS["quantity"] == "auc", np.nan, ARRAYS["low"])}
    found = severity_curve(artifact("severity_curve", "t", **META), partly)
    assert found is not None
    assert "AUC" not in {s.name for s in found.chart.series}  # type: ignore[union-attr]


def test_the_table_names_what_breaks_first() -> None:
    """Lost ones with their severity, then those that may be lost within the range in use; others are counted."""
    arrays = {
        "change": np.array(["gain", "noise", "motion"]), "direction": np.array(["less", "more", "more"]),
        "quantity": np.array(["sensitivity", "auc", "auc"]), "lost_at": np.array([0.04, np.nan, np.nan]),
        "not_before": np.array([0.0, 0.01, 2.0]), "surely_from": np.array([0.1, 1.0, 50.0]),
        "tried_up_to": np.array([0.2, 0.08, 2.0]),
        "in_use_up_to": np.array([0.1, 0.04, 1.0]), "unit": np.array(["share", "share", "mm"]),
    }  # fmt: skip
    table = severity_table(artifact("severity_summary", "What breaks first", tolerated=0.05), arrays)
    assert table.rows == (
        ("Gain, down", "sensitivity", "0.04 share", "0", "0.1"),
        ("Noise, up", "AUC", "not up to 0.08", "0.01", "0.04"),
    )
    assert "more than 0.05 is lost; 1 further" in table.title
    summary = artifact("severity_summary", "What breaks first", tolerated=0.05, n_patients=200)
    assert first_to_break(summary, arrays) == (
        "First to break it: gain, turned down. More than 0.05 of the sensitivity is lost from 0.04 share on "
        "(interval 0 to 0.1, 200 patients); up to 0.1 is in clinical use."
    )
    calm = {**arrays, "lost_at": np.full(3, np.nan)}
    assert first_to_break(summary, calm) == (
        "No change of the acquisition that was tried costs more than 0.05 by its value (200 patients); what "
        "the intervals leave open is in the table."
    )


def test_a_severity_reads_as_words() -> None:
    """Knob, severity and direction stand in the order in which they are said."""
    m = measurement(
        0.9, metric="performance", condition={"parameter": "mr_noise", "severity": 0.05, "stratum": "sensitivity"}
    )
    assert measured_name(m).endswith("sensitivity, mr noise, severity: 0.05")
    everything = measurement(0.9, metric="performance", condition={"parameter": "(combined)", "stratum": "auc"})
    assert measured_name(everything).endswith("AUC, all properties at once")
    way = measurement(0.1, metric="critical_severity", condition={"parameter": "mr_gain", "protocol": "less"})
    assert measured_name(way) == "critical severity, mr gain, turned down"


@pytest.mark.parametrize("name", sorted(SEVERITY))
def test_the_figure_is_stored_by_a_probe(name: str) -> None:
    """No maker waits for arrays that nothing stores."""
    from audit.probes.shift import _severity_figures

    assert f'"{name}"' in Path(_severity_figures.__file__).read_text(encoding="utf-8")
