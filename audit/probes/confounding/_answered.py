"""Whether the cases that a model answered speak for those that it owes an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.core import ClassView, ProbeContext
from audit.probes._unanswered import unanswered
from audit.probes.confounding._strata import MOST_WITHOUT, Strata, is_continuous

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OF_A_LEVEL = 0.10
"""Share of one class of one level; such cells are small, so chance alone takes some beyond the other limit."""
FEWEST = 3
"""Cases of a cell without an answer below which nothing is said of it."""


def silent(
    ctx: ProbeContext, strata: Strata, view: ClassView | None = None, sides: tuple[bool, ...] = (True, False)
) -> str | None:
    """Return that too many cases of a class have no answer of the model, with the counts, or None.

    A model that gives no answer where it would lean is not shown to lean by the answers that it gives.

    Args:
        ctx: The probe's context.
        strata: The confounder.
        view: The class; None for a value or a volume.
        sides: Which sides are compared: True for cases, False for controls.
    """
    gone = unanswered(ctx)
    if not gone.known.any():
        return None
    if view is None:
        whole = [("cases", np.ones(len(ctx.cohort), dtype=bool), gone.known)]
    else:
        labels = next(own for own, v in zip(gone.labels, ctx.clean.views, strict=True) if v.condition == view.condition)
        both = {True: ("cases", view.labels, labels), False: ("controls", ~view.labels, gone.known & ~labels)}
        whole = [both[side] for side in sides]
    for kind, inside, outside in whole:
        lost, n = int(outside.sum()), int(inside.sum() + outside.sum())
        if lost > MOST_WITHOUT * n:
            return f"{lost} of {n} {kind} have no answer of the model, more than {100 * MOST_WITHOUT:g} %"
        for part in strata.parts:
            reason = _level(ctx, part, inside, outside, kind)
            if reason:
                return reason
    return None


def _level(
    ctx: ProbeContext, part: str, inside: NDArray[np.bool_], outside: NDArray[np.bool_], kind: str
) -> str | None:
    given = ctx.cohort.attributes.get(part)
    aside = None if ctx.cohort.aside is None else ctx.cohort.aside.attributes.get(part)
    if given is None or aside is None or is_continuous(given):
        return None
    for name in np.unique(aside.levels[outside]):
        lost = int((outside & (aside.levels == name)).sum())
        n = lost + int((inside & (given.levels == name)).sum())
        if lost >= FEWEST and lost > MOST_OF_A_LEVEL * n:
            return f"{lost} of {n} {kind} of {name} have no answer of the model, more than {100 * MOST_OF_A_LEVEL:g} %"
    return None
