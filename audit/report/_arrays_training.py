"""Figures of models that were trained again, from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, floats, interval_rows, meta_number
from audit.report._chart import Curve, Forest, Matrix, Series, padded
from audit.report._figures import Figure
from audit.report._numbers import number, range_text, whole
from audit.report._words import capital, plural

OF_RECIPE = "Said of the training recipe, not of the weights under audit."
TRAINED = ("biased", "balanced")


def _learning(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    cases, value, low, high = (np.asarray(arrays[k], dtype=float) for k in ("cases", "value", "low", "high"))
    if len(cases) < 2 or (cases <= 0).any():
        return None
    logs = floats(np.log10(cases))
    target, own = meta_number(artifact, "target"), meta_number(artifact, "model")
    counted = str(artifact.meta.get("performance") or "performance")
    series = (
        Series(name="95 % interval", shape="band", x=logs, y=floats(low), top=floats(high), ink=1),
        Series(name="trained on so many", shape="line", x=logs, y=floats(value), ink=1),
        Series(name="trained on so many", shape="dots", x=logs, y=floats(value), ink=1),
    )
    seen = [*low.tolist(), *high.tolist(), *(v for v in (target, own) if v is not None)]
    said = "; ".join(f"{whole(int(n))} cases {number(float(v), 3)}" for n, v in zip(cases, value, strict=True))
    chart = Curve(
        title=f"{artifact.title}: {said}", x_label="Training cases, log scale", y_label=capital(counted), series=series,
        x_domain=padded(list(logs), 0.05), y_domain=padded(seen), limits=() if target is None else (target,),
        levels=() if own is None else (own,),
        x_ticks=tuple((float(x), whole(int(n))) for x, n in zip(logs, cases, strict=True)),
    )  # fmt: skip
    parts = [artifact.title, "Mean of five trainings, with the interval over patients and trainings"]
    if target is not None:
        parts.append(f"Dashed: the declared target, {number(target, 3)}")
    if own is not None:
        parts.append(f"Thin line: the audited model on the same patients, {number(own, 3)}")
    return Figure(chart=chart, caption=f"{'. '.join(parts)}. {OF_RECIPE}")


def _cells(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    auc, low, high = (np.asarray(arrays[k], dtype=float) for k in ("auc", "low", "high"))
    if auc.shape != (2, 2) or low.shape != (2, 2) or high.shape != (2, 2):
        raise ValueError("expected two rows and two columns")
    values = tuple(tuple(float(v) if np.isfinite(v) else None for v in row) for row in auc)
    texts = tuple(tuple("no number" if v is None else number(v, 2) for v in row) for row in values)
    notes = tuple(
        tuple(
            range_text(float(a), float(b)) if np.isfinite([a, b]).all() else ""
            for a, b in zip(lows, highs, strict=True)
        )
        for lows, highs in zip(low, high, strict=True)
    )
    said = "; ".join(
        f"trained {a}, tested {b}: {text}"
        for a, row in zip(TRAINED, texts, strict=True)
        for b, text in zip(TRAINED, row, strict=True)
    )
    level, rest = (str(artifact.meta.get(k) or "") for k in ("level", "rest"))
    chart = Matrix(
        title=f"{artifact.title}: {said}", row_label="trained on", column_label="tested on", levels=TRAINED,
        values=values, texts=texts, notes=notes,
    )  # fmt: skip
    of_cases, of_controls = (meta_number(artifact, k) for k in ("share_of_cases", "share_of_controls"))
    parts = [artifact.title]
    if of_cases is not None and of_controls is not None:
        parts.append(
            f"AUC. Biased: {number(100 * of_cases, 0)} % of the cases and {number(100 * of_controls, 0)} % of the "
            f"controls are {level}; balanced: half of either"
        )
    shift = [_shift(arrays, i) for i in (0, 1)]
    if all(shift):
        parts.append(
            f"Among controls the score tells {level} from {rest} with an AUC of {shift[0]} after biased training and "
            f"of {shift[1]} after balanced; 0.5: not at all"
        )
    cases, controls = (meta_number(artifact, k) for k in ("cases", "controls"))
    if cases is not None and controls is not None:
        parts.append(f"Each of five trainings on {plural(cases, 'case')} and {plural(controls, 'control')}")
    return Figure(chart=chart, caption=f"{'. '.join(parts)}. {OF_RECIPE}")


def _shift(arrays: Arrays, row: int) -> str:
    value, low, high = (float(np.asarray(arrays[k], dtype=float)[row]) for k in ("shift", "shift_low", "shift_high"))
    return f"{number(value, 2)} ({range_text(low, high)})" if np.isfinite([value, low, high]).all() else ""


def _shares(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    share = 100 * np.asarray(arrays["share"], dtype=float)
    auc, low, high = (np.asarray(arrays[k], dtype=float) for k in ("auc", "low", "high"))
    names = [str(artifact.meta.get(k) or k) for k in ("level", "rest")]
    series, seen = [], []
    for ink, name in enumerate(names, start=1):
        row = ink - 1
        known = np.isfinite(auc[row]) & np.isfinite(low[row]) & np.isfinite(high[row])
        if not known.any():
            continue
        x, y = floats(share[known]), floats(auc[row][known])
        bottom, top = floats(low[row][known]), floats(high[row][known])
        apart = tuple(v + (2 * ink - 3) * 0.8 for v in x)
        series.append(Series(name=f"tested on {name}", shape="line", x=x, y=y, ink=ink))
        series.append(Series(name=f"tested on {name}", shape="whiskers", x=apart, y=y, bottom=bottom, top=top, ink=ink))
        seen += [*bottom, *top]
    if not series:
        return None
    chart = Curve(
        title=artifact.title, x_label=f"Share of {names[0]} among the training cases and controls, %", y_label="AUC",
        series=tuple(series), x_domain=(-4.0, 104.0), y_domain=padded(seen),
        x_ticks=tuple((float(v), number(float(v), 0)) for v in share),
    )  # fmt: skip
    said = "A curve that falls towards one end: who is not in the training data is served worse."
    return Figure(chart=chart, caption=f"{artifact.title}. {said} {OF_RECIPE}")


def _transfer(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    names = str(artifact.meta.get("arms") or "").split("|")
    rows = tuple(interval_rows([capital(name) for name in names], arrays, "value", "low", "high"))
    if not rows:
        return None
    chart = Forest(
        title=f"{artifact.title}: {plural(len(rows), 'way')} of training", rows=rows, reference=rows[0].value
    )
    source, target = (meta_number(artifact, k) for k in ("source_cases", "target_cases"))
    counted = str(artifact.meta.get("performance") or "performance")
    parts = [f"{artifact.title}: {counted}"]
    if source is not None and target is not None:
        parts.append(
            f"{plural(source, 'case')} of other protocols, {plural(target, 'case')} of this one where it is used"
        )
    parts.append("Thin line: without any. Where a way is worse than target only, the other protocols did harm")
    return Figure(chart=chart, caption=f"{'. '.join(parts)}. {OF_RECIPE}")


def _noise(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    names = str(artifact.meta.get("names") or "").split("|")
    rows = tuple(
        interval_rows(
            [capital(f"labels {name}" if i == 0 else name) for i, name in enumerate(names)],
            arrays,
            "value",
            "low",
            "high",
        )
    )
    if not rows:
        return None
    chart = Forest(title=f"{artifact.title}: {plural(len(rows), 'value')}", rows=rows, reference=rows[0].value)
    return Figure(
        chart=chart,
        caption=f"{artifact.title}, measured on the labels as they are. Thin line: without errors put in. {OF_RECIPE}",
    )


TRAINING: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "learning_curve": _learning, "four_cells": _cells, "share_curve": _shares, "transfer": _transfer,
    "noise_curve": _noise,
}  # fmt: skip
