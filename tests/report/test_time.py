"""Where the time of a run went stands in its report, folded, where somebody asked for it."""

from __future__ import annotations

from dataclasses import replace

from audit.report import render
from tests.report import _sample

PARTS = {
    "ADV001": {
        "seconds": {"reading": 0.5, "forward": 40.0, "backward": 20.0, "rest": 29.5}, "forwards": 5000,
        "backwards": 2000,
    },
    "report": {"seconds": {"rest": 10.0}, "forwards": 0, "backwards": 0},
}  # fmt: skip


def page(run):
    evidence = _sample.evidence()
    return render(replace(evidence, run={**evidence.run, **run}), _sample.arrays, static=True)


def test_the_report_says_where_the_time_went():
    """A folded table with the longest part first, and one sentence on the passes."""
    text = page({"profile_time": {"parts": PARTS}})
    section = text.partition('<details class="all spent-all">')[2].partition("</details>")[0]
    assert "<summary>Where the time went</summary>" in section
    assert "took 50 % longer than their passes" in section
    assert (
        section.index("ADV001")
        < section.index('<th scope="row">report</th>')
        < section.index('<th scope="row">all</th>')
    )
    assert '<td data-label="images">5,000</td>' in section


def test_a_report_of_a_run_that_nobody_timed_has_no_such_table():
    """Off by default."""
    assert "Where the time went" not in page({})
