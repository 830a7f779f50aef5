"""Declared shares of a confounder's levels are read, and refused where they are no shares of a whole."""

from pathlib import Path

import pytest

from audit.config import load_audit
from audit.errors import FaultsError

REASON = 'reason = "one ward"'


def edited(folder: Path, new: str) -> Path:
    """Return the file with another end of the line that declares the confounder."""
    path = folder / "audit.toml"
    path.write_text(path.read_text().replace(REASON, new))
    return path


def test_shares_are_read(folder: Path) -> None:
    """They stand with their level in the attribute's declaration; without them all levels weigh the same."""
    assert dict(load_audit(folder / "audit.toml").cohort.attributes[0].shares) == {}
    config = load_audit(edited(folder, REASON + ", shares = { f = 0.7, m = 0.3 }"))
    assert dict(config.cohort.attributes[0].shares) == {"f": 0.7, "m": 0.3}


@pytest.mark.parametrize(
    "shares, why",
    [
        ("{ f = 0.7, m = 0.7 }", "1 in all"),
        ("{ f = 1.0, m = 0.0 }", "above 0"),
        ('{ f = "much" }', "shares"),
    ],
)
def test_what_is_no_share_is_refused(folder: Path, shares: str, why: str) -> None:
    """Too much in all, nothing of a level, and a word are each a fault."""
    with pytest.raises(FaultsError, match="shares") as caught:
        load_audit(edited(folder, f"{REASON}, shares = {shares}"))
    assert why in str(caught.value)


def test_shares_of_what_is_not_balanced_are_refused(folder: Path) -> None:
    """Only a confounder has shares."""
    path = folder / "audit.toml"
    text = path.read_text().replace("bins = [0, 40, 60, 120]", "bins = [0, 40, 60, 120], shares = { a = 1.0 }")
    path.write_text(text)
    with pytest.raises(FaultsError, match="only a confounder is balanced"):
        load_audit(path)
