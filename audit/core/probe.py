"""What a probe is, and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from audit.core.measurement import Measurement, Scalar, frozen
from audit.core.model import Access, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core.context import ProbeContext

State = Literal["completed", "not_applicable", "error", "not_run"]
FAMILIES: tuple[str, ...] = ("DATA", "SETUP", "PERF", "CAL", "FAIR", "CONF", "ADV", "XAI", "SHIFT")
Need = Literal[
    "images", "masks", "attributes", "protected", "protocol", "confounder", "operating_point", "patients", "raters",
    "repeats",
]  # fmt: skip


class NotApplicable(Exception):
    """Raised by a probe whose question has no meaning for this model and cohort.

    Args:
        reason: One sentence for the report, naming what is absent.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class ProbeInfo:
    """The entry of a probe in the catalogue.

    Args:
        code: `FAMILY###`, never reused.
        name: The weakness found, in kebab case.
        family: One of `FAMILIES`.
        version: Raised whenever a number can change.
        tasks: Tasks that it can look at.
        access: Least access that it needs.
        needs: What the cohort or model must have.
        metrics: Every metric that it may give, in the order of the report.
        at_prevalence: Metrics that are given only where the prevalence in the intended population is declared.
        descriptive: Metrics that explain and never decide: no blocking rule may rest on one.
        sequential: Metrics whose rules may ask the probe to stop as soon as they are settled.
        title: Short title.
        question: The plain question that it answers, for example "Does it lean on the patient's sex?".
        method: The method in one sentence.
        limits: What cannot be concluded, in one sentence.
        references: Source papers and standards.
        doc_url: Page below the documentation's root.
        since: First version of the suite that had it.
        last: True where it must run after all others.
        self_check: True for a check of the set-up, which runs in every audit.
    """

    code: str
    name: str
    family: str
    version: int = 1
    tasks: tuple[Task, ...]
    access: Access = Access.SAVED
    needs: tuple[Need, ...] = ()
    metrics: tuple[str, ...]
    at_prevalence: tuple[str, ...] = ()
    descriptive: tuple[str, ...] = ()
    sequential: tuple[str, ...] = ()
    title: str
    question: str
    method: str
    limits: str
    references: tuple[str, ...] = ()
    doc_url: str = ""
    since: str = "0.1.0"
    last: bool = False
    self_check: bool = False

    def __post_init__(self) -> None:
        if self.family not in FAMILIES or not self.code.startswith(self.family):
            raise ValueError(f"{self.code}: expected a code of one of the families {', '.join(FAMILIES)}")
        if not self.metrics:
            raise ValueError(f"{self.code}: expected at least one metric")
        if not set(self.descriptive) <= set(self.metrics):
            raise ValueError(f"{self.code}: expected descriptive metrics among its metrics")
        if not set(self.sequential) <= set(self.metrics) - set(self.descriptive):
            raise ValueError(f"{self.code}: expected sequential metrics among those that decide")
        if not self.doc_url:
            object.__setattr__(self, "doc_url", f"probes/{self.code}.md")


@dataclass(frozen=True, kw_only=True, eq=False)
class Artifact:
    """Arrays behind a figure.

    Args:
        name: What it is, in snake case, for example "reliability_curve".
        title: Caption.
        arrays: By column.
        meta: Further facts for the caption.
        pixels: True where an array holds image content; stored only for phantoms or on request.
    """

    name: str
    title: str
    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Scalar] = field(default_factory=dict)
    pixels: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "meta", frozen(self.meta))


class Probe(ABC):
    """A piece of code that measures one weakness. It never judges.

    The docstring of a subclass is its page in the docs, under fixed headings: What it measures, Why it matters
    clinically, Known problems, Example, References.
    """

    info: ClassVar[ProbeInfo]

    @abstractmethod
    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure.

        Args:
            ctx: Model, cohort, clean predictions, generator, budget and levels.

        Returns:
            Measurements of declared metrics only.

        Raises:
            NotApplicable: The question has no meaning here.
        """


@dataclass(frozen=True, kw_only=True)
class StoredArtifact:
    """An artifact as the evidence names it.

    Args:
        name: What it is.
        title: Caption.
        file: Path inside the run folder, `artifacts/<sha256>.npz`.
        sha256: Digest of the file.
        columns: Names of the arrays.
        meta: Further facts.
        pixels: True where it holds image content.
    """

    name: str
    title: str
    file: str
    sha256: str
    columns: tuple[str, ...]
    meta: Mapping[str, Scalar] = field(default_factory=dict)
    pixels: bool = False


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What became of one probe; a crash is a state, never a missing row.

    Args:
        info: The catalogue entry as it was when it ran.
        state: completed, not_applicable, error or not_run.
        reason: Why it did not complete; empty otherwise.
        measurements: What it measured.
        artifacts: Arrays behind its figures.
        seed: Seed of its generator, from the run's seed and its code alone.
        seconds: Duration.
        selected: False for a probe that nobody selected and no rule names.
    """

    info: ProbeInfo
    state: State
    reason: str = ""
    measurements: tuple[Measurement, ...] = ()
    artifacts: tuple[StoredArtifact, ...] = ()
    seed: int = 0
    seconds: float = 0.0
    selected: bool = True

    def __post_init__(self) -> None:
        if self.state != "completed" and not self.reason:
            raise ValueError(f"{self.info.code}: {self.state} needs a reason")
        if self.state != "completed" and self.measurements:
            raise ValueError(f"{self.info.code}: only a completed probe has measurements")

    @property
    def probe(self) -> str:
        """The probe's code."""
        return self.info.code
