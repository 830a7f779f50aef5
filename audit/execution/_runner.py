"""Runs probes: each isolated, seeded from the run's seed and its own code alone."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    Access,
    Artifact,
    Budget,
    Cohort,
    Envelope,
    ExplainSpec,
    ImagingModel,
    InlineParts,
    IntendedUse,
    Levels,
    Measurement,
    NotApplicable,
    Parts,
    Predictions,
    Probe,
    ProbeContext,
    ProbeInfo,
    ProbeResult,
    Sink,
    Stop,
    StoredArtifact,
    Surrogate,
    Training,
)
from audit.errors import StorageError
from audit.execution._freed import give_back
from audit.execution._progress import Progress
from audit.execution._shards import out_of_memory
from audit.models import limited

if TYPE_CHECKING:
    from numpy.typing import NDArray

Store = Callable[[Artifact], StoredArtifact]
_PATH = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\",;()\[\]{}]+|(?:[A-Za-z]:)?(?:[\\/][\w.~+-]+){2,}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What all probes of a run share.

    Args:
        model: The model under audit.
        cohort: The cases used.
        clean: What the model says of them.
        seed: The run's seed.
        budget: What a probe may spend.
        levels: Levels of the bounds.
        intended_use: Declared use and prevalence.
        golden: Arrays that a right set-up reproduces.
        golden_tolerance: Largest absolute difference allowed on them.
        digest_before: The model's digest before anything ran.
        layer: Declared layer for layer attributions.
        store: Writes an artifact.
        show_pixels: Whether image content may be stored.
        unverified: What the model says of the cases without a reference standard.
        fairlearn_metrics: Metrics of fairlearn or scikit-learn, by name, that the run asks for.
        attacks: Further attacks by name that the run asks for.
        surrogates: Models that an attacker may have in place of the audited one.
        envelope: Acquisitions in clinical use, as declared.
        explain: How decisions are explained.
        training: What may be trained, where a recipe is declared.
        monitor: The model's declared monitor.
        stops: What tells a probe that enough is known, by its code, where rules ask for it.
        states: Digests of the model as other workers held it when they had done their part.
    """

    model: ImagingModel
    cohort: Cohort
    clean: Predictions
    seed: int
    budget: Budget
    levels: Levels
    intended_use: IntendedUse
    golden: Mapping[str, NDArray[Any]] | None
    golden_tolerance: float
    digest_before: str
    layer: str | None
    store: Store
    show_pixels: bool
    unverified: Predictions | None = None
    fairlearn_metrics: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    surrogates: tuple[Surrogate, ...] = ()
    envelope: Envelope = field(default_factory=Envelope)
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    training: Training | None = None
    monitor: Callable[[Any], Any] | None = None
    stops: Mapping[str, Stop] = field(default_factory=dict)
    states: tuple[str, ...] = ()


