"""What an image's stored values say of its format, and whether it lies as the others do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Arrays, InputSpec, joined
from audit.probes.data._fingerprint import resized
from audit.probes.data._stream import Looked, planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 24
FEW_LEVELS, DEEP_RANGE, ENOUGH_PIXELS = 256, 1023, 4096
USED_RANGE = 1 / 16
SPACING_APART = 0.05
SHARED_LAYOUT, LEAST_ASYMMETRY, NEGATIVE = 0.5, 0.1, -0.3
FEWEST = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is kept of the images looked at.

    Args:
        cases: (m,) cases that could be read.
        unread: Cases that could not.
        low: (m,) smallest stored value.
        high: (m,) largest stored value.
        few_levels: (m,) bool, at most 256 grey levels in an image of 4,096 values or more.
        sizes: m spatial sizes.
        spacings: m spacings, as `Looked.spacing`.
        small: (m, 24, 24) small copies, each of mean 0 and norm 1; 0 where an image is constant.
    """

    cases: NDArray[np.int64]
    unread: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    few_levels: NDArray[np.bool_]
    sizes: list[tuple[int, ...]]
    spacings: list[tuple[float, ...] | None]
    small: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.cases)


def fact_arrays(images: Iterable[Looked]) -> Arrays:
    """Return the facts of images that come one by one, as arrays for `facts_in`."""
    kept = []
    unread = 0
    for image in images:
        if image.values is None:
            unread += 1
            continue
        values = image.values
        few = values.size >= ENOUGH_PIXELS and _at_most_levels(values, FEW_LEVELS)
        size = json.dumps([int(s) for s in values.shape[1:]])
        spacing = json.dumps(None if image.spacing is None else [float(s) for s in image.spacing])
        kept.append((image.case, float(values.min()), float(values.max()), few, size, spacing, _small(values)))
    columns: list[list[Any]] = [list(c) for c in zip(*kept, strict=True)] if kept else [[] for _ in range(7)]
    return {
        "cases": np.array(columns[0], dtype=np.int64), "unread": np.array([unread]),
        "low": np.array(columns[1], dtype=np.float64), "high": np.array(columns[2], dtype=np.float64),
        "few": np.array(columns[3], dtype=np.bool_), "sizes": np.array(columns[4], dtype=np.str_),
        "spacings": np.array(columns[5], dtype=np.str_),
        "small": np.array(columns[6], dtype=np.float32).reshape(-1, SIDE, SIDE),
    }  # fmt: skip


def facts_in(parts: Sequence[Arrays]) -> Facts:
    """Return the facts of images that were looked at in parts."""
    every = joined(list(parts))
    spacings = [json.loads(str(text)) for text in every["spacings"]]
    return Facts(
        cases=every["cases"], unread=int(every["unread"].sum()), low=every["low"], high=every["high"],
        few_levels=every["few"], sizes=[tuple(json.loads(str(text))) for text in every["sizes"]],
        spacings=[None if s is None else tuple(s) for s in spacings], small=every["small"],
    )  # fmt: skip


