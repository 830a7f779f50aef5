"""What recipes share that write the folder of an audit."""

from __future__ import annotations

import csv
import shutil
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fill(template: Path, out: Path, **values: object) -> Path:
    """Write a text file whose `$name` are replaced.

    Args:
        template: The file with the names.
        out: The file to write.
        **values: What stands in their place; texts come without quotes.

    Raises:
        KeyError: The template has a name that is not given.
    """
    text = string.Template(template.read_text(encoding="utf-8")).substitute({k: str(v) for k, v in values.items()})
    out.write_text(text, encoding="utf-8")
    return out


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV manifest; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return path


def copy_weights(weights: Path, folder: Path) -> str:
    """Copy weights into the folder of an audit and return their name there."""
    shutil.copyfile(weights, folder / weights.name)
    return weights.name


def even_threshold(scores: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Return the score at which the smaller of sensitivity and specificity is largest.

    Args:
        scores: (n,) finite; a case is positive at or above the threshold.
        labels: (n,) 1 for positive cases.
    """
    candidates = np.unique(np.quantile(scores, np.linspace(0.02, 0.98, 193)))
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    sensitivity = 1.0 - np.searchsorted(positive, candidates) / len(positive)
    specificity = np.searchsorted(negative, candidates) / len(negative)
    return float(candidates[int(np.argmax(np.minimum(sensitivity, specificity)))])
