"""Whether a model and a cohort that were declared apart are about the same classes."""

from __future__ import annotations

import numpy as np

from audit.core import CHOSEN_ON, Cohort, IntendedUse, ModelCard
from audit.errors import FaultsError, InputError
from audit.session._source import names_audited

_FIX = "load the cohort with the task and the classes of the model"


def check_fit(card: ModelCard, cohort: Cohort) -> None:
    """Check that the targets of a cohort are those of the model's task, in the order of its classes.

    A configuration declares both at once; from Python they are declared apart, and numbers of another question would
    look like any other.

    Args:
        card: The model's card.
        cohort: The cases.

    Raises:
        InputError: They are not.
    """
    if not isinstance(cohort, Cohort):
        raise InputError(
            "this is no cohort", expected="what audit.load_cohort gives", got=type(cohort).__name__,
            fix="load it with audit.load_cohort",
        )  # fmt: skip
    mine, theirs = card.classes, cohort.classes
    # Other names may be a cohort's own words for them; the same names in another order, or more of them, are a mistake.
    if mine and theirs and mine != theirs and (len(mine) != len(theirs) or set(mine) == set(theirs)):
        raise InputError(
            "model and cohort have different classes", expected=", ".join(mine),
            got=", ".join(theirs), fix=_FIX,
        )  # fmt: skip
    _check_declared(card, cohort)
    targets = np.asarray(cohort.targets)
    if card.task == "survival" and (cohort.time is None or cohort.event is None or targets.shape[1:] != (2,)):
        raise InputError(
            "the targets are not those of task 'survival'", expected="times and events", got=f"shape {targets.shape}",
            fix=_FIX,
        )  # fmt: skip
    if (targets.ndim == 2) != (card.task in ("multilabel", "survival")):
        wanted = "one column a finding" if card.task == "multilabel" else "one target a case"
        raise InputError(
            f"the targets are not those of task {card.task!r}", expected=wanted, got=f"shape {targets.shape}", fix=_FIX
        )
    whole = targets.dtype.kind in "iub"
    if card.task in ("binary", "multiclass", "ordinal") and not (whole and _below(targets, _classes(card))):
        wanted = f"whole numbers from 0 to {_classes(card) - 1}"
        raise InputError(
            f"the targets are not those of task {card.task!r}", expected=wanted,
            got=f"{targets.min():g} to {targets.max():g}", fix=_FIX,
        )  # fmt: skip


def _check_declared(card: ModelCard, cohort: Cohort) -> None:
    """Check what a model of one's own may claim in its card; a loaded model's declaration was checked before."""
    if card.operating_point_chosen_on not in ("", *CHOSEN_ON):
        raise InputError(
            "the operating point was not chosen on other cases", expected=f"one of {', '.join(CHOSEN_ON)}",
            got=repr(card.operating_point_chosen_on),
            fix="a threshold chosen on the audited cases makes the audit look better: choose it on other patients",
        )  # fmt: skip
    named = names_audited(card.operating_point_source, cohort.name, elsewhere=bool(card.operating_point_chosen_on))
    if card.operating_point is not None and named:
        raise InputError(
            "operating_point_source names the audited cases", expected="where else the threshold was chosen",
            got=repr(card.operating_point_source),
            fix="a threshold chosen on the audited cases makes the audit look better: choose it on other patients, and "
            "say which in operating_point_source",
        )  # fmt: skip
    raters = [a.name for a in cohort.by_role("rater")]
    if card.training_rater and card.training_rater not in raters:
        raise InputError(
            "training_rater is no rater of the cohort", got=repr(card.training_rater),
            expected=f"one of {', '.join(raters)}" if raters else "an attribute of role rater (there is none)",
            fix="declare its column with the role rater",
        )  # fmt: skip


def check_use(use: IntendedUse, cohort: Cohort) -> None:
    """Check that a declared population is one, and of attributes that the cohort has.

    Args:
        use: The declared use.
        cohort: The cases.

    Raises:
        FaultsError: Shares do not add up, or an attribute is not there; all that is wrong at once.
    """
    from audit.config import population_faults

    faults = population_faults(use.population, cohort.attributes)
    if faults:
        raise FaultsError("intended use", faults)


def _classes(card: ModelCard) -> int:
    return 2 if card.task == "binary" else len(card.classes) or np.iinfo(np.int64).max


def _below(targets: np.ndarray, count: int) -> bool:
    return not targets.size or bool(targets.min() >= 0 and targets.max() < count)
