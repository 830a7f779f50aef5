"""What probes that move lesions begin with."""

from __future__ import annotations

from audit.core import Access, NotApplicable, ProbeContext
from audit.probes.confounding._asked import Setting, sampled, setting_of
from audit.probes.confounding._scenes import has_scene

MOST_UNKNOWN = 0.05
"""Share of the cases that may have no mask; the others would answer for them."""


def begin(ctx: ProbeContext) -> tuple[Setting, list[int]]:
    """Return setting and cases of a probe that moves lesions.

    Raises:
        NotApplicable: The model cannot be asked, or there is nothing to move.
    """
    if ctx.card.access < Access.QUERY:
        raise NotApplicable("the model answers for no new image")
    if ctx.cohort.masks is None:
        raise NotApplicable("the cohort has no masks")
    if ctx.card.task == "segmentation" and "volume_predicted" not in ctx.clean.columns:
        raise NotApplicable("volumes were not measured on these cases")
    return setting_of(ctx), sampled(ctx).tolist()


def lacking(setting: Setting, cases: list[int]) -> str | None:
    """Return why the cases that can be edited do not speak for the cohort, or None."""
    unknown = sum(not has_scene(setting, c) for c in cases)
    if unknown > MOST_UNKNOWN * len(cases):
        return f"{unknown} of {len(cases)} cases have no mask of lesions or of the region, more than {MOST_UNKNOWN:.0%}"
    return None
