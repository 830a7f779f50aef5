"""P99: cells of few patients stay in the evidence and are in nothing that is shared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from audit import session
from audit.cli import app
from audit.core import Evidence, Measurement, Policy, ProbeInfo, ProbeResult, StoredArtifact, Verdict
from audit.evidence import read_run, suppress, withheld
from audit.evidence._suppress import mask

LEAST = 10
SHARED = ("report.html", "summary.md", "junit.xml", "audit.sarif")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 400 patients in which one site has 4 positives and 6 negatives, and 3 rows have no score."""
    root = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(5)
    lines = ["case,patient,dx,score,sex,site"]
    for i in range(400):
        positive = i % 3 == 0
        site = "rareplace" if i >= 390 else ("north", "south", "east", "west")[i // 3 % 4]
        score = "" if i in (1, 2, 4) else f"{np.clip(rng.normal(0.6 if positive else 0.35, 0.2), 0, 1):.4f}"
        lines.append(f"C{i},P{i},{int(positive)},{score},{'female' if i % 2 else 'male'},{site}")
    path = root / "p.csv"
    path.write_text("\n".join(lines) + "\n")
    (root / "policy.toml").write_text(
        'name = "cells"\n[[rule]]\nid = "gap"\nprobe = "FAIR001"\nmetric = "sensitivity_gap"\n'
        'where = { attribute = "site" }\nlimit = { min = -0.1 }\nrationale = "r"\nmargin_source = "s"\n'
    )
    words = [
        "scores", str(path), "--target", "dx", "--positive", "1", "--score", "score", "--patient", "patient",
        "--attributes", "sex,site", "--operating-point", "0.5", "--policy", str(root / "policy.toml"),
        "--out", str(root / "run"), "--min-cell", str(LEAST), "--profile", "smoke",
    ]  # fmt: skip
    made = CliRunner().invoke(app, words)
    assert made.exit_code in (1, 3), made.output
    return root / "run"


def counts_of(level: str, folder: Path) -> list[dict[str, Any]]:
    """Return the measurements of a level in evidence.json."""
    values = json.loads((folder / "evidence.json").read_text())
    return [m for r in values["results"] for m in r["measurements"] if level in m["subgroup"].values()]


def test_the_evidence_keeps_every_number(folder: Path) -> None:
    """evidence.json is what it is without the option: the rare level has its counts and values."""
    rare = counts_of("rareplace", folder)
    assert any(m["n_patients"] == 10 for m in rare)
    assert any(m["value"] is not None for m in rare)
    assert read_run(folder).run["min_cell"] == LEAST


def test_no_number_of_a_small_level_is_shared(folder: Path) -> None:
    """After the name of the rare level no count, value or interval follows in any shared file."""
    for name in SHARED:
        text = re.sub(r"<script.*?</script>", "", (folder / name).read_text(), flags=re.S)
        for found in re.finditer(r"rareplace", text):
            after = re.sub(r"<[^>]+>", " ", text[found.end() : found.end() + 160]).split("\n")[0]
            said = re.sub(rf"fewer than {LEAST} patients|at least −?0\.1", "", after)
            assert not re.match(r"[^a-z]*\d", said), (name, after)
    report = (folder / "report.html").read_text()
    assert f"fewer than {LEAST} patients" in report
    assert "rareplace: not shared" in report


def test_no_shared_count_is_small(folder: Path) -> None:
    """No cell of patients, and no k/n of a count of this cohort, holds fewer than ten."""
    text = (folder / "report.html").read_text()
    patients = [int(n.replace(",", "")) for n in re.findall(r"<td class=p>([\d,]+)", text)]
    rests = [int(n.replace(",", "")) for n in re.findall(r"\(rest ([\d,]+)\)", text)]
    assert len(patients) > 50
    # 0: the number needs what nobody declared.
    assert min(n for n in patients if n) >= LEAST
    assert min(rests) >= LEAST
    assert "3 set aside" not in text
    assert not re.search(r"\b[1-9] (?:unanswered |positive |such )?(?:patients|cases|rows)\b", _text(text))


def _text(page: str) -> str:
    return re.sub(r"<style>.*?</style>|<script.*?</script>|<[^>]+>", " ", page, flags=re.S)


def test_a_hidden_level_is_not_alone(folder: Path) -> None:
    """Every table of an attribute hides no level or at least two, that are ten patients or more together."""
    shared = suppress(read_run(folder), LEAST)
    hidden = shared.run["suppressed_levels"]
    assert "rareplace" in hidden["site"]
    assert len(hidden["site"]) >= 2
    sizes = {
        row["level"]: row["n_patients"] for a in read_run(folder).cohort["attributes"] if a["name"] == "site"
        for row in a["levels"]
    }  # fmt: skip
    assert sum(sizes[level] for level in hidden["site"]) >= LEAST


def test_nothing_can_be_subtracted(folder: Path) -> None:
    """For each metric and attribute the shown denominators and their rest leave no remainder of one to nine."""
    shared = suppress(read_run(folder), LEAST)
    whole = int(shared.cohort["n_patients"])
    seen = 0
    for result in shared.results:
        for m in result.measurements:
            if m.n_patients and not m.subgroup:
                assert not 0 < whole - m.n_patients < LEAST, (result.probe, m.metric)
                seen += 1
            if m.n_patients and isinstance(m.condition.get("n_rest"), int):
                assert m.condition["n_rest"] >= LEAST
    assert seen > 10


def test_figures_without_a_count_or_with_a_small_one_are_left_out() -> None:
    """What a third party stored is not shown, since nobody knows what a point of it is."""
    run = {"min_cell": LEAST, "suppressed_levels": {"site": ["rareplace"]}}

    def stored(name: str, **meta: str) -> StoredArtifact:
        return StoredArtifact(name=name, title="T", file="f", sha256="0" * 64, columns=(), meta=meta)

    plenty, few = {"n_patients": np.array([30, 40])}, {"n_patients": np.array([30, 4])}
    assert not withheld(stored("anything"), plenty, run)
    assert withheld(stored("anything"), few, run)
    assert withheld(stored("anything"), {"x": np.array([1.0])}, run)
    assert withheld(stored("reliability_by_level", attribute="site"), plenty, run)
    assert not withheld(stored("reliability_by_level", attribute="sex"), plenty, run)
    for words in ("rareplace", "site: rareplace", "sex = male and site = rareplace"):
        assert withheld(stored("association_parity"), {**plenty, "determinant": np.array(["age", words])}, run)
    assert not withheld(stored("association_parity"), {**plenty, "determinant": np.array(["age", "site: north"])}, run)
    assert not withheld(stored("roc_curve"), {"fpr": np.array([0.0])}, run)
    assert not withheld(stored("anything"), few, {})


def test_sentences_lose_their_small_counts() -> None:
    """Counts of people, cases and rows below the limit go, others and rates stay."""
    said = mask("3 of 1500 rows (rows 3, 319, …) and 12 patients, 7 unanswered cases; 0.5 in 4 groups", 10)
    assert said == "fewer than 10 of 1500 rows and 12 patients, fewer than 10 unanswered cases; 0.5 in 4 groups"


def _evidence(cells: dict[tuple[str, str], int]) -> Evidence:
    numbers = tuple(
        Measurement(metric="sensitivity", value=float(n), low=float(n), high=float(n), method="count", n=n,
                    n_patients=n, subgroup={"a": a, "b": b})
        for (a, b), n in cells.items()
    )  # fmt: skip
    info = ProbeInfo(
        code="FAIR003", name="x", family="FAIR", tasks=("binary",), metrics=("sensitivity",), title="T", question="Q?",
        method="M.", limits="L.",
    )  # fmt: skip
    made = ProbeResult(info=info, state="completed", measurements=numbers)
    return Evidence(policy=Policy(), verdict=Verdict(outcome="INCONCLUSIVE"), results=(made,))


def test_a_cell_of_two_attributes_cannot_be_had_from_its_margins() -> None:
    """Hand-worked: 3 x 3 cells with one small; its row and its column each lose another, which close a rectangle."""
    from audit.evidence._cells import _fixed, hidden_cells

    cells = {(a, b): 40 + 3 * i + j for i, a in enumerate("pqr") for j, b in enumerate("uvw")}
    cells["p", "u"] = 4
    hidden = hidden_cells(_evidence(cells), LEAST).crossed["a", "b"]
    assert ("p", "u") in hidden
    assert _fixed(set(hidden)) is None
    for axis in (0, 1):
        for level in {cell[axis] for cell in hidden}:
            assert sum(1 for cell in hidden if cell[axis] == level) >= 2


def test_without_the_option_nothing_changes(folder: Path) -> None:
    """Zero shares everything: the very same evidence."""
    evidence = read_run(folder)
    assert suppress(evidence, 0) is evidence


def test_a_report_made_later_hides_what_the_run_hid(folder: Path) -> None:
    """`audit report` of such a run has no small cell either, and may hide more."""
    later = session.render_report(folder, static=True)
    assert "rareplace: not shared" in later
    more = session.render_report(folder, static=True, min_cell=60)
    assert "fewer than 60 patients" in more
