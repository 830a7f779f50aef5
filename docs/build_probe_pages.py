"""Writes docs/probes from the docstrings of the probes; with --check it only says what is out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from audit.probes import PROBES
from audit.probes._pages import pages

FOLDER = Path(__file__).parent / "probes"


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the pages that differ from their docstrings, are absent, or belong to no probe."""
    wanted = pages(PROBES)
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")} if folder.is_dir() else {}
    return sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))


def write(folder: Path = FOLDER) -> None:
    """Write every page, and remove those of probes that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages(PROBES)
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"out of date: {name}" for name in found) if (found := stale()) else 0)
    write()
