"""The stored simulations, the page that is made of them, and what they must keep."""

from __future__ import annotations

import pytest

from validation.statistics import _page
from validation.statistics._run import ROOT, stored
from validation.statistics.catalogue import JOBS, studies

RESULTS = stored()
ROWS = {row["id"]: row for row in RESULTS["studies"]}
LEAST = 2000


def test_every_simulation_has_results_and_no_other():
    """The stored results are those of the simulations that there are, in their order."""
    assert [row["id"] for row in RESULTS["studies"]] == [s.id for s in studies()], "run make validate-statistics"


@pytest.mark.parametrize("study", studies(), ids=lambda s: s.id)
def test_stored_acceptances_hold(study):
    """Every acceptance holds in the stored results, and every deviation that is told is one."""
    row = ROWS[study.id]
    for name, accept in study.accept.items():
        mean = row["quantities"][name]["mean"]
        assert mean is not None, f"{name} was never estimable"
        assert accept.kept(mean) != bool(accept.deviation), f"{name}: {mean}, accepted {accept} {accept.deviation}"


@pytest.mark.parametrize("study", studies(), ids=lambda s: s.id)
def test_stored_results_are_those_of_the_study(study):
    """Words, number of repeats and acceptances in the results are those of the code."""
    row = ROWS[study.id]
    assert (row["method"], row["scenario"], row["control"]) == (study.method, study.scenario, study.control)
    assert row["repeats"] == study.repeats
    assert {n: (a["low"], a["high"], a["deviation"]) for n, a in row["accept"].items()} == {
        n: (a.low, a.high, a.deviation) for n, a in study.accept.items()
    }


@pytest.mark.parametrize("study", [s for s in studies() if not s.control], ids=lambda s: s.id)
def test_enough_cohorts(study):
    """An error rate rests on at least 2,000 cohorts."""
    assert study.repeats >= LEAST


def test_every_job_has_a_control_or_needs_none():
    """Where a well-known method is bad, its failure is simulated beside ours."""
    controlled = {s.job for s in studies() if s.control}
    assert controlled == set(JOBS) - {"judge"}
    assert {s.job for s in studies()} == set(JOBS)


def test_the_page_says_what_the_results_say():
    """The generated parts of docs/statistics.md are those of the stored results."""
    text = _page.PAGE.read_text(encoding="utf-8")
    assert _page.filled(text, RESULTS) == text, "run python -m validation.statistics --page"


def test_the_page_names_every_job():
    """Every job has its heading, in the order of the catalogue."""
    text = _page.PAGE.read_text(encoding="utf-8")
    places = [text.index(f"\n## {title}\n") for title in JOBS.values()]
    assert places == sorted(places)


def test_the_page_is_linked():
    """The index of the docs leads to the page."""
    assert "(statistics.md)" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_a_page_without_a_place_for_a_job_is_refused():
    """A job that the page forgets is an error, never a silent gap."""
    with pytest.raises(ValueError, match="place in the page"):
        _page.filled("<!-- summary -->\n<!-- end -->", RESULTS)
