"""Contexts of models that are healthy or have one planted fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.core import Measurement, Probe, ProbeContext
from audit.testing import context, planted, tiny_cohort


def faults(probe: type[Probe], ctx: ProbeContext) -> dict[str, float | None]:
    """Return the count of faults by check, None where a check could not be made."""
    return {name(m): m.value for m in probe().run(ctx)}


def name(measurement: Measurement) -> str:
    """Return the check of a measurement, with its class where there is one."""
    check = str(measurement.condition["parameter"])
    return f"{check} {measurement.condition['class']}" if "class" in measurement.condition else check


def with_fault(fault: str = "healthy", n: int = 120, **more: Any) -> ProbeContext:
    """Return the context of a planted model on a tiny cohort."""
    return context(planted(fault), tiny_cohort(np.random.default_rng(1), n=n), **more)
