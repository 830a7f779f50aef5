"""What a run says before it measures: the family of hypotheses, and what can be foreseen of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.core import BUDGETS, Budget, Cohort, Envelope, ImagingModel, Policy, ThreatModel
from audit.evidence import mask, names_one
from audit.execution import (
    Progress,
    RunLog,
    unattainable_by_rule,
    undeclared_acquisitions,
    warnings_before,
    why_not_applicable,
)
from audit.judge import Family, declare, family_values
from audit.probes import Catalogue
from audit.session._describe import levels_shown


@dataclass(frozen=True, kw_only=True)
class Before:
    """What is known before any result.

    Args:
        unattainable: A sentence for each rule that cannot PASS.
        warnings: What a user should know besides.
        family: The hypotheses that the policy declares on this cohort.
    """

    unattainable: tuple[str, ...]
    warnings: tuple[str, ...]
    family: Family


def look_ahead(
    model: ImagingModel, cohort: Cohort, policy: Policy, known: Catalogue, selected: Sequence[str], *,
    threat_model: ThreatModel | None = None, trainable: bool = False, envelope: Envelope | None = None,
    budget: Budget | None = None,
) -> Before:  # fmt: skip
    """Return what can be said of a run before it measures anything.

    Args:
        model: The model.
        cohort: The cases as the manifest gives them.
        policy: The rules.
        known: The catalogue.
        selected: Codes of the probes that were selected.
        threat_model: Against whom the model must stand, where that is declared.
        trainable: Whether a training recipe is declared.
        envelope: Acquisitions in clinical use, as declared.
        budget: What a probe may spend.
    """
    absent: dict[str, str] = {}
    for code, probe in known.probes.items():
        if code not in selected and not probe.info.self_check:
            absent[code] = "it was not selected"
        elif lacking := why_not_applicable(probe.info, model, cohort, trainable=trainable):
            absent[code] = lacking
    never = unattainable_by_rule(policy, cohort, model.card, absent)
    if "SHIFT002" not in absent:
        undeclared = undeclared_acquisitions(policy, envelope or Envelope(), cohort, budget or BUDGETS["standard"])
        never = {**undeclared, **never}
    return Before(
        unattainable=tuple(never.values()),
        warnings=warnings_before(policy, cohort, model.card, never, threat_model=threat_model),
        family=declare(policy, levels_shown(cohort)),
    )


def tell(
    before: Before, policy: Policy, progress: Progress, log: RunLog, cohort: Cohort | None = None, min_cell: int = 0
) -> None:
    """Say and log it, in this order: what was declared, what cannot pass, what else to know.

    Args:
        before: What is known.
        policy: The rules.
        progress: Somebody who watches, who is not told of cells with fewer patients than `min_cell`.
        log: The run's log, which has everything.
        cohort: The cases, where cells are to be left out.
        min_cell: Fewest patients of a cell that is told of.
    """
    few = few_patients(cohort, min_cell) if cohort is not None and min_cell else ()
    values = family_values(before.family, policy)
    log.event("family", policy=policy.digest, attributes=values["attributes"], declared=values["declared"])
    for name, sentences in (("unattainable", before.unattainable), ("warning", before.warnings)):
        for sentence in sentences:
            if not names_one(sentence, few):
                progress.note(mask(sentence, min_cell) if min_cell else sentence)
            log.event(name, text=sentence)


def few_patients(cohort: Cohort, min_cell: int) -> tuple[str, ...]:
    """Return the levels with fewer patients than `min_cell`, as "attribute level"."""
    return tuple(
        f"{a.name} {level}"
        for a in cohort.attributes.values()
        for level in a.level_names()
        if np.unique(cohort.patients[a.levels == level]).size < min_cell
    )
