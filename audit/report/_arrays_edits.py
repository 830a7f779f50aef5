"""Figures of edited images: what is left without the evidence, markers, lesions put in and taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, floats, interval_rows
from audit.report._chart import Curve, Forest, Series, Tone, padded
from audit.report._figures import Figure
from audit.report._words import capital

_SHAM: Tone = "none"


def _words(arrays: Arrays, column: str) -> list[str]:
    return [capital(str(v)) for v in np.asarray(arrays[column]).tolist()]


def _flips(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    names = _words(arrays, "marker")
    marked = list(interval_rows(names, arrays, "flip", "flip_low", "flip_high"))
    noise = [
        replace(row, tone=_SHAM, counts="")
        for row in interval_rows([f"{n}: noise in its place" for n in names], arrays, "sham", "sham_low", "sham_high")
    ]
    rows = tuple(row for pair in zip(marked, noise, strict=True) for row in pair)
    chart = Forest(title=f"{artifact.title}: {len(rows)} shares", rows=rows, reference=0.0)
    caption = "Share of cases whose decision changes at any place of the marker; grey: noise of the same energy there."
    return Figure(chart=chart, caption=f"{artifact.title}. {caption}")


def _dose(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    x = (0.0, *floats(arrays["dose"]))
    series: list[Series] = []
    for ink, (name, keys) in enumerate(
        (("lesions", ("lesion", "low", "high")), ("sham", ("sham", "sham_low", "sham_high"))), start=1
    ):
        middle, low, high = ((0.0, *floats(arrays[k])) for k in keys)
        series.append(Series(name=name, shape="band", x=x, y=low, top=high, ink=ink))
        series.append(Series(name=name, shape="line", x=x, y=middle, ink=ink))
        series.append(Series(name=name, shape="dots", x=x, y=middle, ink=ink))
    seen = [v for s in series for v in (*s.y, *s.top)]
    out = artifact.meta.get("parameter") == "erase"
    what = "taken out" if out else "put in"
    unit = str(artifact.meta.get("unit") or "")
    chart = Curve(
        title=f"{artifact.title}: lesions against sham", x_label=f"lesions {what}",
        y_label=f"Change of the answer{f', {unit}' if unit else ''}", series=tuple(series),
        x_domain=(-0.1, max(x) + 0.1), y_domain=padded([*seen, 0.0]), levels=(0.0,),
        x_ticks=tuple((v, f"{v:g}") for v in x),
    )  # fmt: skip
    n = np.asarray(arrays["n_patients"]).astype(int)
    return Figure(
        chart=chart,
        caption=f"{artifact.title}, mean with its interval by patient ({n.max()} patients at the first step, {n.min()} "
        "at the last). The sham is plain tissue handled alike, and must stay at 0.",
    )


def _specificity(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    kinds, what = _words(arrays, "parameter"), [str(v) for v in np.asarray(arrays["what"]).tolist()]
    labels = [
        kind if w == "distractor" else f"Lesion, beside {kind.lower()}" for kind, w in zip(kinds, what, strict=True)
    ]
    rows = tuple(
        row if w == "lesion" else replace(row, tone=_SHAM)
        for row, w in zip(interval_rows(labels, arrays, "value", "low", "high"), what, strict=True)
    )
    unit = str(artifact.meta.get("unit") or "")
    chart = Forest(title=f"{artifact.title}: {len(rows)} slopes", rows=rows, reference=0.0)
    return Figure(
        chart=chart,
        caption=f"{artifact.title}{f', in {unit}' if unit else ''}, less that of the sham. Grey: what only looks like "
        "a lesion; it should stay at 0.",
    )


def _removed(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    rows = tuple(interval_rows(_words(arrays, "image"), arrays, "auc", "low", "high"))
    chart = Forest(title=f"{artifact.title}: {len(rows)} values", rows=rows, reference=0.5)
    caption = "Thin line: chance. What is left without the lesion comes from elsewhere in the image."
    return Figure(chart=chart, caption=f"{artifact.title}. {caption}")


EDITS: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "evidence_removed": _removed, "marker_flips": _flips, "dose_response": _dose, "specificity_slopes": _specificity,
}  # fmt: skip
