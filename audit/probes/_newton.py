"""Ridge logistic regression by Newton's method, on tables that are dense only block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.probes._metadata import Columns

    Floats = NDArray[np.float64]
    Rows = Floats | Columns

STEPS, SMALLEST_STEP = 50, 1e-6
BLOCK, HELD = 8192, 2**20
"""Rows that are gone through together, and numbers up to which a table is kept. Sums over more rows are re-ordered, so
that a fit differs from one on the whole table by rounding, 1e-12; with fewer rows it is the same to the bit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Brings columns to mean 0 and variance 1; unknown cells lie at the mean."""

    middle: Floats
    width: Floats

    @classmethod
    def of(cls, x: Rows) -> Scale:
        """Return the scale of a table, which is gone through block by block."""
        size = x.shape[1]
        total, known = np.zeros(size), np.zeros(size, dtype=np.int64)
        for _, block in blocks(x):
            there = np.isfinite(block)
            total += np.where(there, block, 0.0).sum(axis=0)
            known += there.sum(axis=0)
        middle = total / np.maximum(known, 1)
        mean = sum((_filled(b, middle).sum(axis=0) for _, b in blocks(x)), np.zeros(size)) / len(x)
        square = sum((((_filled(b, middle) - mean) ** 2).sum(axis=0) for _, b in blocks(x)), np.zeros(size))
        spread = np.sqrt(square / len(x))
        return cls(middle=middle, width=np.where(spread > 1e-12, spread, 1.0))

    def __call__(self, block: Floats) -> Floats:
        out: Floats = (_filled(block, self.middle) - self.middle) / self.width
        return out


def _filled(block: Floats, middle: Floats) -> Floats:
    return np.where(np.isfinite(block), block, middle)


def blocks(x: Rows) -> Iterator[tuple[slice, Floats]]:
    """Yield rows and the dense table of so many of them that all columns together stay small."""
    for start in range(0, len(x), BLOCK):
        rows = slice(start, min(start + BLOCK, len(x)))
        yield rows, np.asarray(x[rows], dtype=np.float64)


class Design:
    """The scaled columns of a fit with one for the intercept: kept where they are few, else made again block by block.

    Args:
        x: (n, p) columns.
        scale: Brings them to mean 0 and variance 1.
    """

    def __init__(self, x: Rows, scale: Scale) -> None:
        self._x, self._scale, self.width = x, scale, 1 + x.shape[1]
        self._held = list(self._made()) if len(x) * self.width <= HELD else None

    def _made(self) -> Iterator[tuple[slice, Floats]]:
        for rows, block in blocks(self._x):
            yield rows, np.concatenate([np.ones((len(block), 1)), self._scale(block)], axis=1)

    def __iter__(self) -> Iterator[tuple[slice, Floats]]:
        """Give rows and their table, (rows, 1 + p)."""
        return self._made() if self._held is None else iter(self._held)


def logistic_fit(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return intercept and coefficients of a ridge logistic regression, by Newton's method with halved steps.

    scikit-learn's Newton solver gives up on indicators that add up to 1, and its other solvers take ten times as long
    for the hundreds of small fits that nested folds need; it is the oracle in the tests.

    Args:
        x: (n, p) finite.
        y: (n,) 0 or 1.
        penalty: Inverse strength of the ridge on the coefficients, as scikit-learn's C; the intercept has none.

    Returns:
        (1 + p,).
    """
    size = x.shape[1]
    return newton(Design(x, Scale(middle=np.zeros(size), width=np.ones(size))), y, penalty)


def newton(design: Design, y: Floats, penalty: float) -> Floats:
    """Return what `logistic_fit` does for columns that are scaled already."""
    ridge = np.full(design.width, 1 / penalty)
    ridge[0] = 1e-9

    def at(beta: Floats) -> tuple[float, Floats, Floats]:
        """Return the loss, its negative slope and its curvature."""
        loss, slope, curve = 0.0, np.zeros(len(ridge)), np.zeros((len(ridge), len(ridge)))
        for rows, table in design:
            raw = table @ beta
            p = 0.5 * (1 + np.tanh(0.5 * raw))
            loss += np.logaddexp(0, raw).sum() - raw @ y[rows]
            slope += table.T @ (y[rows] - p)
            curve += (table * (p * (1 - p))[:, None]).T @ table
        return float(loss + 0.5 * ridge @ beta**2), slope - ridge * beta, curve + np.diag(ridge)

    beta = np.zeros(len(ridge))
    here = at(beta)
    for _ in range(STEPS):
        step = np.linalg.solve(here[2], here[1])
        size, there = 1.0, at(beta + step)
        while there[0] > here[0] and size > SMALLEST_STEP:
            size /= 2
            there = at(beta + size * step)
        beta, here = beta + size * step, there
        if np.abs(step).max() < 1e-6 or size <= SMALLEST_STEP:
            break
    return beta
