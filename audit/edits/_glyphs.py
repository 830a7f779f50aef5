"""Letters of five by seven dots, as a film printer burns them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DOTS = {
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
}


def written(text: str) -> NDArray[np.float64]:
    """Return a text as dots.

    Args:
        text: Of the letters L R P O T A B E and the digits 1 2.

    Returns:
        (7, 6 * letters - 1), 1 where there is ink.

    Raises:
        KeyError: A sign that there are no dots for.
    """
    rows = [np.array([[float(d) for d in line] for line in _DOTS[sign].split()]) for sign in text]
    parts: list[NDArray[np.float64]] = []
    for glyph in rows:
        parts += [glyph, np.zeros((7, 1))]
    return np.concatenate(parts[:-1], axis=1)


def enlarged(dots: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Return dots scaled to a height in pixels; where a pixel holds several, their mean.

    Args:
        dots: (7, columns).
        height: In pixels, at least 1.
    """
    width = max(1, round(dots.shape[1] * height / dots.shape[0]))
    return _averaged(_averaged(dots, height).T, width).T


def _averaged(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return rows averaged over `length` equal parts of the first axis."""
    edges = np.linspace(0, len(values), length + 1)
    summed = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at = np.stack([np.interp(edges, np.arange(len(values) + 1), column) for column in summed.T], axis=1)
    out: NDArray[np.float64] = np.diff(at, axis=0) / np.diff(edges)[:, None]
    return out
