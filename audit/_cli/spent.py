"""Where the time of a run went, as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit._cli.shell import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.core import Evidence


def print_times(evidence: Evidence) -> None:
    """Print where the time went, nothing where nobody looked."""
    from audit.evidence import time_table

    table = time_table(evidence.run)
    if table is None:
        return
    say("")
    say(f"  where the time went: {table.summary}")
    for line in columns([table.names, *table.rows]):
        say(f"  {line}")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
