"""All simulations, in the order of the page."""

from __future__ import annotations

from functools import cache

from validation.statistics import (
    _agreement,
    _areas,
    _calibration,
    _detection,
    _folds,
    _gaps,
    _holm,
    _means,
    _other_gaps,
    _proportions,
    _resampled,
    _sequential,
    _stopped,
    judge,
)
from validation.statistics._study import Study

JOBS: dict[str, str] = {
    "proportion": "Proportions",
    "auc": "Area under the ROC curve",
    "gap": "Gaps between subgroups",
    "holm": "Many hypotheses",
    "calibration": "Calibration",
    "agreement": "Agreement",
    "mean": "Means of bounded values",
    "paired": "Paired differences",
    "folds": "Scores out of fold",
    "froc": "Detection",
    "resampled": "Statistics by resampling patients",
    "sequential": "Verdicts patient by patient",
    "judge": "The whole judge",
}
"""Title of every job, in the order of the page."""
_MODULES = (
    _proportions, _areas, _gaps, _other_gaps, _holm, _calibration, _agreement, _means, _folds, _detection,
    _resampled, _sequential, _stopped, judge,
)  # fmt: skip


@cache
def studies() -> tuple[Study, ...]:
    """Return every simulation; their ids are unique."""
    made = [study for module in _MODULES for study in module.studies()]
    ids = [study.id for study in made]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"expected a name of its own for every study, got twice: {', '.join(twice)}")
    return tuple(made)


def study(name: str) -> Study:
    """Return one simulation by its id.

    Raises:
        KeyError: There is none.
    """
    return {s.id: s for s in studies()}[name]
