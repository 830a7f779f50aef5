"""The table of what a changed acquisition breaks first."""

from __future__ import annotations

import numpy as np

from audit.core import StoredArtifact
from audit.judge import unit_words
from audit.report._array_parts import Arrays, meta_number
from audit.report._arrays import Columns
from audit.report._arrays_severity import DIRECTIONS, quantity_words
from audit.report._numbers import number
from audit.report._words import capital, plural

_LOST_ROWS = 14


def first_to_break(artifact: StoredArtifact, arrays: Arrays) -> str:
    """Return in one sentence which change of the acquisition breaks the model first, and when.

    Raises:
        KeyError: A column is absent.
    """
    lost = np.asarray(arrays["lost_at"], dtype=float)
    tolerated, n = (
        meta_number(artifact, "tolerated") or 0.0,
        plural(meta_number(artifact, "n_patients") or 0, "patient"),
    )
    if not np.isfinite(lost).any():
        return (
            f"No change of the acquisition that was tried costs more than {number(tolerated)} by its value ({n}); what "
            "the intervals leave open is in the table."
        )
    # The rows come in the order in which something is lost.
    i = int(np.flatnonzero(np.isfinite(lost))[0])
    change, direction, quantity, unit = (
        str(np.asarray(arrays[k])[i]) for k in ("change", "direction", "quantity", "unit")
    )  # fmt: skip
    low, high, in_use = (float(np.asarray(arrays[k])[i]) for k in ("not_before", "surely_from", "in_use_up_to"))
    since = unit_words(number(float(lost[i])), unit)
    used = f"; up to {number(in_use)} is in clinical use" if np.isfinite(in_use) else ""
    return (
        f"First to break it: {change}, turned {DIRECTIONS.get(direction, direction)}. More than {number(tolerated)} of "
        f"the {quantity_words(quantity)} is lost from {since} on (interval {number(low)} to "
        f"{number(high)}, {n}){used}."
    )


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
            unit_words(number(lost[i]), words["unit"][i]) if np.isfinite(lost[i]) else f"not up to {number(tried[i])}",
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
