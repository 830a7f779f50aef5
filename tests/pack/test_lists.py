"""Lists of the user are read whole or refused with the row that is wrong."""

from __future__ import annotations

import pytest

from audit.errors import InputError
from audit.pack import read_anomalies, read_hazards


def test_hazards_are_read_from_a_csv_and_from_toml_alike(tmp_path):
    """The same two hazards, in both forms."""
    (tmp_path / "h.csv").write_text("id,hazard,rules,severity\nH1,missed finding,a; b,serious\nH2,misread,,\n")
    (tmp_path / "h.toml").write_text(
        '[[hazard]]\nid = "H1"\nhazard = "missed finding"\nrules = ["a", "b"]\nseverity = "serious"\n'
        '[[hazard]]\nid = "H2"\nhazard = "misread"\n'
    )
    first, second = read_hazards(tmp_path / "h.csv")
    assert (first.rules, second.rules, first.severity) == (("a", "b"), (), "serious")
    assert read_hazards(tmp_path / "h.toml") == (first, second)


def test_control_characters_and_endless_texts_are_cut(tmp_path):
    """What cannot be printed goes, and a cell has at most 4,000 characters."""
    (tmp_path / "h.csv").write_bytes(b'id,hazard\nH1,"a\x00\x1b[31m\nb"\nH2,' + b"x" * 9000 + b"\n")
    first, second = read_hazards(tmp_path / "h.csv")
    assert first.hazard == "a [31m b"
    assert len(second.hazard) == 4000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rows"), ("id,hazard\n", "no rows"), ("id,danger\nH1,x\n", "other columns"),
        ("id,hazard\nH1\n", "other columns"), ("id,hazard\nH1,x,y\n", "other columns"),
        ("id,hazard\n,x\n", "empty"), ("id,hazard\nH1,x\nH1,y\n", "share an id"),
        ("id,hazard\nH1,\"x\n", "cannot be read"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused(tmp_path, text, why):
    """The message names the file and the row."""
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(InputError, match=why):
        read_hazards(tmp_path / "h.csv")


@pytest.mark.parametrize("text", ["", "x = 1", "hazard = 3", "[[hazard", "hazard = []", "[hazard]\nid = 'a'"])
def test_toml_that_is_wrong_is_refused(tmp_path, text):
    """One message whatever stands in it."""
    (tmp_path / "h.toml").write_text(text)
    with pytest.raises(InputError, match=r"h\.toml"):
        read_hazards(tmp_path / "h.toml")


def test_too_large_and_absent_files_are_refused(tmp_path):
    """Two megabytes are enough for any list."""
    (tmp_path / "h.csv").write_bytes(b"id,hazard\n" + b"x" * 2_100_000)
    with pytest.raises(InputError, match="too large"):
        read_hazards(tmp_path / "h.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_hazards(tmp_path / "none.csv")


def test_anomalies_are_read(tmp_path):
    """A package and what is wrong with it."""
    (tmp_path / "a.csv").write_text("package,version,anomaly,reference\ntorch,2.14.1,=HYPERLINK(1),issue 1\n")
    (only,) = read_anomalies(tmp_path / "a.csv")
    assert (only.package, only.anomaly) == ("torch", "=HYPERLINK(1)")
