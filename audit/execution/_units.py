"""The plan of a run: what is to be done, on what it rests, and what it may cost. The same plan for every executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.core import Access, Budget, Cohort, ModelCard, Probe, ProbeInfo
from audit.execution._runner import order
from audit.execution._shards import shard_size

UnitKind = Literal["clean", "unverified", "probe"]


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Images through the model.

    Args:
        forwards: Images that go forward.
        backwards: Images of which a gradient is taken.
        trainings: Models that are trained.
    """

    forwards: float = 0.0
    backwards: float = 0.0
    trainings: float = 0.0

    def __add__(self, other: Passes) -> Passes:
        return Passes(
            forwards=self.forwards + other.forwards, backwards=self.backwards + other.backwards,
            trainings=self.trainings + other.trainings,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Work that is planned, kept and given to workers as one thing, or as shards.

    Args:
        kind: "clean" and "unverified" ask the model about cases; "probe" runs a probe.
        name: The probe's code, or "clean predictions", "unverified cases".
        title: What it is, in words.
        inputs: What it rests on, in words.
        cases: Cases that are looked at, at most.
        shards: Parts that different workers may take; of a probe, whose parts are known only when it runs, about.
        passes: Images through the model.
        absent: Why it will not be done, empty where it will.
        kept: Whether an earlier run has done it, where that is known.
    """

    kind: UnitKind
    name: str
    title: str
    inputs: tuple[str, ...] = ()
    cases: int = 0
    shards: int = 1
    passes: Passes = Passes()
    absent: str = ""
    kept: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The units of a run, in the order in which they are begun.

    Args:
        units: The units.
    """

    units: tuple[Unit, ...]

    @property
    def passes(self) -> Passes:
        """Images through the model in all units that will be done."""
        return sum((u.passes for u in self.units if not u.absent), Passes())


def make_plan(
    card: ModelCard,
    cohort: Cohort,
    probes: Sequence[type[Probe]],
    budget: Budget,
    *,
    passes: Callable[[ProbeInfo], Passes],
    absent: Callable[[ProbeInfo], str],
    answered: bool = False,
) -> Plan:
    """Return the plan of a run.

    Args:
        card: The model's card.
        cohort: The cases as the manifest gives them.
        probes: The probes.
        budget: What may be spent.
        passes: From a probe to what it will cost.
        absent: From a probe to why it cannot run, empty where it can.
        answered: Whether the model's answers are saved already.
    """
    units = [_asked("clean", "clean predictions", "Every case once", card, cohort, budget, answered=answered)]
    if cohort.unverified is not None:
        rest = cohort.unverified.cohort
        units.append(_asked("unverified", "unverified cases", "Cases without a reference standard", card, rest, budget,
                            answered=answered))  # fmt: skip
    for probe in order(probes):
        info, why = probe.info, absent(probe.info)
        units.append(
            Unit(
                kind="probe", name=info.code, title=info.title, inputs=inputs_of(info), cases=len(cohort), absent=why,
                passes=Passes() if why else passes(info),
            )
        )  # fmt: skip
    return Plan(units=tuple(units))


def _asked(
    kind: UnitKind, name: str, title: str, card: ModelCard, cohort: Cohort, budget: Budget, *, answered: bool
) -> Unit:
    count = len(cohort)
    inputs = ("saved answers",) if answered else ("model", "images")
    if card.task == "segmentation":
        inputs = (*inputs, "masks")
    shards = 1 if answered else -(-count // shard_size(count, budget.batch_size))
    return Unit(
        kind=kind, name=name, title=title, inputs=inputs, cases=count, shards=shards,
        passes=Passes(forwards=0 if answered else count),
    )  # fmt: skip


def inputs_of(info: ProbeInfo) -> tuple[str, ...]:
    """Return what a probe rests on, in words."""
    model = {Access.QUERY: ("model",), Access.GRADIENT: ("model", "gradients"), Access.TRAINABLE: ("recipe",)}
    needs = [n.replace("_", " ") for n in info.needs]
    return ("clean predictions", *model.get(info.access, ()), *needs)
