"""Figures from stored arrays: the names that probes of this suite give, and a table for any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import StoredArtifact
from audit.report._chart import Curve, Matrix, Series
from audit.report._figures import Figure
from audit.report._numbers import number, whole
from audit.report._words import capital

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
_MOST_POINTS, _MOST_ROWS, _MOST_LEVELS = 300, 40, 8


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


def columns(artifact: StoredArtifact, arrays: Arrays) -> Columns | None:
    """Return the arrays of one length as a table, None where there is nothing to print."""
    flat = {k: np.asarray(v) for k, v in arrays.items() if np.asarray(v).ndim == 1 and len(v)}
    if not flat:
        return None
    size = max(len(v) for v in flat.values())
    names = tuple(k for k, v in flat.items() if len(v) == size)
    keep = range(size) if size <= _MOST_ROWS else np.unique(np.linspace(0, size - 1, _MOST_ROWS).astype(int))
    rows = tuple(tuple(_cell(flat[name][i]) for name in names) for i in keep)
    words = tuple(capital(n.replace("_", " ")) for n in names)
    return Columns(title=artifact.title, names=words, rows=rows, more=size - len(rows))


def _cell(value: Any) -> str:
    if isinstance(value, (np.floating, float)):
        return number(float(value)) if np.isfinite(value) else "no number"
    return whole(int(value)) if isinstance(value, (np.integer, int)) and not isinstance(value, bool) else str(value)


def _floats(values: NDArray[Any]) -> tuple[float, ...]:
    array = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers")
    if len(array) > _MOST_POINTS:
        array = array[np.unique(np.linspace(0, len(array) - 1, _MOST_POINTS).astype(int))]
    return tuple(float(f"{v:.5g}") for v in array)


def _roc(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    names = np.asarray(arrays["class"]).astype(str) if "class" in arrays else np.full(len(arrays["fpr"]), "")
    series = []
    for ink, name in enumerate(list(dict.fromkeys(names.tolist()))[:4], start=1):
        mine = names == name
        x, y = _floats(arrays["fpr"][mine]), _floats(arrays["tpr"][mine])
        series.append(Series(name=name or "model", shape="line", x=x, y=y, ink=ink))
    chart = Curve(
        title=f"{artifact.title}: share of positives found against share of false alarms", x_label="1 − specificity",
        y_label="Sensitivity", series=tuple(series), x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}. Thin line: chance.")


def _reliability(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    seen_at, expected = (np.asarray(arrays[k], dtype=float) for k in ("observed", "predicted"))
    known = np.isfinite(seen_at) & np.isfinite(expected)
    x, y = _floats(arrays["predicted"][known]), _floats(arrays["observed"][known])
    if "low" in arrays and "high" in arrays:
        low, high = _floats(np.asarray(arrays["low"])[known]), _floats(np.asarray(arrays["high"])[known])
        seen = Series(name="observed share", shape="whiskers", x=x, y=y, bottom=low, top=high)
    else:
        seen = Series(name="observed share", shape="dots", x=x, y=y)
    chart = Curve(
        title=f"{artifact.title}: observed against predicted share",
        x_label="Predicted probability", y_label="Observed share",
        series=(seen,), x_domain=(0, 1), y_domain=(0, 1), diagonal=True,
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}. On the thin line, probabilities are right.")


def _matrix(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    auc = np.asarray(arrays["auc"], dtype=float)
    if auc.ndim != 2 or auc.shape[0] != auc.shape[1]:
        raise ValueError("expected a square matrix")
    named = str(artifact.meta.get("levels", "")).split("|")
    levels = tuple(named) if len(named) == len(auc) else tuple(f"level {i + 1}" for i in range(len(auc)))
    if len(levels) > _MOST_LEVELS:
        return None
    values = tuple(tuple(float(v) if np.isfinite(v) else None for v in row) for row in auc)
    texts = tuple(tuple("too few" if v is None else number(v, 2) for v in row) for row in values)
    counts = ""
    if "n_cases" in arrays and "n_controls" in arrays:
        both = zip(levels, arrays["n_cases"], arrays["n_controls"], strict=True)
        words = ", ".join(f"{a} {whole(int(b))} and {whole(int(c))}" for a, b, c in both)
        counts = f" Cases and controls: {words}."
    cells = "; ".join(
        f"cases of {a} against controls of {b}: {text}"
        for a, row in zip(levels, texts, strict=True)
        for b, text in zip(levels, row, strict=True)
    )
    chart = Matrix(
        title=f"{artifact.title}: {cells}",
        row_label="cases of", column_label="controls of", levels=levels, values=values, texts=texts,
    )  # fmt: skip
    title = artifact.title.replace("(joint)", "all confounders jointly")
    return Figure(chart=chart, caption=f"{title}. Off the diagonal, the level and the label disagree.{counts}")


def _deletion(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x = _floats(arrays["fraction"])
    shape = np.asarray(arrays["fraction"]).shape
    others = [k for k in arrays if k != "fraction" and np.asarray(arrays[k]).shape == shape]
    series = tuple(
        Series(name=k.replace("_", " "), shape="line", x=x, y=_floats(arrays[k]), ink=ink)
        for ink, k in enumerate(sorted(others, key=lambda k: k != "attribution")[:4], start=1)
    )
    seen = [v for s in series for v in s.y]
    low, high = min([0.0, *seen]), max([1.0, *seen])
    chart = Curve(
        title=f"{artifact.title}: one line for each order of pixels", x_label="Share of pixels", y_label="Answer",
        series=series, x_domain=(0, 1), y_domain=(low, high),
    )  # fmt: skip
    faster = "rises" if artifact.name == "insertion_curve" else "falls"
    return Figure(chart=chart, caption=f"{artifact.title}. The faster it {faster}, the better the order of pixels.")


def _scores(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    edges = np.asarray(arrays["edges"], dtype=float)
    series = []
    for ink, name in enumerate([k for k in arrays if k != "edges"][:4], start=1):
        counts = np.asarray(arrays[name], dtype=float)
        if counts.shape != (len(edges) - 1,):
            raise ValueError("expected one count a bin")
        share = counts / max(1.0, counts.sum())
        heights = (*_floats(share), float(share[-1]))
        series.append(Series(name=name.replace("_", " "), shape="step", x=_floats(edges), y=heights, ink=ink))
    top = max(v for s in series for v in s.y) * 1.08 or 1.0
    chart = Curve(
        title=f"{artifact.title}: share of cases by score", x_label="Score", y_label="Share of cases",
        series=tuple(series), x_domain=(float(edges[0]), float(edges[-1])), y_domain=(0.0, top),
    )  # fmt: skip
    return Figure(chart=chart, caption=f"{artifact.title}.")


_MAKERS: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "roc_curve": _roc, "reliability_curve": _reliability, "stratum_matrix": _matrix, "deletion_curve": _deletion,
    "insertion_curve": _deletion, "score_distribution": _scores,
}  # fmt: skip
