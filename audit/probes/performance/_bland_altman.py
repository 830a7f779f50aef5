"""The picture of two measurements of the same cases: their difference over their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, ProbeContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_POINTS = 2000


def draw_bland_altman(
    ctx: ProbeContext,
    title: str,
    one: NDArray[np.float64],
    two: NDArray[np.float64],
    *,
    lines: dict[str, Estimate],
    **about: Any,
) -> None:
    """Keep the difference (one minus two) over the mean of both, with lines and their intervals.

    Args:
        ctx: Where it goes.
        title: Caption.
        one: (n,) measurements.
        two: (n,) the others.
        lines: Estimates by name, drawn across: "mean", "low" and "high".
        about: Further facts for the caption.
    """
    middle, difference = (one + two) / 2, one - two
    order = np.argsort(middle, kind="stable")
    if len(order) > MOST_POINTS:
        order = order[np.unique(np.linspace(0, len(order) - 1, MOST_POINTS).astype(int))]
    facts: dict[str, Any] = {"cases": len(middle), **about}
    for name, estimate in lines.items():
        bounds = estimate.bounds(ctx.levels.pointwise)
        if estimate.value is not None and bounds is not None:
            facts |= {name: estimate.value, f"{name}_from": bounds[0], f"{name}_to": bounds[1]}
    ctx.sink.artifact("bland_altman", title, {"mean": middle[order], "difference": difference[order]}, **facts)
