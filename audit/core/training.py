"""Training again: the user's recipe, the cases that it learns from, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from audit.core.clock import timed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.core.cohort import Cohort
    from audit.core.model import ImagingModel


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """`[training]` of audit.toml, typed; paths are relative to the file's folder.

    Args:
        recipe: `module:function`, from (images, targets, seed) to a model.
        manifest: Table of the development cohort, with the columns that `[cohort]` names.
        name: What the development cohort is called.
        target: Performance that a training set must be large enough for: an AUC, or a mean absolute error in the
            target's unit; None where none is declared.
        seconds: What one probe may spend on training, in seconds; None: what the profile allows.
    """

    recipe: str
    manifest: str
    name: str = "development"
    target: float | None = None
    seconds: float | None = None


class TrainingsSpent(Exception):
    """Raised instead of a further training when a probe has spent what it may.

    Args:
        reason: One sentence for the report, with the cap.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(kw_only=True)
class Meter:
    """Counts the trainings of one probe.

    Args:
        trainings: Trainings that are allowed.
        seconds: Time that they may take together; it is looked at before each, never during one.
        done: Trainings so far.
        spent: Seconds so far.
    """

    trainings: int
    seconds: float
    done: int = 0
    spent: float = 0.0

    def claim(self, count: int = 1) -> None:
        """Check that some further trainings are allowed.

        Raises:
            TrainingsSpent: They are not.
        """
        if self.done + count > self.trainings:
            raise TrainingsSpent(f"needs {self.done + count} trainings; the budget allows {self.trainings} a probe")
        if self.spent >= self.seconds:
            raise TrainingsSpent(
                f"{self.done} trainings took {self.spent:.0f} s; the budget allows {self.seconds:.0f} s a probe, so "
                "that it depends on the machine"
            )


class Trainer(Protocol):
    """Fits the user's recipe."""

    @property
    def weighted(self) -> bool:
        """Whether the recipe takes a weight a case."""
        ...

    def fit(
        self, images: NDArray[np.float32], targets: NDArray[Any], *, seed: int, weights: NDArray[np.float64] | None
    ) -> ImagingModel:
        """Return the model that the recipe gives; see `Training.fit`."""
        ...

    def load(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (m, channels, *spatial) stored intensities of cases of the development cohort."""
        ...

    def targets(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of cases of the development cohort, masks (m, *spatial) for a segmentation."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What a probe may train, and on whom.

    What is learnt from it is said of the recipe and the development cohort, not of the weights under audit.

    Args:
        cohort: The development cohort; it shares no patient with the audited one.
        trainer: Fits the recipe.
        meter: Counts this probe's trainings.
        recipe: Name of the recipe.
        target: Declared performance that a training set must be large enough for; None where none is declared.
        seconds: What one probe may spend on training; None: what the profile allows.
    """

    cohort: Cohort
    trainer: Trainer
    meter: Meter = field(default_factory=lambda: Meter(trainings=100, seconds=600.0))
    recipe: str = ""
    target: float | None = None
    seconds: float | None = None

    @property
    def weighted(self) -> bool:
        """Whether the recipe takes a weight a case."""
        return self.trainer.weighted

    def within(self, *, trainings: int, seconds: float) -> Training:
        """Return the same with a meter of its own, for one probe.

        Args:
            trainings: Trainings that are allowed.
            seconds: Seconds that they may take where the run declares none.
        """
        return replace(self, meter=Meter(trainings=trainings, seconds=self.seconds or seconds))

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (m, channels, *spatial) stored intensities of cases of the development cohort."""
        return self.trainer.load(rows)

    def fit(
        self,
        rows: NDArray[np.int64],
        targets: NDArray[Any] | None = None,
        *,
        seed: int,
        weights: NDArray[np.float64] | None = None,
    ) -> ImagingModel:
        """Train a model on cases of the development cohort.

        Args:
            rows: (m,) indices into the development cohort; a case may stand twice.
            targets: (m, ...) targets in place of the cohort's own.
            seed: Seed of the recipe; equal seeds give equal models.
            weights: (m,) weights of 0 or more, for a recipe that takes them.

        Returns:
            A model with the card of the audited one; a network gives gradients, too.

        Raises:
            TrainingsSpent: The probe has spent what it may.
            ModelError: The recipe fails, gives no model, is not deterministic by its seed, or does not learn.
        """
        import time

        self.meter.claim()
        images = self.trainer.load(rows)
        began = time.perf_counter()
        wanted = self.trainer.targets(rows) if targets is None else targets
        with timed("training"):
            model = self.trainer.fit(images, wanted, seed=seed, weights=weights)
        self.meter.done += 1
        self.meter.spent += time.perf_counter() - began
        return model
