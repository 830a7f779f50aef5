"""Figures from stored arrays: the names that probes of this suite give, and a table for any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays
from audit.report._arrays_attacks import ATTACKED
from audit.report._arrays_confounding import CONFOUNDING
from audit.report._arrays_curves import CURVES
from audit.report._arrays_edits import EDITS
from audit.report._arrays_explain import EXPLAINED
from audit.report._arrays_localised import LOCALISED
from audit.report._arrays_rows import ROWS
from audit.report._arrays_severity import SEVERITY
from audit.report._arrays_shift import SHIFT
from audit.report._arrays_training import TRAINING
from audit.report._figures import Figure
from audit.report._numbers import number, whole
from audit.report._words import capital

_MOST_ROWS = 40


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Arrays of one length as a table."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int


def figure(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return the figure of a known artifact, None where there is no picture for it.

    Raises:
        KeyError: A column that the picture needs is absent.
        ValueError: Columns do not fit each other.
    """
    maker = _MAKERS.get(artifact.name)
    return maker(artifact, arrays) if maker else None


def columns(artifact: StoredArtifact, arrays: Arrays, most: int = _MOST_ROWS) -> Columns | None:
    """Return the arrays of one length as a table, None where there is nothing to print."""
    flat = {k: np.asarray(v) for k, v in arrays.items() if np.asarray(v).ndim == 1 and len(v)}
    if not flat or not most:
        return None
    size = max(len(v) for v in flat.values())
    names = tuple(k for k, v in flat.items() if len(v) == size)
    keep = range(size) if size <= most else np.unique(np.linspace(0, size - 1, most).astype(int))
    rows = tuple(tuple(_cell(flat[name][i]) for name in names) for i in keep)
    words = tuple(capital(n.replace("_", " ")) for n in names)
    return Columns(title=artifact.title, names=words, rows=rows, more=size - len(rows))


def _cell(value: Any) -> str:
    if isinstance(value, (np.floating, float)):
        return number(float(value)) if np.isfinite(value) else "no number"
    return whole(int(value)) if isinstance(value, (np.integer, int)) and not isinstance(value, bool) else str(value)


_MAKERS: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    **ATTACKED, **CONFOUNDING, **CURVES, **EDITS, **EXPLAINED, **LOCALISED, **ROWS, **SEVERITY, **SHIFT, **TRAINING,
}  # fmt: skip
