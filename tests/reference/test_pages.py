"""The pages of the reference models agree with what is shipped, and the table of implied probes with the catalogue."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit.probes import catalogue
from audit.reference import is_twin, list_models

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "reference-models"
NAMES = [m.name for m in list_models() if not is_twin(m.name)]
CODE = re.compile(r"\b[A-Z]{2,5}\d{3}\b")


def rows(path: Path) -> list[list[str]]:
    """Return the cells of the first table of a page, without its head."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_index_is_what_the_catalogue_gives(tmp_path: Path) -> None:
    """Writing the index again changes nothing; every shipped system has a row."""
    code = "import build_reference_index as b; print(b.index(), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    assert (PAGES / "index.md").read_text(encoding="utf-8") == done.stdout
    assert [row[0].strip("`") for row in rows(PAGES / "index.md")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_system_has_a_page(name: str) -> None:
    """Its page names both commands and says phantom; a picture and the static report of its audit are small."""
    cells = {row[0].strip("`"): row[4] for row in rows(PAGES / "index.md")}
    page = PAGES / re.search(r"\((.+)\)", cells[name]).group(1)  # type: ignore[union-attr]
    text = page.read_text(encoding="utf-8")
    assert f"audit reference audit {name}" in text
    assert f"audit reference build {name}" in text
    assert "phantom" in text.lower()
    pictures = re.findall(r"\]\((\.\./images/[^)]+\.png)\)", text)
    assert pictures
    for file in pictures:
        assert (PAGES / file).stat().st_size < 150_000, file
    report = PAGES / "reports" / f"{name}.html"
    assert f"reports/{name}.html" in text
    assert report.stat().st_size < 400_000
    assert "phantom" in report.read_text(encoding="utf-8")


def test_every_question_of_the_lecture_has_a_row() -> None:
    """25 questions, numbered; each has a probe of the catalogue or says what is open."""
    table = rows(PAGES / "implied-probes.md")
    assert [int(row[0]) for row in table] == list(range(1, 26))
    known = set(catalogue().infos)
    for row in table:
        codes = CODE.findall(row[2])
        assert codes or row[3], row[1]
        assert set(codes) <= known, row[1]
        assert re.sub(r"[A-Z0-9, ]", "", row[2]) == ""


def test_every_probe_on_a_model_answers_a_question_of_the_lecture() -> None:
    """Families that look at what a model does are in the table; a code that is called open is not in the catalogue."""
    table = rows(PAGES / "implied-probes.md")
    named = {code for row in table for code in CODE.findall(row[2])}
    beyond = {"PERF001", "PERF002"}
    wanted = {c for c in catalogue().infos if re.match("PERF|CAL|FAIR|CONF|ADV|XAI|SHIFT", c)}
    assert wanted - beyond <= named
    reserved = {code for row in table for code in CODE.findall(row[3])}
    assert not reserved & set(catalogue().infos)
