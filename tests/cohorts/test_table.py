"""The manifest as text cells."""

from pathlib import Path

import pandas as pd
import pytest

from audit.cohorts import read_columns, read_table
from audit.errors import ManifestError


def test_cells_are_text_and_stripped(tmp_path: Path) -> None:
    """An id of digits stays as it is written, and blanks around a cell are no part of it."""
    (tmp_path / "a.csv").write_text("id, sex\n007, F \n\n1.0,\n", encoding="utf-8")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == ("id", "sex")
    assert table["id"].tolist() == ["007", "1.0"]
    assert table["sex"].tolist() == ["F", ""]
    assert table.numbers.tolist() == [0, 1]


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """A CSV saved by a spreadsheet program starts with a mark that belongs to no column."""
    (tmp_path / "a.csv").write_text("id,b\n1,2\n", encoding="utf-8-sig")
    assert read_columns(tmp_path / "a.csv") == ("id", "b")


def test_quoted_commas_and_line_breaks_are_kept(tmp_path: Path) -> None:
    """A quoted cell may hold a comma, a line break and markup, and stays text."""
    (tmp_path / "a.csv").write_text('id,b\n1,"<b>x</b>, y"\n2,"one\ntwo"\n', encoding="utf-8")
    assert read_table(tmp_path / "a.csv")["b"].tolist() == ["<b>x</b>, y", "one\ntwo"]


def test_only_named_columns_are_read(tmp_path: Path) -> None:
    """Columns that nobody names are listed, not read."""
    (tmp_path / "a.csv").write_text("id,name\n1,Doe\n", encoding="utf-8")
    table = read_table(tmp_path / "a.csv", ["id", "not there"])
    assert table.columns == ("id", "name")
    assert set(table.cells) == {"id"}


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"id,b\n", "has no rows"),
        (b"id,b\n1,2\n3\n", "1 row(s) with another number of cells"),
        (b"id,b\n1,2,3\n", "3 in line 2"),
        (b'id,b\n1,"2\n', "is damaged"),
        ("id,b\n1,\xe4\n".encode("latin-1"), "is not UTF-8"),
        (b"id,id\n1,2\n", "names a column twice"),
        (b"PK\x03\x04\x00\x00\xff\xfe", "is not UTF-8"),
    ],
)
def test_damaged_csv_is_a_clear_error(tmp_path: Path, content: bytes, words: str) -> None:
    """A cut, ragged or otherwise unreadable CSV is refused with what is wrong, never read in part."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        read_table(tmp_path / "a.csv")
    assert words in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "cases.xlsx", "folder.csv"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, name: str) -> None:
    """An absent file, a folder and a format that is not read are named as such."""
    (tmp_path / "cases.xlsx").write_bytes(b"x")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ManifestError, match=r"no such file|not a manifest"):
        read_columns(tmp_path / name)


def test_parquet_says_what_the_csv_says(tmp_path: Path) -> None:
    """Whole numbers that a gap turned into floats come back without '.0'; booleans are words; gaps are empty."""
    frame = pd.DataFrame({"id": [1.0, 2.0, None], "x": [0.5, 1e3, 2.0], "f": [True, False, None], "t": ["a", None, ""]})
    frame.to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert read_columns(tmp_path / "a.parquet") == ("id", "x", "f", "t")
    assert table["id"].tolist() == ["1", "2", ""]
    assert table["x"].tolist() == ["0.5", "1000", "2"]
    assert table["f"].tolist() == ["true", "false", ""]
    assert table["t"].tolist() == ["a", "", ""]


def test_damaged_parquet_is_a_clear_error(tmp_path: Path) -> None:
    """A Parquet file that was cut short is refused."""
    pd.DataFrame({"id": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match="is damaged"):
        read_table(tmp_path / "a.parquet")
