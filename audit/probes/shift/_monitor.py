"""What raises an alarm before an answer is believed: the model's declared monitor, or else its own doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import NotApplicable, ProbeContext, foreground_probability, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DECLARED, OWN_DOUBT = "monitor", "own doubt"
WORDS = {
    DECLARED: "by the declared monitor",
    OWN_DOUBT: "by the model's own doubt",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """What was heard of m images.

    Args:
        alarm: (m,) the higher, the more unlike what the model is meant for; NaN where nothing finite came back.
        doubt: (m,) 1 minus the probability of the answer given, in [0, 1]; None where answers have no probability.
    """

    alarm: Floats
    doubt: Floats | None


def source_of(ctx: ProbeContext) -> str:
    """Return whose alarm is heard.

    Raises:
        NotApplicable: There is neither a monitor nor an answer with a probability.
    """
    if ctx.monitor is not None:
        return DECLARED
    if ctx.card.output in ("value",) or ctx.card.task == "regression":
        raise NotApplicable("the model has no monitor ([model] monitor), and its answers have no probability to doubt")
    return OWN_DOUBT


def hear(ctx: ProbeContext, images: NDArray[np.float32]) -> Heard:
    """Return the alarms over some images (m, channels, *spatial).

    Raises:
        ValueError: The monitor does not give one number an image.
    """
    raw = ctx.model.predict(images)
    doubt = _doubt(ctx, raw)
    if ctx.monitor is None:
        return Heard(alarm=np.full(len(images), np.nan) if doubt is None else doubt, doubt=doubt)
    alarm = np.asarray(ctx.monitor(images), dtype=np.float64)
    if alarm.shape != (len(images),):
        raise ValueError(f"monitor: expected {len(images)} numbers, one an image, got an array of shape {alarm.shape}")
    return Heard(alarm=alarm, doubt=doubt)


def _doubt(ctx: ProbeContext, raw: Any) -> Floats | None:
    if ctx.card.output == "value" or ctx.card.task == "regression":
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        if ctx.card.task == "segmentation":
            return _doubt_of_mask(ctx, raw)
        p = np.asarray(scores(raw, ctx.card), dtype=np.float64)
    if p.ndim == 1:
        return 1 - np.maximum(p, 1 - p)
    if ctx.card.task == "multilabel":
        out: Floats = (1 - np.maximum(p, 1 - p)).max(axis=1)
        return out
    most: Floats = 1 - p.max(axis=1)
    return most


def _doubt_of_mask(ctx: ProbeContext, raw: Any) -> Floats:
    """Return the mean doubt over the pixels that are marked, or over all where none is."""
    p = foreground_probability(raw, ctx.card)
    doubt, marked = 1 - np.maximum(p, 1 - p), p >= 0.5
    axes = tuple(range(1, p.ndim))
    some = marked.sum(axis=axes)
    over = np.where(some > 0, (doubt * marked).sum(axis=axes) / np.maximum(some, 1), doubt.mean(axis=axes))
    return np.asarray(over, dtype=np.float64)
