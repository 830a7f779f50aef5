"""Tiny models and cohorts for tests of the execution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.core import (
    BUDGETS,
    Access,
    Cohort,
    Estimate,
    IntendedUse,
    Ledger,
    Levels,
    Measurement,
    ModelCard,
    Predictions,
    Probe,
    ProbeInfo,
)
from audit.errors import ReadError
from audit.execution import Setting


@dataclass(frozen=True)
class Images:
    """Images whose mean is the score; some cannot be read."""

    means: np.ndarray
    unreadable: frozenset[int] = frozenset()

    def __len__(self):
        return len(self.means)

    def load(self, index):
        if index in self.unreadable:
            raise ReadError("image file not found")
        return np.full((1, 2, 2), self.means[index], dtype=np.float32)


@dataclass(frozen=True)
class MeanModel:
    """Answers with the mean of the image."""

    card: ModelCard

    def predict(self, images):
        return images.reshape(len(images), -1).mean(axis=1, keepdims=True).astype(float)

    def state_digest(self):
        return self.card.digest


def card(**more):
    given = {
        "name": "m",
        "kind": "callable",
        "task": "binary",
        "output": "probabilities",
        "access": Access.QUERY,
        "digest": "d",
    }
    return ModelCard(**{**given, **more})


def cohort(means, *, unreadable=(), ids=None):
    n = len(means)
    names = np.array(ids if ids is not None else [f"case-{i}" for i in range(n)])
    return Cohort(
        name="c", case_ids=names, patients=np.arange(n), patient_ids=np.array([f"patient-{i}" for i in range(n)]),
        patient_declared=True, targets=np.arange(n) % 2, images=Images(np.asarray(means), frozenset(unreadable)),
        ledger=Ledger(read=n + 1, used=n, set_aside={"no target": 1}), digest="c0",
    )  # fmt: skip


def setting(**more):
    c = cohort(np.linspace(0, 1, 8))
    m = MeanModel(card())
    clean = Predictions(raw=np.linspace(0, 1, 8)[:, None], card=m.card, targets=c.targets)
    given = {
        "model": m, "cohort": c, "clean": clean, "seed": 1, "budget": BUDGETS["smoke"], "levels": Levels(),
        "intended_use": IntendedUse(), "golden": None, "golden_tolerance": 1e-4, "digest_before": "d", "layer": None,
        "store": lambda a: None, "show_pixels": False,
    }  # fmt: skip
    return Setting(**{**given, **more})


def probe(code, run, **more):
    """Return a probe class with a given run."""
    given = {
        "name": "x", "family": code.rstrip("0123456789"), "tasks": ("binary",), "metrics": ("faults",), "title": "t",
        "question": "q", "method": "m", "limits": "l",
    }  # fmt: skip
    info = ProbeInfo(code=code, **{**given, **more})
    return type(code, (Probe,), {"info": info, "run": lambda self, ctx: run(ctx)})


def draw(ctx):
    """Measure one random number."""
    return [Measurement.of(Estimate.counted(float(ctx.rng.random()), n=1, n_patients=1), metric="faults", level=0.95)]
