"""Pictures of the positives that the model missed by most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import ClassView, ProbeContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 4


def draw_missed(ctx: ProbeContext, view: ClassView) -> None:
    """Keep the missed positives with the lowest scores, each with its score and its groups.

    They are image content: they reach a report for phantoms, or where pixels were asked for by name.
    """
    if ctx.cohort.images is None or view.decisions is None:
        return
    missed = np.flatnonzero(view.labels & ~view.decisions)
    worst = missed[np.argsort(view.scores[missed], kind="stable")][:SHOWN]
    if not worst.size:
        return
    images = np.stack([_grey(ctx.cohort.images.load(int(i)), ctx.card.input.range) for i in worst])
    arrays: dict[str, NDArray[Any]] = {"images": images, "score": view.scores[worst]}
    for attribute in ctx.cohort.by_role("protected", "protocol"):
        arrays[attribute.name] = attribute.levels[worst]
    named = f" ({view.name})" if view.name else ""
    about: dict[str, Any] = {**view.condition, "missed": int(missed.size), "positives": int(view.labels.sum())}
    ctx.sink.artifact("missed_cases", f"Positives missed by most{named}", arrays, pixels=True, **about)


def _grey(image: NDArray[Any], span: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = span
    share = (np.asarray(image, dtype=np.float64) - low) / (high - low if high > low else 1.0)
    return np.asarray(np.clip(share, 0, 1) * 255, dtype=np.uint8)
