"""Figures of values with intervals, one below the other, from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, farthest, interval_rows, meta_number
from audit.report._chart import Forest, Row, Tone
from audit.report._figures import Figure
from audit.report._numbers import number, range_text
from audit.report._words import capital, metric_name

_MOST_ROWS = 24


def _words(arrays: Arrays, column: str) -> list[str]:
    return [str(v) for v in np.asarray(arrays[column]).tolist()]


def _forest(
    artifact: StoredArtifact, rows: list[Row], caption: str, reference: float | None = 0.0, *,
    groups: list[str] | None = None, distances: list[float] | None = None,
) -> Figure | None:  # fmt: skip
    if not any(r.value is not None for r in rows):
        return None
    shown, more = farthest(rows, _MOST_ROWS, reference, groups=groups, distances=distances)
    chart = Forest(title=f"{artifact.title}: {len(shown)} values", rows=tuple(shown), reference=reference)
    return Figure(chart=chart, caption=f"{artifact.title.rstrip('.')}. {caption}{more}".strip())


def _agreement(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    names = _words(arrays, "name")
    readers = list(interval_rows(names, arrays, "reader", "reader_low", "reader_high"))
    places = list(interval_rows([f"model instead of {n}" for n in names], arrays, "model", "model_low", "model_high"))
    rows = [row for pair in zip(readers, (replace(r, tone=_NEUTRAL) for r in places), strict=True) for row in pair]
    low, high = meta_number(artifact, "difference_low"), meta_number(artifact, "difference_high")
    difference = meta_number(artifact, "difference")
    said = ""
    if difference is not None and low is not None and high is not None:
        said = f"Model minus readers: {number(difference)} ({range_text(low, high)})."
    return _forest(artifact, rows, said, reference=None, groups=_twice(names))


_NEUTRAL: Tone = "none"


def _twice(names: list[str]) -> list[str]:
    """Return the group of each of two rows a name."""
    return [name for name in names for _ in range(2)]


def _advantages(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    labels = [
        f"{capital(metric_name(m))}: model minus {c}"
        for m, c in zip(_words(arrays, "metric"), _words(arrays, "comparator"), strict=True)
    ]
    return _forest(
        artifact, list(interval_rows(labels, arrays, "value", "low", "high")), "Above 0 the model is better."
    )


def _association(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    names = _words(arrays, "determinant")
    kinds: tuple[tuple[str, str, Tone], ...] = (
        ("reference", "by the reference", _NEUTRAL),
        ("automatic", "by the model", "plain"),
    )
    drawn = [
        [replace(r, tone=tone, counts="" if key == "automatic" else r.counts) for r in interval_rows(
            [f"{n}, {words}" for n in names], arrays, key, f"{key}_low", f"{key}_high")]
        for key, words, tone in kinds
    ]  # fmt: skip
    rows = [row for pair in zip(*drawn, strict=True) for row in pair]
    ratio = meta_number(artifact, "slope_ratio")
    said = f"Ratio of all slopes: {number(ratio)}; 1 is parity." if ratio is not None else ""
    return _forest(artifact, rows, said, groups=_twice(names))


def _disagreements(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    classes = _words(arrays, "class") if "class" in arrays else [""] * len(arrays["pair"])
    labels = [
        ", ".join(w for w in (pair, kind, state) if w)
        for pair, kind, state in zip(_words(arrays, "pair"), classes, _words(arrays, "state"), strict=True)
    ]
    rows = list(interval_rows(labels, arrays, "disagreement", "low", "high"))
    return _forest(artifact, rows, "Above 0 the two metrics lie on opposite sides of parity.")


def _decomposition(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    levels = _words(arrays, "level")
    drawn = [
        [replace(r, tone=tone, counts=r.counts if key == "threshold" else "") for r in interval_rows(
            [f"{level}, {words}" for level in levels], arrays, f"{key}_part", f"{key}_low", f"{key}_high")]
        for key, words, tone in (("threshold", "threshold part", _NEUTRAL), ("ranking", "ranking part", "plain"))
    ]  # fmt: skip
    rows = [row for pair in zip(*drawn, strict=True) for row in pair]
    said = "Both parts add up to the gap; the ranking part is left at equal specificity."
    return _forest(artifact, rows, said, groups=_twice(levels))


def _strata(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    labels = [
        ", ".join(w for w in (level, stratum) if w)
        for level, stratum in zip(_words(arrays, "level"), _words(arrays, "stratum"), strict=True)
    ]
    rows = list(interval_rows(labels, arrays, "gap", "low", "high"))
    return _forest(artifact, rows, "Level minus rest.", groups=_words(arrays, "level"))


def _search(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    rows = []
    searched = np.asarray(arrays["gap_where_searched"], dtype=float)
    for row, first in zip(
        interval_rows(_words(arrays, "subgroup"), arrays, "gap", "low", "high"), searched, strict=True
    ):
        label = f"{row.label}, found at {number(float(first), 2)}" if np.isfinite(first) else row.label
        if row.value is None:
            row = replace(row, counts="", reason="not tested on the other half")
        rows.append(replace(row, label=label))
    text = "Gap on patients that the search did not see. A gap that was found by searching looks larger than it is."
    return _forest(artifact, rows, text)


def _load(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    labels = [capital(k.replace("_", " ")) for k in _words(arrays, "kind")]
    where = f"{capital(str(artifact.meta['stratum']))}." if artifact.meta.get("stratum") else ""
    return _forest(artifact, list(interval_rows(labels, arrays, "value", "low", "high")), where, reference=None)


def _population(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    rows = []
    columns = (_words(arrays, "level"), arrays["cohort"], arrays["declared"])
    for level, cohort, declared in zip(*columns, strict=True):
        text = f"{100 * float(cohort):.3g} % here, {100 * float(declared):.3g} % intended"
        ends = sorted((float(cohort), float(declared)))
        rows.append(Row(label=level, text=text, value=float(cohort), low=ends[0], high=ends[1]))
    said, apart = (
        "Dot: this cohort; other end of the bar: the intended population.",
        np.abs(arrays["cohort"] - arrays["declared"]),
    )
    return _forest(artifact, rows, said, None, distances=apart.tolist())


ROWS: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "agreement_by_reader": _agreement, "comparator_advantages": _advantages, "association_parity": _association,
    "metric_disagreements": _disagreements, "gap_decomposition": _decomposition, "gap_by_stratum": _strata,
    "subgroup_search": _search, "operational_load": _load, "population_shares": _population,
}  # fmt: skip
