"""Figures of where explanations point, and of what they depend on, from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from audit.core import StoredArtifact
from audit.judge import unit_words
from audit.report._array_parts import Arrays, floats, interval_rows
from audit.report._arrays_explain import control_words
from audit.report._chart import Curve, Forest, Row, Series
from audit.report._figures import Figure
from audit.report._numbers import number
from audit.report._words import capital, plural

_BASELINE, _CHANCE = "magnitude", "random"
_LINES = {_BASELINE: "intensity baseline", _CHANCE: "chance"}
_MOST = 4


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _froc(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return the sound methods with their intervals, the intensity baseline and chance."""
    names, kinds = (np.asarray(arrays[k]).astype(str) for k in ("name", "kind"))
    rates = np.unique(np.asarray(arrays["rate"], dtype=float))
    place = {float(rate): float(i) for i, rate in enumerate(rates)}

    def column(name: str, key: str) -> tuple[float, ...]:
        return tuple(float(v) for v in np.asarray(arrays[key], dtype=float)[names == name])

    methods = list(dict.fromkeys(names[kinds == "method"].tolist()))
    x = tuple(place[float(r)] for r in rates)
    series: list[Series] = []
    for ink, name in zip((1, 4), methods, strict=False):
        y, low, high = (column(name, key) for key in ("sensitivity", "low", "high"))
        if np.isfinite([*low, *high]).all() and ink == 1:
            series.append(Series(name=_words(name), shape="band", x=x, y=low, top=high, ink=ink))
        series.append(Series(name=_words(name), shape="line", x=x, y=floats(np.array(y)), ink=ink))
    for ink, name in ((2, _BASELINE), (3, _CHANCE)):
        if name in names:
            series.append(Series(name=_LINES[name], shape="line", x=x, y=column(name, "sensitivity"), ink=ink))
    chart = Curve(
        title=f"{artifact.title}: {', '.join(s.name for s in series if s.shape == 'line')}",
        x_label="False marks a case", y_label="Share of lesions found", series=tuple(series),
        x_domain=(0.0, float(max(1, len(rates) - 1))), y_domain=(0.0, 1.0),
        x_ticks=tuple((place[float(r)], _rate(float(r))) for r in rates),
    )  # fmt: skip
    meta = artifact.meta
    counts = [
        plural(int(value), word)
        for key, word in (("lesions", "lesion"), ("cases", "case"))
        if isinstance(value := meta.get(key), (int, float))
    ]
    size = f" {capital(' in '.join(counts))}, {meta.get('radius', 'hit radius unknown')}." if counts else ""
    none = "" if methods else " No method is sound on this model, so that none is shown."
    rest = f" The first 2 of {len(methods)} sound methods." if len(methods) > 2 else ""
    said = "Baseline: how far a pixel lies from its blurred surroundings. Chance: a random map in the organ."
    return Figure(chart=chart, caption=f"{artifact.title}.{size} {said}{rest}{none}")


def _rate(rate: float) -> str:
    return f"1/{round(1 / rate)}" if rate < 1 else number(rate)


def _cascade(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return how alike maps stay step by step, from 1 as learnt down to 0 where they share nothing."""
    names = np.asarray(arrays["attribution"]).astype(str)
    steps = np.asarray(arrays["step"], dtype=float)
    layers = [len(part.split(", ")) for part in str(artifact.meta.get("steps", "")).split("|")]
    total, done = sum(layers), np.cumsum(layers)
    shown = _apart(names, np.asarray(arrays["similarity"], dtype=float))
    series: list[Series] = []
    for ink, name in enumerate(shown, start=1):
        mine = names == name
        x = floats(steps[mine])
        y, low, high = (floats(np.asarray(arrays[k])[mine]) for k in ("similarity", "low", "high"))
        series.append(Series(name=_words(name), shape="line", x=(0.0, *x), y=(1.0, *y), ink=ink))
        series.append(Series(name=_words(name), shape="whiskers", x=x, y=y, bottom=low, top=high, ink=ink))
    seen = [v for s in series for v in (*s.y, *s.bottom, *s.top)]
    last = int(steps.max())
    ticks = [(0.0, "none"), *((float(k), f"{done[k - 1]} of {total}") for k in range(1, min(last, len(done)) + 1))]
    chart = Curve(
        title=f"{artifact.title}: {', '.join(_words(n) for n in shown)}", x_label="Layers drawn again, from the output",
        y_label="Similarity", series=tuple(series), x_domain=(-0.1, last + 0.1),
        y_domain=(min([-0.1, *seen]), max([1.05, *seen])), levels=(0.0, 1.0), x_ticks=tuple(ticks),
    )  # fmt: skip
    count = len(dict.fromkeys(names.tolist()))
    rest = f" {len(shown)} of {count} methods, those that stay most alike among them." if len(shown) < count else ""
    said = "1: the map is the same whatever the network has learnt; 0: as unlike as maps that share nothing."
    return Figure(chart=chart, caption=f"{artifact.title}. {said}{rest}")


def _apart(names: np.ndarray, values: np.ndarray) -> list[str]:
    """Return at most four methods: the first two of the run, and those whose maps stay most alike."""
    every = list(dict.fromkeys(names.tolist()))
    alike = sorted(every, key=lambda n: -float(values[names == n].mean()))
    kept = set(list(dict.fromkeys([*every[:2], *alike]))[:_MOST])
    return [n for n in every if n in kept]


def _stability(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return how far each method moves with the noise, and the controls."""
    names = np.asarray(arrays["name"]).astype(str)
    control = np.asarray(arrays["kind"]).astype(str) == "control"
    labels = [f"Control: {control_words(n)}" if c else capital(_words(n)) for n, c in zip(names, control, strict=True)]
    rows = _toned(labels, control, arrays, "value")
    noise, unit = artifact.meta.get("noise_sd"), artifact.meta.get("unit")
    size = f" Noise: {unit_words(number(noise), str(unit or ''))}." if isinstance(noise, (int, float)) else ""
    chart = Forest(title=f"{artifact.title}: {len(rows)} values", rows=rows, reference=0.0)
    return Figure(chart=chart, caption=f"{artifact.title}. Distance relative to the map; 0: it stays.{size}")


def _gaps(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return how much better the explanations of each level are than those of the rest."""
    labels = [str(v) for v in np.asarray(arrays["level"]).tolist()]
    rows = tuple(interval_rows(labels, arrays, "gap", "low", "high"))
    method = _words(artifact.meta.get("attribution", "attribution"))
    chart = Forest(title=f"{artifact.title}: {method}", rows=rows, reference=0.0)
    return Figure(chart=chart, caption=f"{artifact.title}: {method}. Below 0, the group's explanations show less.")


def _toned(labels: list[str], control: np.ndarray, arrays: Arrays, value: str) -> tuple[Row, ...]:
    rows = interval_rows(labels, arrays, value, "low", "high")
    return tuple(replace(row, tone="none") if c else row for row, c in zip(rows, control, strict=True))


LOCALISED: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "froc_curve": _froc, "randomisation_cascade": _cascade, "explanation_stability": _stability,
    "explanation_gaps": _gaps,
}  # fmt: skip
