"""P98: the numbers that people read are those that the machine reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from audit import session
from audit.config import load_audit
from tests.session._make import evidence_of, write

NUMBER = re.compile(r"−?\d[\d,]*(?:\.\d+)?")
SAID = re.compile(rf": ({NUMBER.pattern}) \(95 % CI ({NUMBER.pattern}) to ({NUMBER.pattern})\)")
FIRST = 12
PREVALENCE = "[intended_use]\nprevalence = { value = 0.2, low = 0.1, high = 0.3, source = 'a test' }\n"


class Tables(HTMLParser):
    """Collects the cells of every table of measurements, by probe."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.probe, self.inside, self.cell, self.shown = "", False, False, True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {k: v or "" for k, v in attrs}
        if tag == "article" and about.get("id"):
            self.probe = about["id"]
        elif tag == "table":
            self.inside = about.get("class") == "numbers"
        elif tag == "tr" and self.inside:
            self.shown = about.get("class") != "next"
            self.rows.setdefault(self.probe, []).append([])
            self.cell = False
        elif tag == "td" and self.inside and self.shown:
            self.rows[self.probe][-1].append("")
            self.cell = True
        elif tag == "sup":
            self.cell = False

    def handle_endtag(self, tag: str) -> None:
        # The end of a cell or a row may be left out.
        self.cell = self.cell and tag not in ("td", "tr", "tbody", "table")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[self.probe][-1][-1] += data.rstrip("\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Return evidence.json and report.html of an audit with a tiny subgroup, a missing level and a prevalence."""
    folder = tmp_path_factory.mktemp("audit")
    rows = [f"CASE-Z{i},PAT-Z{i},{i % 2},0.3{i},other,A" for i in range(6)] + ["CASE-Y,PAT-Y,1,0.4,,B"]
    path = write(folder, rows=rows)
    path.write_text(PREVALENCE + path.read_text())
    made = session.run_config(load_audit(path), out=folder / "run").folder
    return evidence_of(made), (made / "report.html").read_text(encoding="utf-8")


def printed(text: str) -> tuple[float, float]:
    """Return a printed number and half a unit of its last place."""
    places = len(text.partition(".")[2])
    return float(text.replace(",", "").replace("−", "-")), 0.5000001 * 10.0**-places


def pairs(values: dict[str, Any], html: str) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Give every measurement of the evidence with its row of the report."""
    tables = Tables()
    tables.feed(html)
    for result in values["results"]:
        if len(result["measurements"]) < 2:
            continue
        rows = [row for row in tables.rows[result["probe"]] if row]
        ordered = as_printed(result)
        assert len(rows) == len(ordered)
        yield from zip(ordered, rows, strict=True)


def as_printed(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the measurements in the order of the report: by metric, those that describe last, then by attribute."""
    order = sorted(result["metrics"], key=lambda m: (m in result["descriptive"], result["metrics"].index(m)))
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for m in sorted(result["measurements"], key=lambda m: order.index(m["metric"])):
        over = tuple(sorted(m["subgroup"])) or tuple(a for a in (m["condition"].get("attribute"),) if a)
        groups.setdefault((m["metric"], *over), []).append(m)
    long = {k: sorted(g, key=worst) for k, g in groups.items() if len(g) > FIRST + 1}
    shown = [m for k, g in groups.items() for m in long.get(k, g)[: FIRST if k in long else None]]
    return shown + [m for g in long.values() for m in g[FIRST:]]


def worst(m: dict[str, Any]) -> tuple[bool, float]:
    """Return the key that puts the worst first."""
    if m["value"] is None:
        return True, 0.0
    return False, {"lower": -m["value"], "zero": -abs(m["value"])}.get(m["direction"], m["value"])


def test_every_number_in_the_tables_is_that_of_the_evidence(run: tuple[dict[str, Any], str]) -> None:
    """Value, interval, n and patients agree to the last printed digit, which is fine enough for the interval."""
    values, html = run
    seen = 0
    for m, row in pairs(values, html):
        if m["value"] is None:
            assert row[0] == m["missing"]
            assert not NUMBER.fullmatch(row[0])
            continue
        texts = [row[0], *(row[1].split(" to ") if m["method"] != "count" else [])]
        for text, key in zip(texts, ("value", "low", "high"), strict=False):
            found, half = printed(NUMBER.findall(text)[0])
            assert abs(found - m[key]) <= half, (m["metric"], key, text)
            width = m["high"] - m["low"]
            # A number that rounds to nothing at the digits of its interval is printed as 0, without decimals.
            half = abs(m[key]) if found == 0 else half
            assert found == m[key] or half <= max(0.051 * width, 0.0051 * abs(m[key])) + 1e-9, (m["metric"], key, text)
            seen += 1
        assert printed(NUMBER.findall(row[-1])[0])[0] == m["n_patients"]
        share = [printed(t)[0] for t in NUMBER.findall(row[-2])]
        assert share == ([m["k"], m["n"]] if m["k"] is not None and m["n"] else [m["n"]])
    assert seen > 100


def test_every_headline_is_that_of_its_measurement(run: tuple[dict[str, Any], str]) -> None:
    """Value, interval, k, n and patients of each finding, in report, summary of the machine and JSON alike."""
    values, html = run
    results = {r["probe"]: r for r in values["results"]}
    seen = 0
    for finding in values["findings"]:
        if finding["decisive"] is None:
            continue
        m = results[finding["probe"]]["measurements"][finding["decisive"]]
        assert f"{m['n_patients']} patients" in finding["headline"]
        assert finding["headline"].replace("'", "&#39;") in html
        said = SAID.search(finding["headline"])
        assert (said is None) == (m["value"] is None)
        for text, key in zip(said.groups() if said else (), ("value", "low", "high"), strict=False):
            found, half = printed(text)
            assert abs(found - m[key]) <= half, (finding["headline"], key, m[key])
            seen += 1
    assert seen >= 3
    verdict = re.search(r"<title>(.*?)</title>", html)
    assert verdict is not None
    assert values["verdict"]["outcome"] in verdict[1]


def test_the_page_of_a_changed_number_shows_the_changed_number(run: tuple[dict[str, Any], str]) -> None:
    """The control: the comparison sees a report that is a hundredth off."""
    values, html = run
    changed = json.loads(json.dumps(values))
    for result in changed["results"]:
        for m in result["measurements"]:
            if m["value"] is not None:
                m["value"] += 0.01
    with pytest.raises(AssertionError):
        test_every_number_in_the_tables_is_that_of_the_evidence((changed, html))
