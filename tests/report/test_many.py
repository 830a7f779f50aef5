"""With sixty subgroups and their intersections a report stays small, and shows the worst of them first."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from audit.core import Evidence, ProbeResult, StoredArtifact
from audit.probes import catalogue
from audit.report import render
from audit.report._arrays import figure
from audit.report._chart import Forest
from tests.report import _build, _sample

SITES = [f"site {i:02d}" for i in range(60)]
BY_SITE = ("FAIR002", "FAIR004", "FAIR005", "FAIR006", "CAL002", "PERF006", "SHIFT001", "CONF003")


def crowded() -> Evidence:
    """Return the evidence of the sample with every metric of eight probes by site, and of one by site, sex and age."""
    rng, infos = np.random.default_rng(0), catalogue().infos
    sites = [{"site": site} for site in SITES]
    crossed = [{"site": s, "sex": x, "age": a} for s, x, a in product(SITES, ("female", "male"), "abcd")]
    added = []
    for code, groups in [*((code, sites) for code in BY_SITE), ("FAIR003", crossed)]:
        info = infos[code]
        found = tuple(
            _build.measured(metric, float(rng.normal(0, 0.1)), 0.05, bounds=(-1.0, 1.0), subgroup=group, n=int(n))
            for metric in info.metrics
            for group, n in zip(groups, rng.integers(20, 900, len(groups)), strict=True)
        )
        added.append(ProbeResult(info=info, state="completed", measurements=found, seed=1, seconds=1.0))
    evidence = _sample.evidence(many=60)
    there = {r.probe for r in added}
    return replace(evidence, results=(*(r for r in evidence.results if r.probe not in there), *added))


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return crowded()


@pytest.fixture(scope="module")
def page(evidence: Evidence) -> str:
    return render(evidence, _sample.arrays)


def test_the_page_stays_below_its_limit(page: str, evidence: Evidence) -> None:
    """Five thousand further measurements: less than 2.5 MB, and no section is lost."""
    assert len(page.encode()) < 2_500_000
    assert all(f'id="{code}"' in page for code in (*BY_SITE, "FAIR001", "FAIR003"))
    assert sum(len(r.measurements) for r in evidence.results) > 5_000


def test_what_rules_judge_is_folded_and_not_left_out(page: str) -> None:
    """All sixty levels of the judged gap are on the page: the worst twelve or fewer at once, the others folded."""
    part = page[page.index('id="FAIR001"') : page.index("</article>", page.index('id="FAIR001"'))]
    shown = re.search(r"The worst (\d+) of 60; all are below this table", part)
    assert shown
    assert 6 <= int(shown[1]) <= 12
    assert '<details class="all rest">' in part
    assert all(f">hospital {i:02d}<" in part for i in range(60))


def test_what_no_rule_judges_says_where_the_rest_is(page: str) -> None:
    """A table that is cut names how many there are and the file that has them."""
    part = page[page.index('id="FAIR003"') : page.index("</article>", page.index('id="FAIR003"'))]
    assert re.search(r"The worst \d+ of 480; all are in evidence.json", part)


def stored(name: str, arrays: dict[str, np.ndarray], **meta: object) -> Forest:
    """Return the chart that is drawn of stored arrays."""
    artifact = StoredArtifact(name=name, title="Title", file="f", sha256="0" * 64, columns=tuple(arrays), meta=meta)
    made = figure(artifact, arrays)
    assert made is not None
    assert isinstance(made.chart, Forest)
    assert "that deviate most" in made.caption
    assert len(made.chart.rows) <= 24
    return made.chart


def test_parts_of_a_gap_are_drawn_for_the_levels_with_the_largest() -> None:
    """Of sixty levels the twelve with the largest part, the largest first, each with both of its parts."""
    threshold, ranking = np.linspace(-0.1, 0.1, 60), np.zeros(60)
    ranking[7] = -0.4
    ends = {f"{k}_{e}": v + d for k, v in (("threshold", threshold), ("ranking", ranking))
            for e, d in (("part", 0.0), ("low", -0.02), ("high", 0.02))}  # fmt: skip
    chart = stored("gap_decomposition", {"level": np.array(SITES), **ends})
    labels = [row.label for row in chart.rows]
    assert labels[:3] == ["site 07, threshold part", "site 07, ranking part", "site 00, threshold part"]
    assert len({label.split(",")[0] for label in labels}) == 12


def test_controls_do_not_bring_a_level_into_the_picture() -> None:
    """Levels are drawn by how well they are read; a control goes with its level."""
    value = np.full((60, 2), 0.52)
    value[41, 0], value[3, 1] = 0.9, 0.95
    flat = value.ravel()
    chart = stored("decodability", {
        "part": np.array([f"{site}, {what}" for site in SITES for what in ("outputs, all", "outputs, exchanged")]),
        "control": np.tile([False, True], 60), "value": flat, "low": flat - 0.1, "high": flat + 0.1,
        "n_patients": np.full(120, 90),
    })  # fmt: skip
    assert [row.label for row in chart.rows[:2]] == ["Site 41, outputs, all", "Site 41, outputs, exchanged (control)"]
    assert not any(row.label.startswith("Site 03") and row.value == 0.95 for row in chart.rows[:2])


def test_the_whole_cohort_stays_above_its_levels() -> None:
    """The first row is the whole cohort's; levels follow by what is left of their gap."""
    gap = np.linspace(0, 0.2, 60)
    value = np.concatenate([[0.001], np.zeros(60), gap])
    parts = ["whole cohort: change", *(f"{s}: change" for s in SITES), *(f"{s}: gap that is left" for s in SITES)]
    chart = stored("resampled_auc", {
        "part": np.array(parts), "value": value, "low": value - 0.1, "high": value + 0.1,
        "n_patients": np.full(121, 90),
    })  # fmt: skip
    labels = [row.label for row in chart.rows]
    assert labels[:3] == ["Whole cohort: change", "Site 59: change", "Site 59: gap that is left"]


def test_strata_that_fill_a_picture_are_ranked_by_themselves() -> None:
    """Two levels within sixty strata: the rows that lie farthest from no gap, of either level."""
    gap = np.concatenate([np.linspace(-0.3, 0.3, 61), -np.linspace(-0.3, 0.3, 61)])
    chart = stored("gap_by_stratum", {
        "level": np.repeat(["female", "male"], 61), "stratum": np.array(["all", *SITES] * 2), "gap": gap,
        "low": gap - 0.1, "high": gap + 0.1, "n_patients": np.full(122, 30),
    })  # fmt: skip
    far = [abs(row.value or 0.0) for row in chart.rows]
    assert far == sorted(far, reverse=True)
    assert far[0] == pytest.approx(0.3)
