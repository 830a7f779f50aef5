"""The table of what a changed acquisition breaks first."""

from __future__ import annotations

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, meta_number
from audit.report._arrays import Columns
from audit.report._arrays_severity import DIRECTIONS, quantity_words
from audit.report._numbers import number
from audit.report._words import capital

_LOST_ROWS = 14


def severity_table(artifact: StoredArtifact, arrays: Arrays) -> Columns:
    """Return what breaks first, as a table: properties of the acquisition in the order in which performance is lost.

    Raises:
        KeyError: A column is absent.
    """
    lost, since, tried, in_use = (
        np.asarray(arrays[k], dtype=float) for k in ("lost_at", "not_before", "tried_up_to", "in_use_up_to")
    )  # fmt: skip
    words = {k: np.asarray(arrays[k]).astype(str) for k in ("change", "direction", "quantity", "unit")}
    # What is not lost, and cannot be lost within clinical use either, needs no row of its own.
    open_ones = np.isfinite(lost) | (np.isfinite(in_use) & (since < in_use))
    shown = np.flatnonzero(open_ones)[:_LOST_ROWS]
    rows = tuple(
        (
            f"{capital(words['change'][i])}, {DIRECTIONS.get(words['direction'][i], words['direction'][i])}",
            quantity_words(words["quantity"][i]),
            f"{number(lost[i])} {words['unit'][i]}" if np.isfinite(lost[i]) else f"not up to {number(tried[i])}",
            number(since[i]),
            number(in_use[i]) if np.isfinite(in_use[i]) else "not declared",
        )
        for i in shown
    )
    rest = len(lost) - int(open_ones.sum())
    title = f"{artifact.title}: where more than {number(meta_number(artifact, 'tolerated') or 0.0)} is lost"
    if rest:
        title += f"; {rest} further ones are not lost up to where they were tried"
    names = ("Property, direction", "What is lost", "Lost from", "Surely not below", "In use up to")
    return Columns(title=title, names=names, rows=rows, more=int(open_ones.sum()) - len(shown))
