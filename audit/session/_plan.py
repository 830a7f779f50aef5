"""What an audit would do, from its configuration, with nothing run and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.core import BUDGETS, Policy, Profile
from audit.errors import InputError

if TYPE_CHECKING:
    from audit.config import AuditConfig
    from audit.execution import Forecast


def plan_config(
    config: AuditConfig, *, profile: Profile | None = None, probes: str | None = None, workers: int | None = None
) -> Forecast:
    """Return what the audit that an audit.toml describes would do, in units with what they cost.

    Model and cohort are loaded and held against each other as in a run; one batch of cases is passed through the model
    to see how long that takes.

    Args:
        config: The typed file.
        profile: Instead of the file's.
        probes: Instead of the file's.
        workers: Processes that would share the work, one by default.

    Raises:
        InputError: Model, cohort or policy cannot be used.
    """
    from audit import cohorts, models
    from audit.execution import forecast_run
    from audit.probes import catalogue
    from audit.session._check import check_fit, check_use
    from audit.session._selected import check_rules, probes_of
    from audit.session._training import open_training

    spec, name = config.model, profile or config.profile
    if name not in BUDGETS:
        raise InputError("no such profile", expected=", ".join(BUDGETS), got=name, fix="choose one of them")
    cohort = cohorts.load_cohort(config.cohort, config.root, task=spec.task, classes=spec.classes, input=spec.input)
    model = models.load_model(spec, config.root)
    known = catalogue()
    check_fit(model.card, cohort)
    check_use(config.intended_use, cohort)
    check_rules(config.policy or Policy(name="none"), known, config.intended_use, cohort.design)
    selected = known.select(probes or ",".join(config.probes) or None)
    with models.fitting_threads(model):
        return forecast_run(
            model, cohort, probes_of(known, selected), BUDGETS[name], workers=workers or 1,
            trainable=open_training(config, model, cohort) is not None, surrogates=len(config.surrogates),
        )  # fmt: skip
