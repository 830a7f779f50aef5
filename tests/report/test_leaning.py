"""The section on confounders answers in plain words whether the model leans on each, and what is left without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.core import Evidence, Measurement, ProbeResult
from audit.report import render
from audit.report._leaning import BY_DECLARATION, leaning, limits_of_labels
from tests.report import _sample
from tests.report._build import info, measured

EACH: dict[str, Any] = {"bounds": (-1.0, 1.0)}


def result(code: str, metric: str, measurements: tuple[Measurement, ...]) -> ProbeResult:
    """Return a probe's result."""
    entry = info(code, "name", "Title", "Question?", metric)
    return ProbeResult(info=entry, state="completed", measurements=measurements)


def with_results(*results: ProbeResult, **cohort: Any) -> Evidence:
    """Return evidence of these probes alone."""
    made = _sample.evidence()
    return replace(made, results=results, findings=(), cohort={**made.cohort, **cohort})


def balanced(cost: float | None, *, half: float = 0.01, name: str = "ward", missing: str | None = None) -> ProbeResult:
    """Return a result of CONF001 with one confounder."""
    where = {"condition": {"attribute": name}}
    rows = [measured("confounder_cost", cost, half, missing=missing, **EACH, **where)]
    if cost is not None:
        rows += [
            measured("auc_balanced", 0.82, 0.02, **where), measured("auc_within", 0.9, 0.02, **where),
            measured("random_drop", 0.0, 0.006, **EACH, **where),
        ]  # fmt: skip
    return result("CONF001", "confounder_cost", tuple(rows))


def follows() -> ProbeResult:
    """Return a result of CONF002: ward b is told among controls, and its mirror image."""
    condition = {"attribute": "ward", "stratum": "controls"}
    rows = [
        measured("score_shift_auc", v, 0.03, subgroup={"ward": level}, condition=condition)
        for level, v in (("a", 0.2), ("b", 0.8))
    ]
    return result("CONF002", "score_shift_auc", tuple(rows))


REASONS = {"attributes": [{"name": "ward", "roles": ["confounder"], "reason": "the ill lie in ward b"}]}


def test_a_confounder_has_its_answer_in_one_row() -> None:
    """Why it is one, yes with the cost, what is left, the control, the shift of the level above 0.5, and patients."""
    table = leaning(with_results(balanced(0.08), follows(), **REASONS))
    assert table is not None
    assert table.rows == (
        (
            "Ward: the ill lie in ward b", "Yes: it costs 0.080 (0.070 to 0.090)",
            "AUC 0.820 (0.800 to 0.840); within levels 0.900 (0.880 to 0.920)", "0.000 (−0.006 to 0.006)",
            "b: 0.800 (0.770 to 0.830)", "800",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    "cost, said", [(0.08, "Yes: it costs"), (0.004, "Not shown: "), (-0.05, "Not to its gain: balanced, the AUC gains")]
)
def test_the_answer_says_what_the_interval_shows(cost: float, said: str) -> None:
    """Above 0: yes; around 0: not shown, never no; below 0: not to its gain."""
    table = leaning(with_results(balanced(cost)))
    assert table is not None
    assert table.rows[0][1].startswith(said)
    assert "No:" not in table.rows[0][1]


def test_a_missing_number_is_no_answer() -> None:
    """Its reason stands in place of an answer."""
    table = leaning(with_results(balanced(None, missing="fewer than 20 patients in cases b: 3")))
    assert table is not None
    assert table.rows[0][1:4] == ("No answer: fewer than 20 patients in cases b: 3", "no number", "no number")


def test_a_confounder_without_its_reason_is_exposed() -> None:
    """Evidence from elsewhere may lack the reason, and the table says so; jointly none is needed."""
    bare = {"attributes": [{"name": "ward", "roles": ["confounder"]}]}
    table = leaning(with_results(balanced(0.08), balanced(0.08, name="(joint)"), **bare))
    assert table is not None
    assert [row[0] for row in table.rows] == ["Ward: no reason is given", "All confounders jointly"]


def test_no_confounder_no_table() -> None:
    """Where CONF001 gave nothing there is no table."""
    assert leaning(with_results(follows())) is None


def test_the_section_prints_table_and_declaration() -> None:
    """Both stand in the page, the reason with them."""
    made = _sample.evidence()
    others = tuple(r for r in made.results if r.probe != "CONF001")
    text = render(
        replace(made, results=(*others, balanced(0.08)), cohort={**made.cohort, **REASONS}), _sample.arrays, static=True
    )
    assert "Ward: the ill lie in ward b" in text
    assert BY_DECLARATION.split(":")[0] in text


def sources(target: float) -> ProbeResult:
    """Return a result of DATA005."""
    m = measured("association", target, 0.02, condition={"attribute": "(target)"})
    return result("DATA005", "association", (m,))


def test_labels_from_several_sources_limit_what_is_said() -> None:
    """A source that goes with the target, and verification that differs, are named; a weak association is not."""
    m = measured("share_unverified", 0.3, 0.02)
    verified = result("DATA010", "x", (m,))
    said = limits_of_labels(with_results(sources(0.35), verified))
    assert "goes with the target at 0.350 (0.330 to 0.370) (Cramér's V, DATA005)" in said
    assert "not all verified in the same way (DATA010)" in said
    assert limits_of_labels(with_results(sources(0.05))) == ""
