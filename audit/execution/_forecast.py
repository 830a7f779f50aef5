"""What the plan of a run costs in passes and in time, before any of it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.core import Access, Budget, Cohort, ImagingModel, Probe, ProbeInfo
from audit.execution._costs import Cost, Scope, clean_cost, cost_of, probe_shards
from audit.execution._pace import LEAST, MOST, Pace, pace_of
from audit.execution._runner import why_not_applicable
from audit.execution._units import Plan, Unit, make_plan


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A plan and about how long it takes.

    Args:
        plan: The units.
        seconds: By name of a unit about how long it takes on one worker; None where nobody knows.
        reads: By name of a unit, images that are read.
        workers: Who shares the work.
        pace: How fast this machine is.
        cases: Cases of the cohort.
        patients: Patients among them.
    """

    plan: Plan
    seconds: Mapping[str, float | None]
    reads: Mapping[str, int]
    workers: int
    pace: Pace
    cases: int
    patients: int

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that will be done."""
        return tuple(u for u in self.plan.units if not u.absent)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Units of which nobody knows what they cost."""
        return tuple(name for name, seconds in self.seconds.items() if seconds is None)

    @property
    def span(self) -> tuple[float, float]:
        """Least and most seconds that the run may take, as far as its units are known and if they part evenly."""
        known = sum(s for s in self.seconds.values() if s is not None) / self.workers
        return LEAST * known, MOST * known


def forecast_run(
    model: ImagingModel,
    cohort: Cohort,
    probes: Sequence[type[Probe]],
    budget: Budget,
    *,
    workers: int = 1,
    trainable: bool = False,
    surrogates: int = 0,
    pace: Pace | None = None,
) -> Forecast:
    """Return what a run would do. One batch of cases is passed through the model, to see how long that takes.

    Args:
        model: The loaded model.
        cohort: The cases as the manifest gives them.
        probes: The probes that are selected.
        budget: What a probe may spend.
        workers: Who shares the work.
        trainable: Whether a training recipe is declared.
        surrogates: Models that stand in for the audited one.
        pace: How fast this machine is; by default it is tried out.
    """
    pace = pace_of(model, cohort, budget.batch_size) if pace is None else pace
    scope = Scope(
        cases=len(cohort), card=model.card, budget=budget, surrogates=surrogates,
        inside=hasattr(getattr(model, "module", None), "modules"),
    )  # fmt: skip
    costs: dict[str, Cost] = {}

    def cost(info: ProbeInfo) -> Cost:
        return costs.setdefault(info.code, cost_of(info.code, scope))

    plan = make_plan(
        model.card, cohort, probes, budget, passes=lambda info: cost(info).passes,
        absent=lambda info: why_not_applicable(info, model, cohort, trainable=trainable),
        answered=model.card.access < Access.QUERY,
    )  # fmt: skip
    patients = int(np.unique(cohort.patients).size)
    draws = patients * budget.resamples
    units, seconds, reads = [], {}, {}
    for unit in plan.units:
        own = costs.get(unit.name) if unit.kind == "probe" else clean_cost(round(unit.passes.forwards))
        units.append(_parted(unit, own))
        if own is not None and not unit.absent:
            seconds[unit.name] = pace.seconds(own, draws=draws) if own.known else None
            reads[unit.name] = own.reads
    return Forecast(
        plan=Plan(units=tuple(units)), seconds=seconds, reads=reads, workers=workers, pace=pace, cases=len(cohort),
        patients=patients,
    )  # fmt: skip


def _parted(unit: Unit, cost: Cost | None) -> Unit:
    """Return a probe's unit with about as many shards as its cases make."""
    if unit.kind != "probe" or cost is None:
        return unit
    return replace(unit, shards=probe_shards(cost, unit.name), cases=min(cost.reads, unit.cases) or unit.cases)
