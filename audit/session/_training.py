"""The development cohort and the recipe, from a configuration or from Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.core import Cohort, CohortSpec, ImagingModel, Training, TrainingSpec

if TYPE_CHECKING:
    from audit.config import AuditConfig


def make_training(
    recipe: Callable[..., Any],
    development: Cohort,
    model: ImagingModel,
    *,
    audited: Cohort,
    target: float | None = None,
    seconds: float | None = None,
) -> Training:
    """Return what `audit.run(..., training=...)` takes.

    Args:
        recipe: From (images, targets, seed) to a torch module or an object with `predict(images)`. Images are
            (n, channels, *spatial) float32, stored intensities, both in training and in prediction. With a parameter
            `weights` it is given weights of cases, too.
        development: The cases that it learns from, none of a patient of the audited cohort.
        model: The audited model, whose task and outputs the recipe's models have.
        audited: The audited cohort.
        target: Performance that a training set must be large enough for (PERF007).
        seconds: What one probe may spend on training; None: what the profile allows.

    Raises:
        InputError: The recipe cannot be called, the cohort has no images, or patients stand in both cohorts.
    """
    from audit import models
    from audit.session._check import check_fit

    check_fit(model.card, development)
    return models.make_training(recipe, development, model.card, audited=audited, target=target, seconds=seconds)


def open_training(config: AuditConfig, model: ImagingModel, audited: Cohort) -> Training | None:
    """Return what `[training]` of a configuration declares, None where it declares nothing.

    Raises:
        InputError: The recipe or the development cohort cannot be used.
    """
    from audit import cohorts, models

    spec, declared = config.training, config.model
    if spec is None:
        return None
    cohort = cohorts.load_cohort(
        development_spec(config.cohort, spec), config.root, task=declared.task, classes=declared.classes,
        input=declared.input,
    )  # fmt: skip
    return models.load_training(spec, cohort, model.card, config.root, audited=audited)


def development_spec(audited: CohortSpec, training: TrainingSpec) -> CohortSpec:
    """Return the declaration of the development cohort: the columns of the audited one, without what others said."""
    learnt = tuple(a for a in audited.attributes if not {"rater", "repeat"} & {a.role, *a.also})
    return replace(
        audited, manifest=training.manifest, name=training.name, attributes=learnt, split=None, split_value=None,
        comparators=(), others=(), ungradable=None,
    )  # fmt: skip
