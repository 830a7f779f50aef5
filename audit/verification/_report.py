"""Whether a report says what its evidence says: its words and tables, whatever library draws its figures."""

from __future__ import annotations

import re

from audit.core import Evidence
from audit.errors import EvidenceError
from audit.evidence import Arrays, suppress

# Figures and their script are drawn by libraries whose versions may differ between two machines.
_DRAWN = re.compile(r"<(script|style|svg)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_HASHES = re.compile(r"'sha256-[A-Za-z0-9+/=]+'")


def report_differs(evidence: Evidence, arrays: Arrays, page: bytes) -> bool:
    """Tell whether a report is another than the one that is made from evidence, figures aside.

    Args:
        evidence: The run.
        arrays: Reads the arrays of its figures.
        page: The report's bytes.
    """
    from audit.report import render

    shared = suppress(evidence, int(evidence.run.get("min_cell", 0)))
    try:
        made = render(shared, arrays).encode()
    except (EvidenceError, OSError):
        return True
    return made != page and _words(made) != _words(page)


def _words(page: bytes) -> str:
    return _HASHES.sub("", _DRAWN.sub("", page.decode("utf-8", errors="replace")))
