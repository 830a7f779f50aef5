"""The conformance kit: what every probe must do, ours and those of third parties."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    Access,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    canonical_json,
    plain,
)
from audit.errors import AuditError, PluginError
from audit.probes import page
from audit.testing._conforming import Make, conforming_contexts

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        trains = probe.info.access is Access.TRAINABLE
        lacks = first.training is None if trains else first.card.access < probe.info.access
        if first.card.task not in probe.info.tasks or lacks:
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
