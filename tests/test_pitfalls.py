"""The table of pitfalls is whole, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from audit.probes import PROBES

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "pitfalls.md"
# Numbers that were never given out are left out: 9, 36 to 39, 63 to 69, 88 and 89.
IDS = [
    *range(1, 9), *range(10, 20), *range(20, 36), *range(40, 50), *range(50, 63), *range(70, 80), *range(80, 88),
    *range(90, 106),
]  # fmt: skip
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
CODE = re.compile(r"\b[A-Z]{2,5}\d{3}\b")


def rows() -> list[list[str]]:
    """Return the cells of every row, without the heading."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of a file's tests, without importing it."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


def test_every_pitfall_has_exactly_one_row() -> None:
    """Ids in order, each once, none of our own making."""
    assert [row[0] for row in rows()] == [f"P{i:02d}" for i in IDS]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_names_tests_that_exist_or_says_what_is_missing(row: list[str]) -> None:
    """Four cells; a test is named by file and function, and "not yet" is followed by what is missing."""
    assert len(row) == 4
    assert all(row)
    named = NAMED.findall(row[3])
    missing = re.search(r"not yet: (.{6,})", row[3])
    assert named or missing
    assert row[3].count("`tests/") == len(named)
    for file, name in named:
        assert name in functions_of(file), f"{file}::{name}"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_probes_of_a_row_exist_or_are_named_as_missing(row: list[str]) -> None:
    """A probe that is said to catch a pitfall is in the catalogue, or stands behind "not yet"; never both."""
    there = {probe.info.code for probe in PROBES}
    _, _, missing = row[3].partition("not yet:")
    assert set(CODE.findall(row[2])) <= there | set(CODE.findall(missing))
    assert not there & set(CODE.findall(missing)), "now that this probe exists, name its test"


def test_a_planted_test_is_in_the_table() -> None:
    """The files made to plant a pitfall are named in the row of that pitfall."""
    cells = {row[0]: row[3] for row in rows()}
    for path in (ROOT / "tests").rglob("test_pitfall_p*.py"):
        for number in re.findall(r"_p(\d+)", path.stem):
            assert str(path.relative_to(ROOT)) in cells[f"P{int(number):02d}"]
