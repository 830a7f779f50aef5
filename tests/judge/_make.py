"""Small results and policies for tests of the judge."""

from __future__ import annotations

import datetime as dt

from scipy import stats

from audit.core import Estimate, Levels, Limit, Measurement, Policy, ProbeInfo, ProbeResult, Rule

TODAY = dt.date(2026, 11, 22)
LEVELS = Levels()


def estimate(
    value: float, se: float, *, n: int = 200, n_patients: int | None = None, k: float | None = None
) -> Estimate:
    """Return a normal estimate."""
    curve = tuple(
        (a, float(value - stats.norm.isf(a) * se), float(value + stats.norm.isf(a) * se)) for a in LEVELS.rungs
    )
    return Estimate(value=value, curve=curve, method="normal", n=n, n_patients=n_patients or n, k=k)


def measurement(
    value: float | None = 0.9,
    se: float = 0.01,
    *,
    metric: str = "sensitivity",
    n: int = 200,
    missing: str = "",
    **more: object,
) -> Measurement:
    """Return a measurement with a normal interval, or a missing one."""
    e = Estimate.absent(missing, method="normal", n=n, n_patients=n) if value is None else estimate(value, se, n=n)
    return Measurement.of(e, metric=metric, level=0.95, **more)  # type: ignore[arg-type]


def count(value: float, *, metric: str = "faults", **more: object) -> Measurement:
    """Return a fact of the cohort."""
    return Measurement.of(Estimate.counted(value, n=10, n_patients=10), metric=metric, level=0.95, **more)  # type: ignore[arg-type]


def info(
    code: str = "PERF001", metrics: tuple[str, ...] = ("sensitivity", "specificity", "sensitivity_gap")
) -> ProbeInfo:
    """Return a catalogue entry."""
    family = code.rstrip("0123456789")
    return ProbeInfo(
        code=code, name="x", family=family, tasks=("binary",), metrics=metrics, title="t", question="q?", method="m",
        limits="l",
    )  # fmt: skip


def result(
    *measurements: Measurement, code: str = "PERF001", state: str = "completed", reason: str = ""
) -> ProbeResult:
    """Return what became of a probe."""
    metrics = tuple(sorted({m.metric for m in measurements} | {"sensitivity", "specificity", "sensitivity_gap"}))
    return ProbeResult(
        info=info(code, metrics),
        state=state,
        reason=reason,
        measurements=measurements,
        artifacts=(),  # type: ignore[arg-type]
    )


def setup_ok() -> ProbeResult:
    """Return a completed check of the set-up without faults."""
    return ProbeResult(info=info("SETUP001", ("faults",)), state="completed", measurements=(count(0),))


def rule(id: str = "r", *, low: float | None = 0.8, high: float | None = None, **more: object) -> Rule:
    """Return a rule on the sensitivity."""
    given = {"probe": "PERF001", "metric": "sensitivity", **more}
    return Rule(id=id, limit=Limit(min=low, max=high), **given)  # type: ignore[arg-type]


def policy(*rules: Rule, **more: object) -> Policy:
    """Return a policy."""
    return Policy(name="p", rules=rules, **more)  # type: ignore[arg-type]
