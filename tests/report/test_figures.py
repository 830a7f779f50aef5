"""Figures: the same numbers in the static picture, in Plotly's specification and in the table."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest

from audit.report import render
from audit.report._arrays import columns, figure
from audit.report._chart import Curve, Forest, Matrix, Row
from audit.report._figures import from_measurements
from audit.report._pictures import gallery
from audit.report._plotly import specify
from audit.report._svg import draw
from tests.report import _sample
from tests.report._sample import artifact


def charts() -> list[Any]:
    """Return every chart of the failing sample."""
    made = _sample.evidence()
    return [f.chart for r in made.results for f in from_measurements(made, r)]


def test_known_arrays_have_their_picture() -> None:
    """Each name that our probes give has a figure of the right kind."""
    kinds = {
        "roc_curve": Curve, "reliability_curve": Curve, "stratum_matrix": Matrix, "deletion_curve": Curve,
        "score_distribution": Curve,
    }  # fmt: skip
    for name, kind in kinds.items():
        stored = artifact(name, "T", levels="a|b|c|d")
        made = figure(stored, _sample.arrays(stored))
        assert made is not None
        assert isinstance(made.chart, kind)
    stored = artifact("acme_numbers", "T")
    assert figure(stored, _sample.arrays(stored)) is None


def test_a_table_keeps_every_row_until_forty() -> None:
    """Longer arrays are thinned evenly, first and last kept, and the table says so."""
    made = columns(artifact("x", "T"), {"a": np.arange(101), "b": np.linspace(0, 1, 101)})
    assert made is not None
    assert len(made.rows) + made.more == 101
    assert made.rows[0][0] == "0"
    assert made.rows[-1][0] == "100"
    assert columns(artifact("x", "T"), {"a": np.zeros((2, 2))}) is None


def test_plotly_and_svg_show_the_same_points() -> None:
    """A forest plot has one dot a number in both drawings, none for a missing one."""
    for chart in (c for c in charts() if isinstance(c, Forest)):
        known = [r for r in chart.rows if r.value is not None]
        assert draw(chart, "x").count('<circle class="dot"') == len(known)
        spec = specify(chart)
        dots = [v for t in spec["data"] if t["mode"] == "markers" for v in t["x"]]
        assert sorted(dots) == sorted(r.value for r in known)


def test_traces_need_no_webgl() -> None:
    """Only SVG traces and the heat map, which Plotly paints as a picture."""
    for chart in charts():
        assert {t["type"] for t in specify(chart)["data"]} <= {"scatter", "heatmap"}


def test_the_attack_curve_spaces_its_rungs_evenly_and_names_them() -> None:
    """Six sizes give six ticks in order, with a band around the line."""
    curves = [c for c in charts() if isinstance(c, Curve)]
    assert [words for _, words in curves[0].x_ticks] == ["0.5", "1", "2", "4", "8", "16"]
    assert {s.shape for s in curves[0].series} == {"band", "line", "dots"}
    assert curves[0].limits == (0.7,)


def test_only_the_decisive_number_takes_the_colour_of_the_verdict() -> None:
    """The picture never judges: every bar but the one that a rule rests on is neutral."""
    made = _sample.evidence()
    result = made.result("FAIR001")
    assert result is not None
    charts = [f.chart for f in from_measurements(made, result)]
    rows = [r for chart in charts if isinstance(chart, Forest) for r in chart.rows]
    assert [r.tone for r in rows if r.tone != "plain"] == ["fail", "open"]


def test_labels_are_text_in_svg_and_in_plotly() -> None:
    """A label that looks like markup is shown letter by letter."""
    chart = Forest(title="<b>t</b>", rows=(Row(label="<i>x</i> %{y}", text="1", value=1.0, low=0.5, high=1.5),))
    assert "<i>" not in draw(chart, "n")
    assert "&lt;i&gt;x&lt;/i&gt;" in draw(chart, "n")
    spec = specify(chart)
    assert "<i>" not in str(spec)
    assert all(t.get("hovertemplate", "%{text}<extra></extra>") == "%{text}<extra></extra>" for t in spec["data"])


def test_a_missing_cell_of_a_matrix_is_words() -> None:
    """A cell without a number says that it had too few cases, in both drawings."""
    stored = artifact("stratum_matrix", "T", levels="a|b|c|d")
    made = figure(stored, _sample.arrays(stored))
    assert made is not None
    assert "too few" in draw(made.chart, "n")
    assert specify(made.chart)["data"][0]["z"][3][1] is None


@pytest.mark.parametrize(
    "shape", [(2, 9, 7), (2, 1, 9, 7), (2, 2, 9, 7), (2, 3, 9, 7), (2, 4, 9, 7), (2, 9, 7, 3), (2, 1, 4, 9, 7)]
)
def test_pictures_of_any_layout_become_png(shape: tuple[int, ...]) -> None:
    """Grey and colour, channels first or last, and the middle plane of a volume."""
    from PIL import Image

    stack = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    made = gallery(artifact("missed_cases", "T", pixels=True), {"images": stack, "score": np.array([0.5, np.nan])})
    assert made is not None
    assert made.cases[0].caption == "Score 0.5"
    assert made.cases[1].caption == "Case 2"
    data = base64.b64decode(made.cases[0].panels[0].source.removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).size == (7, 9)


def test_many_stored_curves_do_not_crowd_out_the_intervals() -> None:
    """A model of many classes keeps its forest plot, and the page says how many curves it leaves out."""
    from dataclasses import replace

    made = _sample.evidence()
    stored = tuple(artifact("roc_curve", f"ROC curve {i}") for i in range(14))
    found = tuple(replace(r, artifacts=stored) if r.probe == "FAIR001" else r for r in made.results)
    text = render(replace(made, results=found), _sample.arrays, static=True)
    part = text[text.index('id="FAIR001"') : text.index("</article>", text.index('id="FAIR001"'))]
    assert part.count("<figure") == 10
    assert "Sensitivity gap by sex" in part
    assert "further figures left out" in part


def test_an_attribution_lies_over_its_image() -> None:
    """A map of another range is laid over the grey image; where it is zero the image stays as it is."""
    from PIL import Image

    images = np.full((1, 8, 8), 100, dtype=np.uint8)
    heat = np.zeros((1, 8, 8))
    heat[0, 2, 2] = 5.0
    made = gallery(artifact("attribution_examples", "T", pixels=True), {"attribution": heat, "images": images})
    assert made is not None
    panel = next(p for p in made.cases[0].panels if p.name == "attribution")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(panel.source.split(",")[1]))))
    assert pixels[0, 0].tolist() == [100, 100, 100]
    assert pixels[2, 2, 0] > 200 > pixels[2, 2, 2]
