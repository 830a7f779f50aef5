"""The conformance kit: what every probe must do, ours and those of third parties."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    Measurement,
    NotApplicable,
    Prevalence,
    Probe,
    ProbeContext,
    canonical_json,
    plain,
)
from audit.errors import AuditError, PluginError
from audit.probes import page
from audit.testing._cohorts import attribute, small_cohort, tiny_cohort
from audit.testing._contexts import context, saved_context
from audit.testing._models import planted

if TYPE_CHECKING:
    from numpy.typing import NDArray

Make = Callable[[], ProbeContext]


class ConformanceError(AuditError):
    """A probe breaks the protocol; the message names the context and the breach."""


def check_probe(probe: type[Probe], contexts: Mapping[str, Make] | None = None) -> tuple[str, ...]:
    """Check that a probe keeps the protocol in every context that it may be run in.

    It must be deterministic by seed, leave model, cohort and predictions as they were, give declared metrics only,
    and answer `NotApplicable` where what it needs is absent.

    Args:
        probe: The probe's class.
        contexts: Name to a function that makes the same context at every call; `conforming_contexts()` by default.

    Returns:
        Names of the contexts that the probe completed in.

    Raises:
        ConformanceError: The probe breaks the protocol, or completes in none of the contexts.
    """
    _check_catalogue_entry(probe)
    completed = []
    for name, make in (contexts or conforming_contexts()).items():
        first = make()
        if first.card.task not in probe.info.tasks or first.card.access < probe.info.access:
            continue
        if _check_one(probe, name, make, first):
            completed.append(name)
    if not completed:
        raise ConformanceError(
            f"{probe.info.code} completed in none of the contexts",
            expected=f"a context of a task {probe.info.tasks} with access {probe.info.access.name}",
            fix="give contexts that the probe is made for",
        )
    return tuple(completed)


def _check_catalogue_entry(probe: type[Probe]) -> None:
    try:
        page(probe)
    except PluginError as error:
        raise ConformanceError(error.problem, expected=error.expected, got=error.got) from error


def _check_one(probe: type[Probe], name: str, make: Make, ctx: ProbeContext) -> bool:
    before = _fingerprint(ctx)
    once = _run(probe, name, ctx)
    if _fingerprint(ctx) != before:
        raise ConformanceError(f"{probe.info.code} in {name}: it changed its inputs", expected="inputs untouched")
    if once != _run(probe, name, make()):
        raise ConformanceError(
            f"{probe.info.code} in {name}: two runs with one seed differ",
            expected="equal measurements and artifacts",
            fix="draw from ctx.rng alone",
        )
    return once is not None


def _run(probe: type[Probe], name: str, ctx: ProbeContext) -> str | None:
    """Return everything that the probe gave as text, None where it is not applicable."""
    try:
        given = list(probe().run(ctx))
    except NotApplicable as why:
        if not why.reason:
            raise ConformanceError(f"{probe.info.code} in {name}: not applicable without a reason") from why
        return None
    for item in given:
        if not isinstance(item, Measurement):
            raise ConformanceError(
                f"{probe.info.code} in {name}: expected measurements", got=f"a {type(item).__name__}"
            )
        if item.metric not in probe.info.metrics:
            raise ConformanceError(
                f"{probe.info.code} in {name}: an undeclared metric",
                expected=", ".join(probe.info.metrics),
                got=item.metric,
            )
    if not given:
        raise ConformanceError(
            f"{probe.info.code} in {name}: it gave nothing",
            expected="a measurement with its reason, or NotApplicable",
            got="an empty list",
        )
    arrays = [(a.name, canonical_json(a.meta), {k: _hash(v) for k, v in a.arrays.items()}) for a in ctx.sink.artifacts]
    kept = [(condition, _hash(cases), _hash(raw)) for condition, cases, raw in ctx.sink.conditions]
    return canonical_json([plain(given), arrays, kept])


def _hash(array: NDArray[Any]) -> str:
    values = np.ascontiguousarray(array)
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).hexdigest()


def _fingerprint(ctx: ProbeContext) -> tuple[str, ...]:
    cohort = ctx.cohort
    arrays = [ctx.clean.raw, ctx.clean.targets, cohort.targets, cohort.patients, cohort.case_ids, cohort.patient_ids]
    arrays += [a.levels for a in cohort.attributes.values()]
    arrays += [*cohort.raters.values(), *(c.values for c in cohort.comparators.values())]
    arrays += [v for v in (cohort.ungradable, cohort.time, cohort.event) if v is not None]
    arrays += [] if cohort.aside is None else [cohort.aside.targets, cohort.aside.patients, cohort.aside.reasons]
    arrays += [] if ctx.unverified is None else [ctx.unverified.raw]
    arrays += [c for o in cohort.others for c in (o.case_ids, o.patient_ids)]
    sources = [s for s in (cohort.images, cohort.masks) if s is not None]
    arrays += [s.load(i) for s in sources for i in range(min(16, len(s)))]
    return (ctx.model.state_digest(), *(_hash(a) for a in arrays))


def conforming_contexts() -> dict[str, Make]:
    """Return contexts of every task that needs no torch, from the ordinary to the poorest."""

    def images(**options: Any) -> Make:
        return lambda: context(planted(), tiny_cohort(np.random.default_rng(1), n=240, **options))

    return {
        "binary with images": images(),
        "binary, three cases a patient": images(per_patient=3),
        "binary, declared prevalence": lambda: context(
            planted(),
            tiny_cohort(np.random.default_rng(1), n=240),
            prevalence=Prevalence(value=0.1, low=0.05, high=0.2),
        ),
        "binary, golden batch": _golden,
        "binary, saved": lambda: _saved(n=200),
        "binary, no attributes": lambda: _saved(n=200, attributes=False),
        "binary, no operating point": lambda: _saved(n=200, operating_point=None),
        "binary, twelve cases": lambda: _saved(n=12),
        "binary, one class": lambda: _saved(n=60, positives=0.0),
        "binary, empty cells": lambda: _saved(n=200, empty=True),
        "multiclass": _multiclass,
        "multilabel": _multilabel,
        "regression": _regression,
        "segmentation": _segmentation,
    }


def _golden() -> ProbeContext:
    model, cohort = planted(), tiny_cohort(np.random.default_rng(1), n=60)
    images = np.random.default_rng(7).normal(size=(4, 1, 8, 8))
    return context(model, cohort, golden={"images": images, "outputs": model.predict(images)})


def _saved(
    *, n: int, attributes: bool = True, operating_point: float | None = 0.5, positives: float = 0.4, empty: bool = False
) -> ProbeContext:
    rng = np.random.default_rng(2)
    target = (np.arange(n) < positives * n).astype(np.int64)
    score = 1 / (1 + np.exp(-(2 * target - 1 + rng.normal(size=n))))
    sites = np.array(["north", "south", ""])[rng.integers(0, 3 if empty else 2, n)]
    sites = np.where(sites == "", "(missing)", sites)
    given = _attributes(rng, n, sites) if attributes else ()
    return saved_context(score, small_cohort(target, attributes=given), operating_point=operating_point)


def _attributes(rng: np.random.Generator, n: int, sites: NDArray[Any] | None = None) -> tuple[Any, ...]:
    sex = np.array(["female", "male"])[rng.integers(0, 2, n)]
    place = np.array(["north", "south"])[rng.integers(0, 2, n)] if sites is None else sites
    age = np.array(["[20, 60)", "[60, 90]"])[rng.integers(0, 2, n)]
    return (
        attribute("sex", sex, "protected", also=("confounder",), reason="body size"),
        attribute("site", place, "protocol", also=("confounder",), reason="case mix"),
        attribute("age", age, "protected"),
    )


def _multiclass() -> ProbeContext:
    rng = np.random.default_rng(3)
    target = np.arange(240) % 3
    raw = rng.normal(size=(240, 3)) + 1.5 * np.eye(3)[target]
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=("none", "glioma", "metastasis"))
    return saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None)


def _multilabel() -> ProbeContext:
    rng = np.random.default_rng(4)
    target = rng.integers(0, 2, (240, 2))
    raw = rng.normal(size=(240, 2)) + 2.0 * target - 1
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=("effusion", "nodule"))
    return saved_context(raw, cohort, task="multilabel", output="logits")


def _regression() -> ProbeContext:
    rng = np.random.default_rng(5)
    target = rng.normal(60, 12, 240)
    raw = target + rng.normal(1, 4, 240)
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=())
    return saved_context(raw, cohort, task="regression", output="value", operating_point=None)


def _segmentation() -> ProbeContext:
    rng = np.random.default_rng(6)
    reference = rng.uniform(5, 40, 240)
    predicted = reference * rng.normal(0.95, 0.08, 240)
    dice = np.clip(rng.normal(0.85, 0.06, 240), 0, 1)
    lesions = rng.integers(0, 4, 240)
    found, false = rng.binomial(lesions, 0.8), rng.integers(0, 2, 240)
    columns = {
        "dice": dice, "surface_dice": np.clip(dice + 0.05, 0, 1), "hd95": rng.uniform(1, 6, 240),
        "volume_predicted": predicted, "volume_reference": reference, "lesions_reference": lesions,
        "lesions_found": found, "lesions_predicted": found + false, "lesions_false": false,
    }  # fmt: skip
    cohort = small_cohort(np.zeros(240), attributes=_attributes(rng, 240), classes=("background", "lesion"))
    return saved_context(
        np.stack(list(columns.values()), axis=1), cohort, task="segmentation", output="mask_probabilities",
        operating_point=None, columns=tuple(columns),
    )  # fmt: skip
