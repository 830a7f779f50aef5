"""The section on explanations: every method under every metric, and what that is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audit.core import Estimate, Evidence, Levels, Measurement, ProbeResult
from audit.probes.explanation import Infidelity, UnfaithfulAttribution
from audit.report._explanations import CAVEAT, methods_by_metric
from tests.report._sample import evidence as sample


def row(metric: str, method: str, value: float | None, **more: Any) -> Measurement:
    """Return one measurement with an interval of 0.1 to either side."""
    if value is None:
        found = Estimate.absent("the network has no such layer", method="t", n=50, n_patients=50)
    else:
        curve = tuple((level, value - 0.1, value + 0.1) for level in Levels().rungs)
        found = Estimate(value=value, curve=curve, method="t", n=50, n_patients=50)
    return Measurement.of(found, metric=metric, level=0.95, condition={"attribution": method}, **more)


def given(*rows: Measurement) -> Evidence:
    """Return evidence with these rows of XAI001, and one of XAI005."""
    results = (
        ProbeResult(info=UnfaithfulAttribution.info, state="completed", measurements=rows),
        ProbeResult(
            info=Infidelity.info, state="completed", measurements=(row("infidelity_advantage", "saliency", 0.5),)
        ),
    )
    return replace(sample(), results=results)


def test_methods_are_rows_and_metrics_are_columns() -> None:
    """Value with interval, or the reason, or that nobody measured it; metrics that nobody measured have no column."""
    table = methods_by_metric(
        given(
            row("deletion_advantage", "integrated_gradients", 0.3), row("deletion_advantage", "saliency", -0.2),
            row("insertion_advantage", "saliency", None),
        )
    )  # fmt: skip
    assert table.names == ("Method", "Deletion advantage", "Insertion advantage", "Infidelity advantage")
    assert [r[0] for r in table.rows] == ["Integrated gradients", "Saliency"]
    assert table.rows[0][1:] == ("0.30 (0.20 to 0.40)", "not measured", "not measured")
    assert table.rows[1][1].startswith("−0.2")
    assert table.rows[1][2] == "no number: the network has no such layer"
    assert "95 %" in table.title


def test_reasons_are_short_in_the_table() -> None:
    """The words before the colon, or where to look: the whole reason stands at the probe."""
    reason = "not qualified: it is not shown to beat every control on this model"
    absent = replace(row("deletion_advantage", "saliency", None), missing=reason)
    assert methods_by_metric(given(absent)).rows[0][1] == "no number: not qualified"
    longer = replace(absent, missing="the untrained network has no map by this method, so one control is missing")
    assert methods_by_metric(given(longer)).rows[0][1] == "no number, see below"


def test_of_several_groups_the_furthest_stands_for_all() -> None:
    """A gap by sex and site is shown where it is largest, with the name of the group."""
    table = methods_by_metric(
        given(
            row("deletion_advantage", "saliency", 0.1, subgroup={"sex": "female"}),
            row("deletion_advantage", "saliency", -0.4, subgroup={"sex": "male"}),
        )
    )
    assert table.rows[0][1].startswith("−0.4")
    assert "male" in table.rows[0][1]


def test_without_explanations_there_is_no_table() -> None:
    """An audit without a method has no table; the sentence says what faithfulness is not."""
    assert methods_by_metric(replace(sample(), results=())) is None
    assert "not clinical validity" in CAVEAT
