"""Methods that need nothing but gradients of the output, along paths by captum; nothing is hooked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.explain._attribution_setup import Part, Setup, affordable, array, captum, distance, forward_of, seeded, slope
from audit.explain._methods import (
    GRADIENT_SHAP,
    INPUT_X_GRADIENT,
    INTEGRATED_GRADIENTS,
    INTEGRATED_GRADIENTS_ABSOLUTE,
    SALIENCY,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATH_STEPS = 32
"""Points on the path of integrated gradients where no other number is asked for, and draws of gradient SHAP."""
FINER = (4, 40)
"""Where their sum is off by more than `OFF`, so many times the points."""
OFF = 0.05
"""Largest median distance of the sum of a map from the change of the output, relative to that change or to a tenth of
the map's absolute sum, whichever is more: where parts cancel, the change is no measure."""
_CANCELLED = 0.1
_ERRORS = 4.0
"""Standard errors by which the mean of random draws may be off."""
_PATHS = (INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE)


def gradient_maps(setup: Setup, methods: Sequence[str]) -> Part:
    """Return maps of the methods that need nothing but gradients, channels summed up.

    Saliency is the absolute gradient (Simonyan 2014); input x gradient its signed product with the stored intensity;
    integrated gradients run from the baseline to the image (Sundararajan 2017); gradient SHAP takes random points of
    the same path (Lundberg and Lee 2017).

    Args:
        setup: Model, images, baseline and what is explained.
        methods: Of `BY_GRADIENT`.
    """
    if not methods:
        return Part(values={})
    run = _Run(setup)
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in methods}
    sums: dict[str, list[_Sum]] = {}
    for _, x, start, given in setup.chunks(run.size):
        for name, (part, total) in run.maps(x, start, given, methods).items():
            found[name].append(part)
            if total is not None:
                sums.setdefault(name, []).append(total)
    values = {name: np.concatenate(parts) for name, parts in found.items()}
    checked = {name: _Sum.joined(parts) for name, parts in sums.items()}
    refused = {name: reason for name, total in checked.items() if (reason := total.reason())}
    if INTEGRATED_GRADIENTS_ABSOLUTE in methods and INTEGRATED_GRADIENTS in refused:
        refused[INTEGRATED_GRADIENTS_ABSOLUTE] = refused[INTEGRATED_GRADIENTS]
    refused = {name: reason for name, reason in refused.items() if name in methods}
    return Part(
        values={name: v for name, v in values.items() if name not in refused}, refused=refused,
        completeness={name: total.distance() for name, total in checked.items() if name != GRADIENT_SHAP},
    )  # fmt: skip


