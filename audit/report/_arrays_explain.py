"""Figures of explanations held against their controls, from stored arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from audit.core import StoredArtifact
from audit.report._array_parts import Arrays, floats, interval_rows
from audit.report._chart import Curve, Forest, Series
from audit.report._figures import Figure
from audit.report._words import capital

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONTROLS = {
    "random": "chance", "edge": "edges", "centre": "centre", "magnitude": "size of detail",
    "untrained": "untrained network",
}  # fmt: skip
_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


def control_words(name: str) -> str:
    """Return a control in words."""
    return _CONTROLS.get(name, name.replace("_", " "))


def _curve(artifact: StoredArtifact, arrays: Arrays) -> Figure:
    """Return one method among its controls: the closest one by name, the others as the room that they fill."""
    share = np.asarray(arrays["fraction"], dtype=float)
    own = np.asarray(arrays["attribution"], dtype=float)
    controls = {k: np.asarray(arrays[k], dtype=float) for k in arrays if k in _CONTROLS}
    method = str(artifact.meta.get("attribution") or "attribution").replace("_", " ")
    rising = artifact.name == "insertion_curve"
    # Small shares are where small lesions are decided: the axis gives them room.
    x = floats(np.sqrt(share))
    series: list[Series] = []
    closest = _closest(share, controls, rising)
    if controls:
        every = np.stack(list(controls.values()))
        low, high = floats(every.min(axis=0)), floats(every.max(axis=0))
        series.append(Series(name=f"all {len(controls)} controls", shape="band", x=x, y=low, top=high, ink=3))
    named = [n for n in dict.fromkeys((closest, "random")) if n in controls]
    for ink, name in zip((2, 4), named, strict=False):
        series.append(Series(name=control_words(name), shape="line", x=x, y=floats(controls[name]), ink=ink))
    series.append(Series(name=method, shape="line", x=x, y=floats(own), ink=1))
    seen = [v for s in series for v in (*s.y, *s.top)]
    chart = Curve(
        title=f"{artifact.title}: {method} and {len(controls)} controls", x_label="Share of pixels",
        y_label="Answer", series=tuple(series), x_domain=(0, 1), y_domain=(min([0.0, *seen]), max([1.0, *seen])),
        x_ticks=tuple((math.sqrt(t), f"{100 * t:g} %") for t in _TICKS),
    )  # fmt: skip
    better = "rises" if rising else "falls"
    near = f" Closest control: {control_words(closest)}." if closest else ""
    caption = f"{artifact.title}. The faster it {better}, the better the order of pixels; controls have learnt nothing."
    return Figure(chart=chart, caption=caption + near)


def _closest(share: NDArray[np.float64], controls: Mapping[str, NDArray[np.float64]], rising: bool) -> str:
    areas = {k: float(np.trapezoid(v, share)) for k, v in controls.items()}
    return (max if rising else min)(areas, key=lambda k: areas[k]) if areas else ""


def _margins(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return how much better a method is than each control."""
    names = [capital(control_words(str(v))) for v in np.asarray(arrays["control"]).tolist()]
    rows = tuple(interval_rows(names, arrays, "difference", "low", "high"))
    if not any(r.value is not None for r in rows):
        return None
    method = str(artifact.meta.get("attribution") or "attribution").replace("_", " ")
    chart = Forest(title=f"{artifact.title}: {method} against {len(rows)} controls", rows=rows, reference=0.0)
    caption = f"{artifact.title}: {method}. Each control by itself; a method must beat them all."
    return Figure(chart=chart, caption=caption)


def _infidelities(artifact: StoredArtifact, arrays: Arrays) -> Figure | None:
    """Return the infidelity of every method, and of the controls that are the same for all."""
    control = np.asarray(arrays["control"]).astype(bool)
    names = [
        f"Control: {control_words(str(n))}" if c else capital(str(n).replace("_", " "))
        for n, c in zip(np.asarray(arrays["map"]).tolist(), control, strict=True)
    ]
    rows = tuple(interval_rows(names, arrays, "infidelity", "low", "high"))
    if not any(r.value is not None for r in rows):
        return None
    kind = {"square": "squares", "noise": "noise"}.get(str(artifact.meta.get("parameter")), "perturbations")
    chart = Forest(title=f"{artifact.title} under {kind}: {len(rows)} values", rows=rows)
    return Figure(
        chart=chart,
        caption=f"{artifact.title}, under {kind}. 0: every change of the answer is foretold; 1: none is.",
    )


EXPLAINED: Mapping[str, Callable[[StoredArtifact, Arrays], Figure | None]] = {
    "deletion_curve": _curve, "insertion_curve": _curve, "deletion_margins": _margins, "insertion_margins": _margins,
    "infidelity_by_map": _infidelities,
}  # fmt: skip
