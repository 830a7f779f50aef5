"""What the runner would give to a probe, for one probe at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    BUDGETS,
    Access,
    Budget,
    Cohort,
    ImagingModel,
    IntendedUse,
    Levels,
    ModelCard,
    OutputKind,
    Predictions,
    Prevalence,
    ProbeContext,
    Task,
)
from audit.testing._models import SavedModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


def context(
    model: ImagingModel,
    cohort: Cohort,
    *,
    seed: int = 0,
    budget: Budget | None = None,
    raw: NDArray[np.float64] | None = None,
    columns: tuple[str, ...] = (),
    prevalence: Prevalence | None = None,
    confidence: float = 0.95,
    intended_use: IntendedUse | None = None,
    unverified_raw: NDArray[np.float64] | None = None,
    **more: Any,
) -> ProbeContext:
    """Return the context of one probe.

    Args:
        model: The model.
        cohort: All its cases are used.
        seed: Of the probe's generator.
        budget: The smoke budget by default.
        raw: (n, k) what the model says of the cases; by default it is asked.
        columns: Names of the columns of `raw`, for segmentation.
        prevalence: Declared prevalence.
        confidence: Two-sided confidence of the intervals.
        intended_use: The whole declaration, in place of `prevalence` alone.
        unverified_raw: (m,) or (m, k) what the model says of `cohort.unverified`.
        more: Further fields of `ProbeContext`.
    """
    if raw is None:
        images = cohort.images
        if images is None:
            raise ValueError("expected images or raw outputs, got neither")
        raw = model.predict(np.stack([images.load(i) for i in range(len(cohort))]))
    return ProbeContext(
        model=model,
        cohort=cohort,
        clean=Predictions(raw=raw, card=model.card, targets=cohort.targets, columns=columns),
        rng=np.random.default_rng(seed),
        budget=budget or BUDGETS["smoke"],
        levels=Levels(confidence=confidence),
        intended_use=intended_use or IntendedUse(prevalence=prevalence),
        unverified=_unverified(model, cohort, unverified_raw),
        digest_before=more.pop("digest_before", model.state_digest()),
        **more,
    )


def _unverified(model: ImagingModel, cohort: Cohort, raw: NDArray[np.float64] | None) -> Predictions | None:
    if raw is None or cohort.unverified is None:
        return None
    table = np.asarray(raw, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    return Predictions(raw=table, card=model.card, targets=cohort.unverified.cohort.targets)


def saved_context(
    raw: NDArray[np.float64],
    cohort: Cohort,
    *,
    task: Task = "binary",
    output: OutputKind = "probabilities",
    operating_point: float | Mapping[str, float] | None = 0.5,
    card: Mapping[str, Any] | None = None,
    **more: Any,
) -> ProbeContext:
    """Return the context of one probe on saved outputs.

    Args:
        raw: (n,) or (n, k) saved outputs.
        cohort: Their cases.
        task: The model's task.
        output: What the outputs are.
        operating_point: Threshold, None where none is declared.
        card: Further fields of the model's card, such as `horizon` or `training_rater`.
        more: As for `context`.
    """
    claims = ModelCard(
        name="saved", kind="predictions", task=task, output=output, access=Access.SAVED, digest="saved",
        classes=cohort.classes, operating_point=operating_point, phantom=cohort.phantom, **(card or {}),
    )  # fmt: skip
    table = np.asarray(raw, dtype=np.float64)
    return context(SavedModel(card=claims), cohort, raw=table[:, None] if table.ndim == 1 else table, **more)
