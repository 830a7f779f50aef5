"""What a probe is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.core.cohort import Cohort
from audit.core.declared import ExplainSpec
from audit.core.envelope import Envelope
from audit.core.levels import Levels
from audit.core.model import ImagingModel, ModelCard, Surrogate
from audit.core.outputs import ClassView, class_views, scores
from audit.core.parts import InlineParts, Parts
from audit.core.probe import Artifact
from audit.core.stopping import Stop
from audit.core.training import Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

Profile = Literal["smoke", "standard", "full"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a probe may spend; written in the evidence.

    Args:
        profile: The profile's name.
        resamples: Bootstrap or permutation resamples.
        attack_cases: Cases attacked at most, None for all.
        attack_steps: Gradient steps an attack.
        attack_restarts: Random starts an attack.
        explain_cases: Cases explained at most, None for all.
        explain_steps: Steps of a deletion curve.
        explain_points: Points on the path of integrated gradients; a case whose sum is off gets more.
        repeat_cases: Cases answered twice by the determinism check.
        batch_size: Images a batch.
        image_cases: Images looked at by checks of the images alone, of each split; None for all.
        foreign_cases: Cases of which images that do not belong are made, None for all.
        attack_queries: Images that an attack without gradients may ask for, a case and size.
        severity_cases: Cases of which changed acquisitions are simulated, None for all.
        explain_masks: Random masks of an explanation that only asks.
        explain_perturbations: Perturbations a case and kind that an explanation must foretell.
        randomised_cases: Cases whose explanation is made again on drawn weights, None for one of every patient.
        randomised_steps: Steps from the output down in which the weights are drawn.
        edit_cases: Cases whose images are edited (evidence removed, markers, lesions), or None for all.
        feature_cases: Cases whose features inside a network are looked at, or None for all.
        trainings: Models that a probe may train, where a training recipe is declared.
        training_seconds: Seconds that these may take, where the run declares none.
    """

    profile: Profile
    resamples: int
    attack_cases: int | None
    attack_steps: int
    attack_restarts: int
    explain_cases: int | None
    explain_steps: int
    repeat_cases: int
    batch_size: int = 32
    foreign_cases: int | None = 150
    image_cases: int | None = None
    attack_queries: int = 200
    severity_cases: int | None = 200
    explain_masks: int = 400
    explain_points: int = 12
    explain_perturbations: int = 24
    randomised_cases: int | None = 24
    randomised_steps: int = 4
    edit_cases: int | None = 200
    feature_cases: int | None = 2000
    trainings: int = 100
    training_seconds: float = 600.0


