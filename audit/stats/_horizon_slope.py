"""Logistic regression of many resamples at once."""

from __future__ import annotations

import numpy as np

from audit.stats._common import Bools, Floats

MAX_STEPS = 50
NEAR = 1e-8


def weighted_logistic(weights: Floats, logit: Floats, positive: Bools, start: Floats) -> Floats:
    """Return (b, 2) intercepts and slopes of weighted logistic regressions, NaN where one does not converge.

    Args:
        weights: (b, n) not negative, a regression a row; a row may be NaN.
        logit: (n,) finite.
        positive: (n,) True where the outcome is one.
        start: (2,) intercept and slope to start from, those of the whole for its resamples.
    """
    beta = np.tile(start, (len(weights), 1))
    out = np.full((len(weights), 2), np.nan)
    active = np.flatnonzero(np.isfinite(weights).all(axis=1))
    score = _Score(logit, positive)
    for _ in range(MAX_STEPS):
        if not len(active):
            break
        step, sound = score.step(weights[active], beta[active])
        # A whole step from far away may overshoot to where all chances are 0 or 1 and nothing leads back.
        step /= np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / 2)
        beta[active] += step
        near = np.abs(step).max(axis=1) < NEAR * (1 + np.abs(beta[active]).max(axis=1))
        out[active[sound & near]] = beta[active[sound & near]]
        active = active[sound & ~near]
    return out


class _Score:
    """Newton steps of a logistic regression on one variable and a constant."""

    def __init__(self, logit: Floats, positive: Bools) -> None:
        self.logit, self.positive = logit, np.asarray(positive, dtype=np.float64)
        self._powers = np.stack([np.ones_like(logit), logit, logit**2], axis=1)

    def step(self, weights: Floats, beta: Floats) -> tuple[Floats, Bools]:
        """Return (b, 2) steps and (b,) whether the information can be inverted."""
        chance = 0.5 * (1 + np.tanh(0.5 * (beta[:, :1] + beta[:, 1:] * self.logit)))
        gradient = (weights * (self.positive - chance)) @ self._powers[:, :2]
        one, x, xx = ((weights * chance * (1 - chance)) @ self._powers).T
        determinant = one * xx - x**2
        sound = determinant > 1e-10 * one * xx
        safe = np.where(sound, determinant, 1.0)
        step = np.stack(
            [xx * gradient[:, 0] - x * gradient[:, 1], one * gradient[:, 1] - x * gradient[:, 0]], axis=1
        ) / safe[:, None]  # fmt: skip
        step[~sound] = 0
        return step, sound
