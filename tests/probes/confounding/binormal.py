"""The binormal model with a confounder of two levels, on which several probes are tried."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from audit.core import Attribute, AttributeSpec
from audit.testing import attribute, small_cohort

WITHIN = 0.905
SEPARATION = float(np.sqrt(2) * norm.ppf(WITHIN))
BIASED, EVEN = (0.35, 0.85), (0.5, 0.5)


def drawn(n: int, p_level: tuple[float, float], *, lean: float, seed: int = 0) -> tuple[Any, ...]:
    """Return scores, labels and levels; level b occurs with p_level[label] and adds `lean` standard deviations."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    level = rng.random(n) < np.take(p_level, label)
    latent = SEPARATION * label + lean * level + rng.normal(size=n)
    return 1 / (1 + np.exp(-latent)), label, np.where(level, "b", "a")


def binormal(n: int, p_level: tuple[float, float], *, lean: float, seed: int = 0, more: tuple[Any, ...] = ()) -> Any:
    """Return scores and their cohort, with the confounder "ward" and further attributes."""
    scores, label, level = drawn(n, p_level, lean=lean, seed=seed)
    return scores, small_cohort(label, attributes=[attribute("ward", level, "confounder", reason="case mix"), *more])


def number(name: str, values: Any, role: Any) -> Attribute:
    """Return an attribute that is a number without bins."""
    spec = AttributeSpec(name=name, role=role, reason="case mix")
    return Attribute(spec=spec, levels=np.array([str(v) for v in values]), numbers=np.asarray(values, dtype=float))
