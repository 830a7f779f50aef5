"""Figures of changed acquisitions from stored arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import StoredArtifact
from audit.judge import unit_words
from audit.report._array_parts import Arrays, floats, largest, meta_number
from audit.report._chart import Curve, Series, padded
from audit.report._figures import Figure
from audit.report._numbers import number
from audit.report._words import capital, plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = {"more": "up", "less": "down"}
_ABBREVIATIONS = {"auc": "AUC", "mae": "mean absolute error", "dice": "Dice"}


def quantity_words(stratum: str) -> str:
    """Return a number of performance in words; the class stays behind its comma."""
    name, comma, of = stratum.partition(", ")
    return _ABBREVIATIONS.get(name, name) + comma + of


def severity_curve(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return the change of performance along one property of the acquisition, with the range in clinical use shaded.

    Raises:
        KeyError: A column is absent.
        ValueError: Columns do not fit each other.
    """
    quantity = np.asarray(arrays["quantity"]).astype(str)
    severity, change, low, high = (
        np.asarray(arrays[k], dtype=float) for k in ("severity", "change", "low", "high")
    )  # fmt: skip
    rows = np.isfinite(change) & np.isfinite(low) & np.isfinite(high)
    # The number that changes most comes first, where there are too many.
    kept, count = largest(quantity[rows], np.abs(change[rows]))
    if not kept:
        return None
    series = []
    for ink, name in enumerate(kept, start=1):
        mine = rows & (quantity == name)
        x, words = floats(severity[mine]), quantity_words(name)
        series.append(Series(name=words, shape="line", x=x, y=floats(change[mine]), ink=ink))
        series.append(
            Series(
                name=words, shape="whiskers", x=_beside(x, ink, len(kept), severity), y=floats(change[mine]),
                bottom=floats(low[mine]), top=floats(high[mine]), ink=ink,
            )
        )  # fmt: skip
    seen = [float(v) for v in np.concatenate([low[rows], high[rows]])]
    tolerated = meta_number(artifact, "tolerated")
    limit = None if tolerated is None else (-tolerated if artifact.meta.get("higher", True) else tolerated)
    y_domain = padded([*seen, 0.0, *([] if limit is None else [limit])])
    x_domain = padded([float(v) for v in severity], 0.05)
    in_use = [meta_number(artifact, k) for k in ("in_use_low", "in_use_high")]
    if in_use[0] is not None and in_use[1] is not None:
        ends = (float(in_use[0]), float(in_use[1]))
        shade = Series(
            name="in clinical use", shape="band", x=ends, y=(y_domain[0],) * 2, top=(y_domain[1],) * 2, ink=4
        )
        series.insert(0, shade)
    marks = [(way, meta_number(artifact, f"critical_{way}")) for way in DIRECTIONS]
    crossed = tuple(v if way == "more" else -v for way, v in marks if v is not None)
    title = str(artifact.meta.get("parameter") or artifact.title)
    unit = str(artifact.meta.get("unit") or "")
    chart = Curve(
        title=f"{artifact.title}: {', '.join(quantity_words(k) for k in kept)}",
        x_label=f"{capital(title)}, {unit}", y_label="Change against the unchanged image", series=tuple(series),
        x_domain=x_domain, y_domain=y_domain, levels=(0.0,), limits=() if limit is None else (limit,), marks=crossed,
    )  # fmt: skip
    return Figure(chart=chart, caption=_caption(artifact, crossed, limit, in_use[0] is not None, len(kept), count))


def _beside(x: tuple[float, ...], ink: int, count: int, severity: NDArray[np.float64]) -> tuple[float, ...]:
    """Return places a little apart, so that whiskers of several numbers do not hide each other."""
    step = float(np.ptp(severity)) * 0.012
    return tuple(v + (ink - (count + 1) / 2) * step for v in x)


def _caption(
    artifact: StoredArtifact, crossed: tuple[float, ...], limit: float | None, in_use: bool, kept: int, count: int
) -> str:
    unit, source = artifact.meta.get("unit") or "", str(artifact.meta.get("source") or "")
    parts = [f"{artifact.title}: {artifact.meta.get('amount')}; {plural(meta_number(artifact, 'n') or 0, 'case')}"]
    if in_use:
        parts.append(f"Shaded: in clinical use{f' ({source})' if source else ''}; beyond it is exploratory")
    else:
        parts.append("No range in clinical use is declared, so all of it is exploratory")
    if crossed:
        ways = " and ".join(unit_words(number(v), str(unit)) for v in crossed)
        parts.append(f"Vertical dashes: more than the tolerated is lost from {ways} on")
    elif limit is not None:
        parts.append("The tolerated loss (dashed) is not reached")
    if kept < count:
        parts.append(f"The {kept} of {count} numbers that change most")
    return ". ".join(parts) + "."


SEVERITY = {"severity_curve": severity_curve}
