"""Figures of the shift family from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, interval_rows
from audit.report._chart import Forest
from audit.report._figures import Figure
from audit.report._words import capital

_MOST_ROWS = 14


def _drift(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    level, descriptor = (np.asarray(arrays[k]).astype(str) for k in ("level", "descriptor"))
    names = list(dict.fromkeys(level.tolist()))
    # Of two levels one says all: what speaks for the one speaks against the other.
    mine = level == names[0] if len(names) == 2 else np.ones(len(level), dtype=bool)
    auc = np.asarray(arrays["auc"], dtype=float)
    order = [int(i) for i in np.argsort(-np.abs(auc - 0.5), kind="stable") if mine[i]][:_MOST_ROWS]
    labels = [capital(f"{descriptor[i]}{'' if len(names) == 2 else f', {level[i]}'}") for i in order]
    picked = {k: np.asarray(v)[order] for k, v in arrays.items()}
    rows = tuple(interval_rows(labels, picked, "auc", "low", "high"))
    if not rows:
        return None
    chart = Forest(title=f"{artifact.title}: {len(rows)} values", rows=rows, reference=0.5)
    whom = f" Here {names[0]} against {names[1]}." if len(names) == 2 else ""
    more = f" The {len(rows)} farthest of {int(mine.sum())}." if len(rows) < int(mine.sum()) else ""
    return Figure(chart=chart, caption=f"{artifact.title}. Thin line: not told at all.{whom}{more}")


SHIFT: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {"drift_by_descriptor": _drift}