class _Sum:
    """Sums of maps beside the change of the output that they must equal."""

    def __init__(
        self, total: NDArray[np.float64], change: NDArray[np.float64], size: NDArray[np.float64],
        error: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        self.total, self.change, self.size = total, change, size
        self.error = np.zeros_like(total) if error is None else error

    @classmethod
    def joined(cls, parts: Sequence[_Sum]) -> _Sum:
        """Return several batches as one."""
        names = ("total", "change", "size", "error")
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def off(self) -> NDArray[np.float64]:
        """Return (n,) by how much more than chance the sums are off, relative to the change or to what cancels."""
        return excess(self.total, self.change, self.size, self.error)

    def distance(self) -> NDArray[np.float64]:
        """Return (n,) plain relative distances."""
        return distance(self.total, self.change)

    def reason(self) -> str:
        """Return why the maps cannot be believed, empty where they can."""
        return refusal_of_sum(self.off())


def excess(
    total: NDArray[np.float64], change: NDArray[np.float64], size: NDArray[np.float64],
    error: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    """Return (n,) by how much sums of maps are off, beyond chance.

    Args:
        total: (n,) sums of the maps.
        change: (n,) the changes of the output that they must equal.
        size: (n,) sums of the maps' absolute values.
        error: (n,) standard errors of the sums, 0 where nothing is drawn.
    """
    beyond = np.maximum(np.abs(total - change) - _ERRORS * error, 0)
    out: NDArray[np.float64] = beyond / np.maximum(np.maximum(np.abs(change), _CANCELLED * size), 1e-300)
    return out


def refusal_of_sum(off: NDArray[np.float64], allowed: float = OFF) -> str:
    """Return the reason for which maps whose sums are `off` are refused, empty where they stand."""
    middle = float(np.median(off))
    if np.isfinite(middle) and middle <= allowed:
        return ""
    return (
        f"its sum misses the change of the output that it must equal, by {middle:.0%} in the median of {off.size} "
        f"cases; up to {allowed:.0%} is allowed"
    )


class _Run:
    """One model, explained by its gradients."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._forward = setup, forward_of(setup.model)
        self.size = affordable(setup.model, setup.tensor(setup.images[:1]), max(setup.batch, 1))

    @cached_property
    def _captum(self) -> Any:
        return captum()

    def output(self, images: Any, *given: Any) -> Any:
        """Return explained logits."""
        # A graph that does not reach the image must give a zero map, not an exception.
        return self._setup.explained.logit(self._forward(images), *given) + 0 * images.flatten(1).sum(dim=1)

    def maps(
        self, x: Any, start: Any, given: tuple[Any, ...], methods: Sequence[str]
    ) -> dict[str, tuple[NDArray[np.float64], _Sum | None]]:
        """Return maps of one batch that fits, and their sums where those must equal something."""
        import torch

        x = x.requires_grad_()
        found: dict[str, tuple[NDArray[np.float64], _Sum | None]] = {}
        change = np.zeros(len(x))
        if {*_PATHS, GRADIENT_SHAP} & set(methods):
            with torch.no_grad():
                change = array(self.output(x, *given) - self.output(start, *given))
        if set(_PATHS) & set(methods):
            raw = self._path(x, start, given, change)
            total = _summed(raw, change)
            both = {INTEGRATED_GRADIENTS: (raw.sum(axis=1), total), INTEGRATED_GRADIENTS_ABSOLUTE: (
                np.abs(raw).sum(axis=1), total)}  # fmt: skip
            found.update({name: pair for name, pair in both.items() if name in methods})
        if GRADIENT_SHAP in methods:
            found[GRADIENT_SHAP] = self._shap(x, start, given, change)
        if {INPUT_X_GRADIENT, SALIENCY} & set(methods):
            # One gradient is all that both need; captum would take it once for each.
            at_image = slope(lambda images: self._setup.explained.logit(self._forward(images), *given), x)
            plain = {INPUT_X_GRADIENT: x.detach() * at_image, SALIENCY: at_image.abs()}
            found.update({name: (array(raw).sum(axis=1), None) for name, raw in plain.items() if name in methods})
        return found

    def _path(self, x: Any, start: Any, given: tuple[Any, ...], change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return integrated gradients, with more points where the sum asks for them."""
        method = self._captum.IntegratedGradients(self.output)

        def run(rows: Any, steps: int) -> NDArray[np.float64]:
            return array(
                method.attribute(
                    x[rows], baselines=start[rows], additional_forward_args=tuple(t[rows] for t in given),
                    n_steps=steps, internal_batch_size=max(self.size, len(x[rows])),
                )
            )  # fmt: skip

        points = self._setup.points
        raw = run(slice(None), points)
        for finer in FINER:
            rows = np.flatnonzero(_summed(raw, change).off() > OFF)
            if not rows.size:
                break
            raw[rows] = run(rows, points * finer)
        return raw

    def _shap(
        self, x: Any, start: Any, given: tuple[Any, ...], change: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], _Sum]:
        """Return gradient SHAP over random points between each case's own baseline and its image."""
        import torch

        # captum draws baselines among all rows; moved by its own baseline, every case starts at 0.
        def moved(away: Any, begin: Any, *more: Any) -> Any:
            return self.output(begin + away, *more)

        away, parts = (x - start).detach().requires_grad_(), []
        draws = next(d for d in (4, 2, 1) if d * len(x) <= self.size or d == 1)
        with seeded(self._setup.rng):
            for _ in range(PATH_STEPS // draws):
                found = self._captum.GradientShap(moved).attribute(
                    away, baselines=torch.zeros_like(x[:1]), n_samples=draws, additional_forward_args=(start, *given)
                )
                parts.append(array(found))
        raw = np.mean(parts, axis=0)
        sums = np.stack([p.reshape(len(x), -1).sum(axis=1) for p in parts])
        return raw.sum(axis=1), _summed(raw, change, sums.std(axis=0, ddof=1) / np.sqrt(len(sums)))


def _summed(raw: NDArray[np.float64], change: NDArray[np.float64], error: NDArray[np.float64] | None = None) -> _Sum:
    flat = raw.reshape(len(raw), -1)
    return _Sum(flat.sum(axis=1), change, np.abs(flat).sum(axis=1), error)
