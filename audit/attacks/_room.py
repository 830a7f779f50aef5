"""Where one perturbed image may lie, in numpy: the twin of `_ball` for attacks that only ask the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Float32 rounds each pixel, so an L2 projection aims this much inside.
_INSIDE = 1 - 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """The valid perturbations of one image.

    Sizes are the largest absolute change (`linf`), or the root mean square change over the region's pixels and
    channels (`l2`), both in stored units.

    Args:
        norm: "linf" or "l2".
        x0: (channels, *spatial) image, float32.
        low: Lowest valid intensity, elementwise: an image that starts outside the range may stay where it is.
        high: Highest valid intensity.
        region: (1, *spatial) bool, where a change is allowed.
        step: The stored step where stored intensities are integers, else None.
    """

    norm: Literal["linf", "l2"]
    x0: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    region: NDArray[np.bool_]
    step: float | None

    @classmethod
    def around(
        cls, x0: NDArray[np.float32], valid: tuple[float, float], region: NDArray[np.bool_], *,
        norm: Literal["linf", "l2"] = "linf", step: float | None = None,
    ) -> Room:  # fmt: skip
        """Return the room around an image within a valid range."""
        low, high = np.float32(valid[0]), np.float32(valid[1])
        return cls(norm=norm, x0=x0, low=np.minimum(x0, low), high=np.maximum(x0, high), region=region, step=step)

    def cut(self, window: tuple[slice, ...]) -> Room:
        """Return the room of a part of the image, which shares its memory.

        Args:
            window: Of channels and axes `spatial`.
        """
        x0, low, high = self.x0[window], self.low[window], self.high[window]
        part = Room(norm=self.norm, x0=x0, low=low, high=high, region=self.region[:, *window[1:]], step=self.step)
        if self._everywhere:
            part.__dict__["_everywhere"] = True
        return part

    @cached_property
    def values(self) -> int:
        """Values that may change: pixels of the region times channels."""
        return int(self.region.sum()) * len(self.x0)

    @cached_property
    def bounding(self) -> tuple[slice, ...]:
        """The smallest box of axes `spatial` that holds the region; empty slices where there is none."""
        axes = range(1, self.region.ndim)
        box = []
        for axis in axes:
            held = np.flatnonzero(self.region.any(axis=tuple(a for a in range(self.region.ndim) if a != axis)))
            box.append(slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 0))
        return tuple(box)

    @cached_property
    def _exact(self) -> NDArray[np.float64]:
        return self.x0.astype(np.float64)

    @cached_property
    def _everywhere(self) -> bool:
        return bool(self.region.all())

    def _inside(self, delta: NDArray[Any]) -> NDArray[np.float64]:
        """Return a copy in float64 that is 0 outside of the region."""
        if self._everywhere:
            return np.array(delta, dtype=np.float64)
        out: NDArray[np.float64] = np.where(self.region, delta, 0.0).astype(np.float64, copy=False)
        return out

    def size_of(self, x: NDArray[np.float32]) -> float:
        """Return the size of the change from the image to another, in float64."""
        delta = np.subtract(x, self._exact)
        if self.norm == "linf":
            return float(max(delta.max(initial=0.0), -delta.min(initial=0.0)))
        return float(np.sqrt(np.square(delta).sum() / max(1, self.values)))

    def within(self, delta: NDArray[Any], epsilon: float) -> NDArray[np.float32]:
        """Return the valid image within a size, never beyond it by a rounding error either."""
        # In float64, or a size that float32 rounds up would be exceeded by more than the last bit of small values.
        inside = self._inside(delta)
        if self.norm == "linf":
            inside.clip(-epsilon, epsilon, out=inside)
        else:
            most = epsilon * _INSIDE * np.sqrt(self.values)
            length = float(np.sqrt(np.square(inside).sum()))
            if length > most:
                inside *= most / length
        moved = np.add(self._exact, inside, out=inside if self.norm == "linf" else None)
        x: NDArray[np.float32] = moved.astype(np.float32)
        np.minimum(np.maximum(x, self.low, out=x), self.high, out=x)
        away = np.subtract(x, self._exact)
        if self.norm == "linf" and away.size and -epsilon <= away.min() and away.max() <= epsilon:
            return x
        over = np.abs(away, out=away) > (epsilon if self.norm == "linf" else np.abs(inside, out=inside))
        if over.any():
            np.nextafter(x, self.x0, out=x, where=over)
        return x

    def scaled(self, delta: NDArray[Any], epsilon: float) -> NDArray[np.float64]:
        """Return a perturbation of the region, grown or shrunk to an L2 size; what changes nothing stays so."""
        inside = self._inside(delta)
        length = float(np.sqrt(np.square(inside).sum()))
        return inside * (epsilon * np.sqrt(self.values) / length) if length > 0 else inside

    def storable(self, epsilon: float) -> bool:
        """Return whether stored intensities are integers and a change of one step of one value fits into the size."""
        most = epsilon if self.norm == "linf" else epsilon * np.sqrt(self.values)
        return self.step is not None and most >= 1 - 1e-9

    def stored(self, x: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
        """Return an image of whole stored steps near another, within a size and the valid range.

        Under L2 the largest changes are rounded away from 0 to at least one step until the size is used up, since
        rounding to the nearest step would take back every change below half of one.
        """
        delta = (x - self.x0).astype(np.float64)
        if self.norm == "linf":
            limit = np.floor(epsilon + 1e-9)
            delta = np.clip(np.round(delta), -limit, limit)
        else:
            near = np.where(delta == 0, 0.0, np.sign(delta) * np.maximum(np.abs(np.round(delta)), 1.0)).ravel()
            order = np.argsort(-np.abs(delta).ravel(), kind="stable")
            fits = np.zeros(near.size, dtype=bool)
            fits[order] = np.cumsum(np.square(near[order])) <= epsilon**2 * self.values * _INSIDE
            delta = (near * fits).reshape(delta.shape)
        low, high = np.minimum(np.ceil(self.low), self.x0), np.maximum(np.floor(self.high), self.x0)
        out: NDArray[np.float32] = np.clip(self.x0 + delta, low, high).astype(np.float32)
        return out
