"""What stands beside a curve over the size of an attack: changes of the same size that were not aimed at anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from audit.core import Evidence, Measurement
from audit.report._chart import Series

_CONTROL = "control_accuracy"
# The controls have the largest change of a pixel in common with these; under another norm the axis means another thing.
_SAME_NORM = ("ADV001", "ADV003", "ADV004", "ADV009")


def control_points(
    evidence: Evidence, probe: str, sized: Iterable[Measurement], place: Mapping[float, float], ink: int
) -> tuple[Series, ...]:
    """Return what unaimed changes of the same size leave standing, as points of a curve over the size.

    Args:
        evidence: Everything that was measured.
        probe: Code of the probe whose curve it is.
        sized: The measurements of the curve; controls of other units and classes are left out.
        place: Where each size stands on the axis.
        ink: First colour to use.
    """
    shown = list(sized)
    if probe not in _SAME_NORM or not shown or shown[0].metric != "robust_accuracy":
        return ()
    units = {(m.condition.get("epsilon_unit"), m.condition.get("class")) for m in shown}
    points: dict[str, list[Measurement]] = {}
    for m in (m for r in evidence.results if r.info.family == "ADV" for m in r.measurements):
        fits = (m.condition.get("epsilon_unit"), m.condition.get("class")) in units
        if m.metric == _CONTROL and m.value is not None and fits and m.condition.get("epsilon") in place:
            points.setdefault(str(m.condition.get("attack") or "control"), []).append(m)
    return tuple(
        Series(
            name=f"control: {name}", shape="dots", x=tuple(place[float(m.condition["epsilon"] or 0)] for m in mine),
            y=tuple(float(m.value or 0) for m in mine), ink=ink + i,
        )
        for i, (name, mine) in enumerate(list(points.items())[: max(0, 5 - ink)])
    )  # fmt: skip