def _at_most_levels(values: NDArray[Any], most: int) -> bool:
    # A part of the image settles most cases without sorting all of it.
    flat = values.ravel()
    return bool(np.unique(flat[:: max(1, flat.size // 4096)]).size <= most and np.unique(flat).size <= most)


def _small(values: NDArray[Any]) -> NDArray[np.float32]:
    grey = planes(values)
    while grey.ndim > 2:
        grey = grey[len(grey) // 2]
    small = resized(grey, (SIDE, SIDE))
    small = small - small.mean()
    norm = float(np.linalg.norm(small))
    return small / norm if norm > 0 else np.zeros_like(small)


def faults_of(facts: Facts, spec: InputSpec) -> dict[str, NDArray[np.bool_] | str]:
    """Return which images break what is declared or differ from the others, by kind of fault.

    Args:
        facts: The facts of m images.
        spec: What the model receives.

    Returns:
        (m,) bool by kind, or the reason why it cannot be told.
    """
    found: dict[str, NDArray[np.bool_] | str] = {"one value throughout": facts.low == facts.high}
    found |= _against_range(facts, spec)
    found["another size than most"] = _unlike_most(facts.sizes)
    if any(s is not None for s in facts.spacings):
        found["another spacing than most"] = _unlike_spacing(facts.spacings)
    return found


def _against_range(facts: Facts, spec: InputSpec) -> dict[str, NDArray[np.bool_] | str]:
    outside, unused, shallow = "outside the declared range", "little of the declared range", "few grey levels"
    # The range of an input that says nothing else is the default, which nobody declared.
    if spec.range == InputSpec().range and not (spec.unit or spec.modality):
        return dict.fromkeys((outside, unused, shallow), "no range of stored values is declared")
    low, high = spec.window or spec.range
    slack = 1e-6 * (high - low)
    used = facts.high - facts.low
    little = (used > 0) & (used < USED_RANGE * spec.span)
    if spec.window:
        beyond = (facts.high <= low) | (facts.low >= high)
        return {"nothing inside the declared window": beyond, shallow: facts.few_levels & (spec.span >= DEEP_RANGE)}
    return {
        outside: (facts.low < low - slack) | (facts.high > high + slack),
        unused: little,
        shallow: facts.few_levels & (spec.span >= DEEP_RANGE) & (used > 0),
    }


def _unlike_most(values: list[tuple[int, ...]]) -> NDArray[np.bool_]:
    counts: dict[tuple[int, ...], int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    most = max(counts, key=lambda v: (counts[v], v), default=())
    return np.array([value != most for value in values], dtype=np.bool_)


def _unlike_spacing(values: list[tuple[float, ...] | None]) -> NDArray[np.bool_]:
    known = [np.array(v) for v in values if v]
    if not known:
        return np.zeros(len(values), dtype=np.bool_)
    axes = max(len(v) for v in known)
    middle = np.median([v for v in known if len(v) == axes], axis=0)
    return np.array(
        [not v or len(v) != axes or bool(np.any(np.abs(np.array(v) / middle - 1) > SPACING_APART)) for v in values],
        dtype=np.bool_,
    )


TURNS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "mirrored": lambda small: small[:, :, ::-1],
    "upside down": lambda small: small[:, ::-1],
    "turned by 180 degrees": lambda small: small[:, ::-1, ::-1],
    "turned by 90 degrees": lambda small: np.rot90(small, 1, axes=(1, 2)),
    "turned by 270 degrees": lambda small: np.rot90(small, 3, axes=(1, 2)),
}


def suspected_of(facts: Facts) -> dict[str, NDArray[np.bool_] | str]:
    """Return which images seem to lie or to shine otherwise than the others, by comparison with their mean.

    Each image is held against the mean of all others. It seems inverted where it correlates with it below -0.3. It
    seems turned where the turned image fits better than the image as it is by at least half of what turning costs
    the others.

    Args:
        facts: The facts of m images.

    Returns:
        (m,) bool by kind, or the reason why it cannot be told.
    """
    kinds = ("inverted", *TURNS)
    if len(facts) < FEWEST:
        return dict.fromkeys(kinds, f"fewer than {FEWEST} images, too few to know how they lie")
    total = facts.small.sum(axis=0)
    fit = _fit(facts.small, total, facts.small)
    if float(np.median(fit)) < SHARED_LAYOUT:
        return dict.fromkeys(kinds, "the images have no layout in common that one could differ from")
    found: dict[str, NDArray[np.bool_] | str] = {"inverted": fit < NEGATIVE}
    for kind, turn in TURNS.items():
        gain = _fit(turn(facts.small), total, facts.small) - fit
        usual = float(np.median(gain))
        if usual > -LEAST_ASYMMETRY:
            found[kind] = "the images are too symmetric for this to be seen"
        else:
            found[kind] = (gain > -0.5 * usual) & (fit >= NEGATIVE)
    return found


def _fit(shown: NDArray[np.float32], total: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (m,) correlations of images with the mean of all others."""
    others = (total[None] - own).astype(np.float64)
    others -= others.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((others**2).sum(axis=(1, 2)))
    found: NDArray[np.float64] = (shown * others).sum(axis=(1, 2)) / np.where(norm > 0, norm, np.inf)
    return found
