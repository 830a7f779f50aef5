"""Bricks of synthetic evidence: measurements, catalogue entries, arrays; every number is invented."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.core import (
    COUNT,
    Levels,
    Measurement,
    ProbeInfo,
    StoredArtifact,
)

HOSTILE = "<script>alert(1)</script>"
TODAY = dt.date(2026, 11, 22)
LEVELS = Levels()


@cache
def _quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.isf(level))


def curve(value: float, half: float, low: float, high: float) -> tuple[tuple[float, float, float], ...]:
    """Return an invented curve: a normal interval cut at the ends of the scale."""
    rungs = []
    for level in LEVELS.rungs:
        width = half * _quantile(level) / 1.96
        rungs.append((level, max(low, value - width), min(high, value + width)))
    return tuple(rungs)


def measured(
    metric: str,
    value: float | None,
    half: float = 0.03,
    *,
    n: int = 800,
    k: float | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    method: str = "Korn-Graubard",
    missing: str | None = None,
    patients: int | None = None,
    **more: Any,
) -> Measurement:
    """Return an invented measurement."""
    people = n if patients is None else patients
    if value is None:
        return Measurement(
            metric=metric,
            value=None,
            method=method,
            n=n,
            n_patients=people,
            missing=missing or "no positive case",
            **more,
        )
    if method == COUNT:
        return Measurement(
            metric=metric, value=value, low=value, high=value, method=COUNT, n=n, n_patients=people, k=k, **more
        )
    rungs = curve(value, half, *bounds)
    point = next(r for r in rungs if r[0] == LEVELS.pointwise)
    return Measurement(
        metric=metric,
        value=value,
        low=point[1],
        high=point[2],
        curve=rungs,
        method=method,
        k=k,
        n=n,
        n_patients=people,
        **more,
    )


def info(code: str, name: str, title: str, question: str, *metrics: str, **more: Any) -> ProbeInfo:
    """Return the catalogue entry of an invented probe."""
    return ProbeInfo(
        code=code,
        name=name,
        family=code.rstrip("0123456789"),
        tasks=("binary",),
        metrics=metrics,
        title=title,
        question=question,
        method=f"{title} is measured on every case; patients are the unit.",
        limits="A single cohort says nothing of others.",
        references=("Obuchowski 1997, Biometrics 53:567",),
        **more,
    )


def artifact(name: str, title: str, *columns: str, pixels: bool = False, **meta: Any) -> StoredArtifact:
    """Return the entry of an invented artifact."""
    sha = f"{abs(hash((name, title))) % 16**8:064x}"
    return StoredArtifact(
        name=name, title=title, file=f"artifacts/{sha}.npz", sha256=sha, columns=columns, meta=meta, pixels=pixels
    )


def arrays(stored: StoredArtifact) -> Mapping[str, NDArray[Any]]:
    """Return the invented arrays of an artifact, by its name."""
    rng = np.random.default_rng(3)
    x = np.linspace(0, 1, 60)
    yy, xx = np.mgrid[:48, :48] / 47 - 0.5
    images = np.stack([np.exp(-((xx - s) ** 2 + yy**2) * 18) * 220 for s in (-0.1, 0.0, 0.12)])
    noise = rng.normal(0, 6, images.shape)
    made: dict[str, dict[str, Any]] = {
        "roc_curve": {"fpr": x, "tpr": x**0.22},
        "reliability_curve": {
            "predicted": np.linspace(0.05, 0.95, 10),
            "observed": np.linspace(0.05, 0.95, 10) ** 1.2,
            "low": np.linspace(0.05, 0.95, 10) ** 1.2 * 0.85,
            "high": np.minimum(1, np.linspace(0.05, 0.95, 10) ** 1.2 + 0.07),
            "n": np.full(10, 80),
        },
        "stratum_matrix": {
            "auc": np.array(
                [[0.91, 0.97, 0.84, 0.95], [0.66, 0.9, 0.6, 0.88], [0.96, 0.98, 0.91, 0.97], [0.58, np.nan, 0.52, 0.9]]
            ),
            "n_cases": np.array([210, 190, 205, 195]),
            "n_controls": np.array([200, 200, 190, 18]),
        },
        "deletion_curve": {
            "fraction": x,
            "attribution": np.exp(-4 * x),
            "edge": np.exp(-1.6 * x),
            "random": 1 - 0.8 * x,
        },
        "score_distribution": {
            "edges": np.linspace(0, 1, 21),
            "negatives": np.histogram(rng.beta(2, 5, 600), np.linspace(0, 1, 21))[0],
            "positives": np.histogram(rng.beta(5, 2, 200), np.linspace(0, 1, 21))[0],
        },
        "adversarial_examples": {
            "images": images.astype(np.uint8)[:, None],
            "perturbed": np.clip(images + noise, 0, 255).astype(np.uint8)[:, None],
            "perturbation": (128 + 8 * noise).astype(np.uint8)[:, None],
            "score": np.array([0.91, 0.84, 0.77]),
            "score_attacked": np.array([0.12, 0.3, 0.41]),
        },
        "attribution_examples": {
            "images": images.astype(np.uint8),
            "attribution": np.roll(images, 3, 2),
            "sex": np.array(["female", "male", HOSTILE]),
        },
        "subgroup_test": {"n_patients": np.array([410, 390])},
        "acme_numbers": {"dose": np.linspace(0, 1, 5), "answer": np.array([1.0, 0.9, 0.7, np.nan, 0.2])},
        "broken": {"auc": np.zeros((2, 3))},
    }
    if stored.title == "A matrix that is none":
        return made["broken"]
    return made[stored.name]
