"""The page of the lecture's figures agrees with what is shipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from audit.reference._systems import all_systems

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference-models" / "lecture-figures.md"


def test_the_page_is_what_the_figures_give() -> None:
    """Writing it again changes nothing, and every model in it is one of the catalogue."""
    code = "import build_lecture_figures as b; print(b.page(), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == done.stdout
    named = {line.split("|")[-2].strip().strip("`") for line in done.stdout.splitlines()[16:] if line.startswith("|")}
    assert named <= set(all_systems())
    assert len(named) > 8
