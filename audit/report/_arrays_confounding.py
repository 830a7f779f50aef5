"""Figures of the confounding family, and of what tells the label without an image, from stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, farthest, interval_rows, meta_number
from audit.report._chart import Forest, Matrix, Row
from audit.report._figures import Figure
from audit.report._numbers import number, whole
from audit.report._words import attribute_name, capital, plural

_MOST_ROWS, _MOST_LEVELS = 24, 8
# Cells of more levels are too narrow on a phone for a second line.
_MOST_NOTED = 3
_JOINT = "(joint)"


def _words(arrays: Arrays, column: str) -> list[str]:
    return [capital(str(v)) for v in np.asarray(arrays[column]).tolist()]


def _title(artifact: StoredArtifact) -> str:
    return artifact.title.rstrip(".").replace(_JOINT, attribute_name(_JOINT))


def _forest(
    artifact: StoredArtifact, rows: list[Row], said: str, reference: float | None, *,
    groups: list[str] | None = None, head: int = 0, distances: list[float] | None = None,
) -> Figure | None:  # fmt: skip
    if not any(r.value is not None for r in rows):
        return None
    shown, more = farthest(rows, _MOST_ROWS, reference, groups=groups, head=head, distances=distances)
    title = _title(artifact)
    chart = Forest(title=f"{title}: {plural(len(shown), 'value')}", rows=tuple(shown), reference=reference)
    return Figure(chart=chart, caption=f"{title}. {said}{more}".strip())


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
    notes: tuple[tuple[str, ...], ...] = ()
    counts = ""
    if "n_cases" in arrays and "n_controls" in arrays:
        cases, controls = ([int(v) for v in np.asarray(arrays[k])] for k in ("n_cases", "n_controls"))
        if len(levels) <= _MOST_NOTED:
            notes = tuple(tuple(f"{whole(a)} x {whole(b)}" for b in controls) for a in cases)
            counts = " Below each AUC: cases x controls."
        else:
            each = (f"{n} {whole(a)} x {whole(b)}" for n, a, b in zip(levels, cases, controls, strict=True))
            counts = f" Cases x controls of each level: {', '.join(each)}."
    cells = "; ".join(
        f"cases of {a} against controls of {b}: {text}"
        for a, row in zip(levels, texts, strict=True)
        for b, text in zip(levels, row, strict=True)
    )
    title = _title(artifact)
    chart = Matrix(
        title=f"{title}: {cells}", row_label="cases of", column_label="controls of", levels=levels, values=values,
        texts=texts, notes=notes,
    )  # fmt: skip
    said = f" Off the diagonal, the level and the label disagree.{counts}{_left(artifact)}"
    return Figure(chart=chart, caption=f"{title}.{said}")


def _left(artifact: StoredArtifact) -> str:
    """Return what is left without the confounder, and why it is one, in a sentence each."""
    pooled, within, balanced = (meta_number(artifact, k) for k in ("pooled", "within", "balanced"))
    if pooled is None or within is None or balanced is None:
        return ""
    name = str(artifact.meta.get("attribute", "the confounder"))
    without = "all confounders" if name == _JOINT else name
    text = (
        f" AUC as this cohort is: {number(pooled, 3)}; where {without} is equal in both patients: {number(within, 3)}; "
        f"what is left without {without}: {number(balanced, 3)}."
    )
    reason = str(artifact.meta.get("reason") or "").strip().rstrip(".")
    return text + (f" Declared as a confounder because: {reason}." if reason else "")


def _scores(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    columns = {k: np.asarray(arrays[k], dtype=float) for k in ("q05", "q25", "q50", "q75", "q95")}
    rows = []
    for i, (side, level) in enumerate(
        zip(_words(arrays, "side"), np.asarray(arrays["level"]).astype(str), strict=True)
    ):
        q05, q25, q50, q75, q95 = (float(c[i]) for c in columns.values())
        text = f"{number(q50, 2)} ({number(q25, 2)} to {number(q75, 2)})"
        counts = plural(int(np.asarray(arrays["n_patients"])[i]), "patient")
        label = f"{side}, {level}"
        rows.append(Row(label=label, text=text, value=q50, low=q25, high=q75, outer=(q05, q95), counts=counts))
    p = [
        f"{kind} {'below 0.001' if value < 0.001 else number(value, 3)}"
        for kind, value in (
            ("controls", meta_number(artifact, "p_controls")),
            ("cases", meta_number(artifact, "p_cases")),
        )
        if value is not None
    ]
    said = "Dot: median; thick: the middle half of the patients; thin: nine in ten."
    if p:
        said += f" Permutation p: {', '.join(p)}; a large p is no evidence of no shift."
    sides = np.asarray(arrays["side"]).astype(str)
    middles = {str(name): float(np.median(columns["q50"][sides == name])) for name in np.unique(sides)}
    apart = [abs(float(v) - middles[str(name)]) for v, name in zip(columns["q50"], sides, strict=True)]
    return _forest(artifact, rows, said, None, distances=apart)


def _pooled(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    rows = list(interval_rows(_words(arrays, "part"), arrays, "value", "low", "high"))
    pooled, gain, share = (meta_number(artifact, k) for k in ("pooled", "gain", "share"))
    said = ""
    if pooled is not None and gain is not None and share is not None:
        said = (
            f"AUC over all pairs: {number(pooled, 3)}, of which {number(gain, 3)} is made between levels; "
            f"{number(100 * share, 0)} % of the pairs are of two levels."
        )
    if artifact.meta.get("reversed") is True:
        said += " A Simpson reversal: over all pairs the model ranks one way, within levels the other."
    # Above the levels stand the pairs within a level and those of two.
    return _forest(artifact, rows, said, 0.5, head=2)


def _told(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    rows = list(interval_rows(_words(arrays, "columns"), arrays, "value", "low", "high"))
    return _forest(artifact, rows, "0.5: nothing is told. The model's own AUC must be held against these.", 0.5)


def _decoded(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    control = np.asarray(arrays["control"], dtype=bool)
    rows = [
        replace(row, tone="none", label=f"{row.label} (control)") if control[i] else row
        for i, row in enumerate(interval_rows(_words(arrays, "part"), arrays, "value", "low", "high"))
    ]
    said = "0.5: not read. Controls are grey. What can be read is not shown to be used."
    # A control is drawn beside what it controls for; it is no reason to show it.
    apart = [0.0 if control[i] or row.value is None else abs(row.value - 0.5) for i, row in enumerate(rows)]
    levels = [row.label.split(", ")[0] for row in rows]
    return _forest(artifact, rows, said, 0.5, groups=levels, distances=apart)


def _resampled(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    rows = list(interval_rows(_words(arrays, "part"), arrays, "value", "low", "high"))
    levels = [row.label.rpartition(": ")[0] for row in rows]
    return _forest(artifact, rows, "0: performance is the same, and no gap is left.", 0.0, groups=levels, head=1)


CONFOUNDING: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "stratum_matrix": _matrix, "scores_by_level": _scores, "pooled_within": _pooled, "metadata_auc": _told,
    "decodability": _decoded, "resampled_auc": _resampled,
}  # fmt: skip