Condition = tuple[str, "NDArray[np.int64]", "NDArray[np.float64]"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """One result, the predictions that its headline rests on, and how many images it asked about at a time."""

    result: ProbeResult
    conditions: tuple[Condition, ...] = ()
    batch: int = 0


def probe_seed(seed: int, code: str) -> int:
    """Return a probe's seed: other probes, present or absent, do not change it."""
    # 48 bits: whole in every reader of JSON.
    return int.from_bytes(hashlib.sha256(f"{seed}:{code}".encode()).digest()[:6], "big")


def order(probes: Sequence[type[Probe]]) -> tuple[type[Probe], ...]:
    """Return probes in the order in which they run: checks of the set-up first, those marked `last` at the end.

    Among those at the end the checks of the set-up come last: nothing may touch the model after they have looked.
    """
    return tuple(sorted(probes, key=lambda p: (p.info.last, p.info.self_check == p.info.last)))


def run_probe(
    probe: type[Probe], setting: Setting, progress: Progress, parts: Callable[[], Parts] = InlineParts
) -> Ran:
    """Run one probe; a crash becomes the state `error` with its message, and the audit goes on.

    Where memory runs out it is run again with a model that is asked about half as many images at a time, down to one.
    What reaches into the network past that gets smaller batches, too.

    Args:
        probe: The probe.
        setting: What all probes share.
        progress: Somebody who watches.
        parts: Makes who does the shards of its work.
    """
    began, whole = time.perf_counter(), setting.budget.batch_size
    for most, batch in _tries(whole):
        model = setting.model if most == whole else limited(setting.model, most)
        ran, error = _attempt(probe, replace(setting, model=model), batch, progress, parts())
        give_back()
        if not out_of_memory(error):
            break
    return replace(ran, batch=most, result=replace(ran.result, seconds=time.perf_counter() - began))


def _tries(whole: int) -> Iterator[tuple[int, int]]:
    """Give images a pass and images a batch, from the largest to the smallest."""
    most = whole
    yield whole, whole
    while most > 1:
        most = most // 2
        yield most, whole
        yield most, most


def _attempt(
    probe: type[Probe], setting: Setting, batch: int, progress: Progress, parts: Parts
) -> tuple[Ran, BaseException | None]:
    """Run one probe once, and return what it raised where that made it fail."""
    info = probe.info
    seed = probe_seed(setting.seed, info.code)
    sink = Sink(progress=progress.advance)

    def ended(state: Any, reason: str = "", measurements: tuple[Measurement, ...] = ()) -> Ran:
        stored = () if state != "completed" else tuple(_store(sink.artifacts, setting))
        result = ProbeResult(
            info=info, state=state, reason=reason, measurements=measurements, artifacts=stored, seed=seed,
        )  # fmt: skip
        return Ran(result=result, conditions=tuple(sink.conditions) if state == "completed" else ())

    lacking = why_not_applicable(info, setting.model, setting.cohort, trainable=setting.training is not None)
    if lacking:
        return ended("not_applicable", lacking), None
    context = ProbeContext(
        model=setting.model, cohort=setting.cohort, clean=setting.clean, rng=np.random.default_rng(seed),
        budget=replace(setting.budget, batch_size=batch), levels=setting.levels, intended_use=setting.intended_use,
        sink=sink, golden=setting.golden, golden_tolerance=setting.golden_tolerance,
        digest_before=setting.digest_before, layer=setting.layer, monitor=setting.monitor,
        unverified=setting.unverified, fairlearn_metrics=setting.fairlearn_metrics,
        attacks=setting.attacks, surrogates=setting.surrogates, envelope=setting.envelope, training=_metered(setting),
        explain=setting.explain, parts=parts, states=setting.states, stop=setting.stops.get(info.code),
    )  # fmt: skip
    try:
        measurements = tuple(probe().run(context))
        undeclared = sorted({m.metric for m in measurements} - set(info.metrics))
        if undeclared:
            return ended("error", f"gave metrics that it does not declare: {', '.join(undeclared)}"), None
        if not measurements:
            return ended("error", "completed without a single measurement"), None
        return ended("completed", measurements=measurements), None
    except StorageError:
        # No fault of the probe, and gone when the run is taken up again: nothing may be concluded from it.
        raise
    except NotApplicable as absent:
        return ended("not_applicable", redact(absent.reason, setting.cohort)), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - isolation: what one probe raises must not end the audit
        return ended("error", redact(f"{type(error).__name__}: {error}", setting.cohort)), error


def _metered(setting: Setting) -> Training | None:
    """Return what one probe may train; each has a meter of its own, so that no probe changes what another can do."""
    budget = setting.budget
    if setting.training is None:
        return None
    return setting.training.within(trainings=budget.trainings, seconds=budget.training_seconds)


def _store(artifacts: Sequence[Artifact], setting: Setting) -> list[StoredArtifact]:
    shown = setting.show_pixels or setting.cohort.phantom
    return [setting.store(a) for a in artifacts if shown or not a.pixels]


def why_not_applicable(info: ProbeInfo, model: ImagingModel, cohort: Cohort, *, trainable: bool = False) -> str:
    """Return what a probe needs and does not have here, empty where it has all.

    Args:
        info: The probe.
        model: The model.
        cohort: The cases.
        trainable: Whether a training recipe is declared. It stands beside the model: a recipe gives no gradients of the
            weights under audit.
    """
    card = model.card
    if card.task not in info.tasks:
        return f"it looks at {', '.join(info.tasks)}; this model's task is {card.task}"
    if info.access is Access.TRAINABLE and not trainable:
        return "it needs retraining, and no recipe is declared under [training]"
    if card.access < info.access and info.access is not Access.TRAINABLE:
        words = {Access.QUERY: "answers to new images", Access.GRADIENT: "gradients"}
        wanted = words.get(info.access, info.access.name)
        return f"it needs {wanted}, which a model of kind '{card.kind}' does not give here"
    has = {
        "images": (cohort.images is not None, "the cohort has no images"),
        "masks": (cohort.masks is not None, "the cohort has no masks"),
        "attributes": (bool(cohort.attributes), "the cohort has no attributes"),
        "protected": (bool(cohort.by_role("protected")), "the cohort has no attribute of role protected"),
        "protocol": (bool(cohort.by_role("protocol")), "the cohort has no attribute of role protocol"),
        "confounder": (bool(cohort.by_role("confounder")), "the cohort has no attribute of role confounder"),
        "operating_point": (card.operating_point is not None, "no operating point is declared"),
        "patients": (cohort.patient_declared, "the cohort has no patient column"),
        "raters": (bool(cohort.raters), "the cohort has no readings of an attribute of role rater"),
        "repeats": (bool(cohort.by_role("repeat")), "the cohort has no attribute of role repeat"),
    }
    return "; ".join(has[need][1] for need in info.needs if not has[need][0])


def redact(text: str, cohort: Cohort) -> str:
    """Return a message without paths and without ids of cases or patients, in one line of at most 400 characters."""
    flat = _PATH.sub("<path>", " ".join(text.split()))
    words = set(re.findall(r"[^\s'\",;:()\[\]{}]+", flat))
    # Ids of one or two characters are as often a number of the message itself.
    ids = {i for part in _ids(cohort) for i in part.tolist() if len(i) > 2} & words
    for secret in sorted(ids, key=len, reverse=True):
        flat = flat.replace(secret, "<id>")
    return flat[:400]


def _ids(cohort: Cohort) -> Iterator[NDArray[np.str_]]:
    """Give every id of a case or a patient that the audit knows of."""
    yield from (cohort.case_ids, cohort.patient_ids)
    if cohort.aside is not None:
        yield cohort.aside.case_ids
    if cohort.unverified is not None:
        yield cohort.unverified.cohort.case_ids
    for split in cohort.others:
        yield from (split.case_ids, split.patient_ids)