BUDGETS: Mapping[str, Budget] = {
    "smoke": Budget(
        profile="smoke",
        resamples=400,
        attack_cases=48,
        attack_steps=8,
        attack_restarts=1,
        explain_cases=24,
        explain_steps=6,
        repeat_cases=32,
        image_cases=1000,
        foreign_cases=40,
        attack_queries=30,
        severity_cases=48,
        edit_cases=60,
        feature_cases=300,
        trainings=60,
        training_seconds=30.0,
        randomised_cases=20,
        randomised_steps=3,
        explain_perturbations=12,
    ),
    "standard": Budget(
        profile="standard",
        resamples=2000,
        attack_cases=600,
        attack_steps=20,
        attack_restarts=1,
        explain_cases=100,
        explain_steps=6,
        repeat_cases=64,
        image_cases=20000,
    ),
    "full": Budget(
        profile="full",
        resamples=10000,
        foreign_cases=None,
        attack_cases=None,
        attack_steps=50,
        attack_restarts=3,
        explain_cases=500,
        explain_steps=16,
        explain_points=32,
        repeat_cases=256,
        attack_queries=2000,
        severity_cases=None,
        edit_cases=None,
        feature_cases=None,
        trainings=1000,
        training_seconds=36000.0,
        randomised_cases=200,
        randomised_steps=10,
        explain_perturbations=100,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Prevalence:
    """Declared prevalence in the intended population, a share in (0, 1), with its range and source."""

    value: float
    low: float | None = None
    high: float | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntendedUse:
    """`[intended_use]` of audit.toml.

    Args:
        statement: What the model is for, and for whom.
        role: How its answer is used.
        prevalence: Declared prevalence in the intended population.
        population: By attribute and level, the level's share of the intended population, 0 to 1.
        cases_per_year: Cases a year in intended use, where declared.
    """

    statement: str = ""
    role: str = ""
    prevalence: Prevalence | None = None
    population: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cases_per_year: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What the model said of every case of the cohort.

    Args:
        raw: (n, k) raw outputs; for segmentation the columns of `columns` per case.
        card: The model's card.
        targets: (n, ...) targets of the same cases.
        columns: Names of the columns of `raw` where they are not plain outputs (segmentation).
    """

    raw: NDArray[np.float64]
    card: ModelCard
    targets: NDArray[Any]
    columns: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Scores on the scale that metrics use; see `audit.core.outputs.scores`."""
        return scores(self.raw, self.card)

    @cached_property
    def views(self) -> tuple[ClassView, ...]:
        """One binary question a class; empty for tasks that are not classification."""
        return class_views(self.scores, self.targets, self.card)

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one named column of `raw`."""
        values: NDArray[np.float64] = self.raw[:, self.columns.index(name)]
        return values


def _no_progress(done: int, total: int) -> None:
    del done, total


@dataclass(kw_only=True)
class Sink:
    """Where a probe puts what is not a measurement.

    Args:
        progress: Called with (units done, units in all).
    """

    progress: Callable[[int, int], None] = _no_progress
    artifacts: list[Artifact] = field(default_factory=list)
    conditions: list[tuple[str, NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)

    def artifact(
        self, name: str, title: str, arrays: Mapping[str, NDArray[Any]], *, pixels: bool = False, **meta: Any
    ) -> None:
        """Keep the arrays behind a figure; see `Artifact`."""
        self.artifacts.append(Artifact(name=name, title=title, arrays=arrays, meta=meta, pixels=pixels))

    def predictions(self, condition: str, cases: NDArray[np.int64], raw: NDArray[np.float64]) -> None:
        """Keep what the model said under a condition that a headline rests on.

        Args:
            condition: For example "linf epsilon=2".
            cases: (m,) indices into the cohort.
            raw: (m, k) raw outputs.
        """
        self.conditions.append((condition, cases, raw))


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeContext:
    """Everything that a probe may use.

    Args:
        model: The model under audit.
        cohort: The cases that were used, all with a valid prediction.
        clean: What the model says of them, computed once and shared.
        rng: Seeded from the run's seed and the probe's code alone.
        budget: What may be spent.
        levels: Levels of the bounds.
        intended_use: Declared use and prevalence.
        sink: Where artifacts and predictions under a condition go.
        golden: Arrays `images` and `outputs` that a right set-up reproduces, or None.
        golden_tolerance: Largest absolute difference allowed on them.
        digest_before: The model's digest before anything ran.
        layer: Declared layer for layer attributions.
        fairlearn_metrics: Metrics of fairlearn or scikit-learn, by name, that the run asks for.
        unverified: What the model says of `cohort.unverified`, one row a case; its targets are unknown.
        attacks: Further attacks by name that the run asks for, for example "torchattacks:EADEN".
        surrogates: Models that an attacker may have in place of the audited one.
        envelope: Acquisitions in clinical use, as declared.
        monitor: From images (n, channels, *spatial) to (n,) how unlike they are to what the model is meant for; None
            where none is declared.
        explain: How decisions are explained, as the run asks for it.
        training: What may be trained, where a recipe is declared; None elsewhere.
        parts: Who does the shards of work that a probe can part.
        states: Digests of the model as other workers held it when they had done their part.
        stop: Whether enough is known, where rules ask the probe to stop then; None: it looks at all of its cases.
    """

    model: ImagingModel
    cohort: Cohort
    clean: Predictions
    rng: np.random.Generator
    budget: Budget
    levels: Levels
    intended_use: IntendedUse = field(default_factory=IntendedUse)
    sink: Sink = field(default_factory=Sink)
    golden: Mapping[str, NDArray[Any]] | None = None
    golden_tolerance: float = 1e-4
    digest_before: str = ""
    layer: str | None = None
    unverified: Predictions | None = None
    fairlearn_metrics: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    surrogates: tuple[Surrogate, ...] = ()
    envelope: Envelope = field(default_factory=Envelope)
    monitor: Callable[[Any], Any] | None = None
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    training: Training | None = None
    parts: Parts = field(default_factory=InlineParts)
    states: tuple[str, ...] = ()
    stop: Stop | None = None

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.model.card
