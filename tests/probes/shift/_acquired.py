"""Planes of which the truth is known, models that read one thing of them, and what SHIFT002 makes of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.core import (
    BUDGETS,
    Access,
    Envelope,
    InputSpec,
    KnobRange,
    ModelCard,
    ProbeResult,
    digest,
)
from audit.judge import judge
from audit.probes.shift import AcquisitionSeverity
from audit.testing import (
    ArrayImages,
    FunctionModel,
    context,
    small_cohort,
)
from tests.judge._make import TODAY, policy, rule

SIZE = 16
LESION = (slice(4, 9), slice(4, 9))
BRIGHT = (slice(12, 16), slice(0, 16))
KNOBS_USED = {"mr_gain": (-0.1, 0.1), "mr_noise": (0.0, 0.05), "mr_contrast": (-0.2, 0.2)}
RANGES = {k: KnobRange(low=a, high=b, source="a test") for k, (a, b) in KNOBS_USED.items()}
ENVELOPE = Envelope(knobs=RANGES, tolerated_drop=0.1)
BUDGET = replace(BUDGETS["standard"], severity_cases=None, batch_size=64)
INPUT = InputSpec(modality="mr", unit="grey level", range=(0.0, 4095.0), size=(SIZE, SIZE), spacing_mm=(1.0, 1.0))


def images(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return planes with a bright strip, a lesion that is brighter in cases, and a grain that is finer in cases."""
    rng = np.random.default_rng(seed)
    n = len(labels)
    grain = np.where(labels == 1, 0.012, 0.036)[:, None, None]
    signal = 1000 * (1 + grain * rng.standard_normal((n, SIZE, SIZE)))
    lesion = np.where(labels == 1, 1.3, 1.1)
    signal[:, *LESION] *= lesion[:, None, None]
    signal[:, *BRIGHT] *= np.where(labels == 1, 1.48, 1.38)[:, None, None]
    return np.round(signal)[:, None].astype(np.float32)


def _lesion(x: np.ndarray) -> np.ndarray:
    return x[:, 0, *LESION].mean(axis=(1, 2))


def _background(x: np.ndarray) -> np.ndarray:
    return x[:, 0, 9:12].mean(axis=(1, 2))


def healthy(x: np.ndarray) -> np.ndarray:
    """Read how much brighter the lesion is than what is beside it."""
    return 40 * (_lesion(x) / _background(x) - 1.2)


def by_brightness(x: np.ndarray) -> np.ndarray:
    """Read how bright the lesion is, in stored units."""
    return 0.05 * (_lesion(x) - 1200)


def by_grain(x: np.ndarray) -> np.ndarray:
    """Read how fine the grain is."""
    rough = np.diff(x[:, 0, 9:12], axis=2).std(axis=(1, 2)) / np.sqrt(2) / _background(x)
    return 300 * (0.022 - rough)


def by_contrast(x: np.ndarray) -> np.ndarray:
    """Read the contrast of normal tissue, of which cases have a little more."""
    return 200 * (x[:, 0, *BRIGHT].mean(axis=(1, 2)) / _background(x) - 1.43)


def model(answer: object, **more: object) -> FunctionModel:
    card = ModelCard(
        name="m", kind="callable", task="binary", output="logits", access=Access.QUERY, digest=digest("m"),
        classes=("a", "b"), operating_point=0.5, input=INPUT, phantom=True,
    )  # fmt: skip
    return FunctionModel(card=replace(card, **more), answer=lambda x: answer(x)[:, None])  # type: ignore[arg-type, operator]


def asked(answer: object, *, n: int = 160, envelope: Envelope = ENVELOPE, budget: object = BUDGET, **more: object):
    """Return the context of a planted model on planes of which half are cases."""
    labels = np.arange(n) % 2
    cohort = small_cohort(labels, images=ArrayImages(array=images(labels)))
    return context(model(answer, **more), cohort, envelope=envelope, budget=budget)


def run(ctx):
    """Return all measurements."""
    return list(AcquisitionSeverity().run(ctx))


def pick(found, metric: str, **where: object):
    """Return the measurements of a metric whose condition holds these."""
    return [m for m in found if m.metric == metric and all(m.condition.get(k) == v for k, v in where.items())]


def findings(found, *rules):
    """Return the status of each rule, as the judge gives it."""
    result = ProbeResult(info=AcquisitionSeverity.info, state="completed", measurements=tuple(found))
    return [f.status for f in judge([result], policy(*rules), today=TODAY)]


def no_loss(**where: object):
    """Return a rule that no number falls by more than 0.1."""
    return rule("no-loss", low=-0.1, probe="SHIFT002", metric="performance_change", where=where)
