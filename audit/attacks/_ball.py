"""What a perturbed image may be: within a size of the image, in the valid range, in the part that may be changed.

`Ball.around(x0, valid, region, norm)` holds m images; `project(delta, epsilon)`, `along(direction, epsilon)`,
`random(epsilon, rngs)`, `step(delta, gradient, size)`, `scaled(delta, epsilon)` and `size_of(delta)` work on all of
them, with one epsilon or one for each, so that cases at different sizes share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from audit.attacks._rows import placed, taken
from audit.attacks._steps import largest_rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

Norm = Literal["linf", "l2", "l0"]
NORMS: tuple[Norm, ...] = get_args(Norm)
# Float32 sums of squares are good to about this; an L2 projection aims that much inside.
_SLACK = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Ball:
    """Perturbations of m images that are allowed, by norm, intensities and region.

    The size of a perturbation is the largest absolute change (`linf`), the root mean square of the change over the
    region's pixels and channels (`l2`), or the share of the region's pixels that change (`l0`); the first two are in
    stored units, so that a change of the same amount everywhere has the same size in both.

    Args:
        norm: One of `NORMS`.
        x0: (m, channels, *spatial) images, float32 tensor.
        low: Lowest valid intensity, elementwise: an image that starts outside the range may stay where it is.
        high: Highest valid intensity.
        region: (m, 1, *spatial) float32, 1 where a change is allowed.
    """

    norm: Norm = "linf"
    x0: Any
    low: Any
    high: Any
    region: Any

    @classmethod
    def around(cls, x0: Any, valid: tuple[float, float], region: Any, norm: Norm = "linf") -> Ball:
        """Return the ball of images within a valid range."""
        return cls(norm=norm, x0=x0, low=x0.clamp_max(valid[0]), high=x0.clamp_min(valid[1]), region=region)

    def take(self, rows: Any) -> Ball:
        """Return the ball of some of the images, which may share memory with this one."""
        at = placed(rows, self.x0.device)
        x0, low, high, region = (taken(tensor, at) for tensor in (self.x0, self.low, self.high, self.region))
        some = Ball(norm=self.norm, x0=x0, low=low, high=high, region=region)
        # Looking at every pixel anew would cost as much as a step.
        some.__dict__["everywhere"] = self.everywhere
        if self.norm != "linf":
            some.__dict__["pixels"], some.__dict__["_scale"] = taken(self.pixels, at), taken(self._scale, at)
        return some

    def put(self, rows: Any, other: Ball) -> None:
        """Put other images in the place of some."""
        for name in (f.name for f in fields(self) if f.name != "norm"):
            getattr(self, name)[rows] = getattr(other, name)
        for name in ("pixels", "everywhere", "_scale"):
            self.__dict__.pop(name, None)

    @cached_property
    def pixels(self) -> Any:
        """(m,) float64 tensor, pixels of the region, at least 1."""
        return self.region.double().flatten(1).sum(dim=1).clamp_min(1)

    @cached_property
    def everywhere(self) -> bool:
        """Whether every pixel of every image may change; of a part of a ball where not, False as well."""
        return bool((self.region == 1).all())

    @cached_property
    def _scale(self) -> Any:
        """(m,) float64, Euclidean length of a perturbation whose root mean square is 1."""
        return (self.pixels * self.x0.shape[1]).sqrt()

    def _inside(self, values: Any) -> Any:
        """Take away what lies outside of the region, in place."""
        return values if self.everywhere else values.mul_(self.region)

    def column(self, values: Any) -> Any:
        """Return one number a row, or the same for all, as a float64 tensor that images can be multiplied with."""
        import torch

        wide = torch.as_tensor(values, dtype=torch.float64, device=self.x0.device).expand(len(self.x0))
        return wide.reshape(-1, *(1,) * (self.x0.ndim - 1))

    def size_of(self, delta: Any) -> Any:
        """Return (m,) float64 sizes of perturbations."""
        flat = delta.double().flatten(1)
        if self.norm == "linf":
            return flat.abs().amax(dim=1)
        if self.norm == "l2":
            return flat.square().sum(dim=1).sqrt() / self._scale
        return (delta != 0).any(dim=1).flatten(1).double().sum(dim=1) / self.pixels

    def project(self, delta: Any, epsilon: Any) -> Any:
        """Return valid images within epsilon, never beyond it by a rounding error either.

        Args:
            delta: (m, channels, *spatial) perturbations; what is no number counts as no change.
            epsilon: Size, or (m,) sizes.
        """
        import torch

        inside = self._bounded(torch.nan_to_num(delta.to(self.x0.dtype), nan=0.0), epsilon)
        x = (self.x0 + inside).clamp_(self.low, self.high)
        allowed = self.column(epsilon) if self.norm == "linf" else inside.double().abs_()
        over = x.double().sub_(self.x0).abs_() > allowed
        if not bool(over.any()):
            return x
        # By the bits: a processor cannot guess at which of many pixels the last one goes beyond.
        own, nearer = x.view(torch.int32), torch.nextafter(x, self.x0).view(torch.int32)
        return nearer.bitwise_xor_(own).bitwise_and_(-over.to(torch.int32)).bitwise_xor_(own).view(torch.float32)

    def valid_(self, delta: Any, epsilon: Any) -> Any:
        """Return images within epsilon and range up to rounding, in the memory of the perturbations.

        Args:
            delta: (m, channels, *spatial) float32 perturbations, which are written over.
            epsilon: Size, or (m,) sizes.
        """
        import torch

        inside = self._bounded(torch.nan_to_num_(delta, nan=0.0), epsilon)
        return inside.add_(self.x0).clamp_(self.low, self.high)

    def _bounded(self, clean: Any, epsilon: Any) -> Any:
        """Bring perturbations into region and epsilon, in place; valid range and last bit are left to others."""
        import torch

        clean = self._inside(clean)
        if self.norm == "linf":
            wide = self._at_most(epsilon)
            return clean.clamp_(-wide, wide)
        if self.norm == "l2":
            length, most = self._length(clean), self.column(epsilon).flatten() * self._scale * (1 - _SLACK)
            factor = torch.where(length > most, most / length, 1.0)
            return clean.mul_(self.column(torch.nan_to_num(factor, nan=0.0)).to(clean.dtype))
        return clean.mul_(self._largest(clean.abs().sum(dim=1, keepdim=True), epsilon))

    @staticmethod
    def _length(values: Any) -> Any:
        """Return (m,) float64 Euclidean lengths."""
        import torch

        return torch.linalg.vector_norm(values.double().flatten(1), dim=1)

    def _at_most(self, epsilon: Any) -> Any:
        """Return the largest float32 that is not above the size, as a column."""
        import torch

        exact = self.column(epsilon)
        near = exact.to(self.x0.dtype)
        return torch.where(near.double() > exact, torch.nextafter(near, torch.zeros_like(near)), near)

    def _largest(self, gain: Any, epsilon: Any) -> Any:
        """Return (m, 1, *spatial) 1 at the pixels of the largest gain, as many as the size allows."""
        import torch

        count = (self.column(epsilon).flatten() * self.pixels + 1e-9).floor().long()
        ranks = (gain * self.region).flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return (ranks < count[:, None]).reshape(gain.shape).to(torch.float32) * self.region

    def along(self, direction: Any, epsilon: Any) -> Any:
        """Return the valid images that go farthest along a direction, the maximum of its inner product with the change.

        The optimum of a linear model for L-infinity and L2, the valid range included; for L0, the pixels that gain most
        when each may go to an end of the range.

        Args:
            direction: (m, channels, *spatial), for example a gradient, of any scale.
            epsilon: Size, or (m,) sizes.
        """
        import torch

        way = self._inside(torch.nan_to_num(direction, nan=0.0, posinf=0.0, neginf=0.0))
        if self.norm == "linf":
            return self.project(way.sign() * self.column(epsilon), epsilon)
        if self.norm == "l2":
            return self.project(self._farthest(way, epsilon), epsilon)
        ends = torch.where(way > 0, self.high, torch.where(way < 0, self.low, self.x0)) - self.x0
        return self.project(ends * self._largest((ends * way).sum(dim=1, keepdim=True), epsilon), epsilon)

    def _farthest(self, way: Any, epsilon: Any) -> Any:
        """Return clip(t * way) within the range, with the t for which its length is the size.

        Multiplying t by what is lacking never overshoots, since clipping grows a length less than in proportion.
        """
        import torch

        peak = way.abs().flatten(1).amax(dim=1)
        unit = way / self.column(peak.clamp_min(torch.finfo(way.dtype).tiny)).to(way.dtype)
        most = self.column(epsilon).flatten() * self._scale
        t = torch.nan_to_num(most / self._length(unit), nan=0.0, posinf=0.0)
        low, high = self.low - self.x0, self.high - self.x0
        for _ in range(24):
            clipped = (unit * self.column(t).to(way.dtype)).clamp_(low, high)
            length = self._length(clipped)
            lacking = torch.where(length > 0, most / length, 1.0)
            if bool((lacking < 1 + 1e-6).all()):
                break
            t = t * lacking.clamp(1.0, 1e3)
            t = t.clamp_max(1e30)
        return clipped

    def random(self, epsilon: Any, rngs: Sequence[np.random.Generator]) -> Any:
        """Return random perturbations within the size, not yet within the valid range.

        Args:
            epsilon: Size, or (m,) sizes.
            rngs: One generator an image, so that a case's start does not depend on its batch.
        """
        import torch

        shape = tuple(self.x0.shape[1:])
        if self.norm == "l2":
            drawn = np.stack([g.standard_normal(shape, dtype=np.float32) for g in rngs])
            return self.scaled(self._inside(torch.as_tensor(drawn, device=self.x0.device)), epsilon)
        drawn = np.stack([g.random(shape, dtype=np.float32) for g in rngs])
        share = torch.as_tensor(drawn, device=self.x0.device)
        if self.norm == "linf":
            return self._inside((2 * share - 1).mul_(self.column(epsilon).to(torch.float32)))
        chosen = np.stack([g.random((1, *shape[1:]), dtype=np.float32) for g in rngs])
        to = self.low + share * (self.high - self.low)
        return (to - self.x0) * self._largest(torch.as_tensor(chosen, device=self.x0.device), epsilon)

    def step(self, delta: Any, gradient: Any, size: Any) -> Any:
        """Return perturbations moved downhill by a size, not projected.

        Args:
            delta: (m, channels, *spatial) perturbations.
            gradient: Their gradients, of any scale; what is no number moves nothing.
            size: Size of the step, or (m,) sizes; for L0 a share of the valid range.
        """
        import torch

        way = self._inside(torch.nan_to_num_(-gradient, nan=0.0, posinf=0.0, neginf=0.0))
        if self.norm == "linf":
            return way.sign_().mul_(self.column(size).to(delta.dtype)).add_(delta)
        peak = self.column(way.abs().flatten(1).amax(dim=1).clamp_min(torch.finfo(way.dtype).tiny)).to(way.dtype)
        unit = way.div_(peak)
        if self.norm == "l0":
            return delta + self.column(size).to(delta.dtype) * (self.high - self.low) * unit
        length = self._length(unit).clamp_min(1e-300)
        return unit.mul_(self.column(self.column(size).flatten() * self._scale / length).to(delta.dtype)).add_(delta)

    def scaled(self, delta: Any, epsilon: Any) -> Any:
        """Return perturbations grown or shrunk to a size, not projected; what changes nothing stays so, as does L0."""
        import torch

        if self.norm == "l0":
            return delta
        size = self.size_of(delta)
        factor = torch.where(size > 0, self.column(epsilon).flatten() / size.clamp_min(1e-300), 0.0)
        return delta * self.column(factor).to(delta.dtype)

    def storable(self, epsilon: Any, rows: Any = slice(None)) -> NDArray[np.bool_]:
        """Return (m,) whether a change of one whole stored step of one value fits into the size, of some of the images.

        Args:
            epsilon: Size, or (m,) sizes.
            rows: Which m images; all by default.
        """
        import torch

        wide = torch.as_tensor(epsilon, dtype=torch.float64, device=self.x0.device)
        if self.norm == "l2":
            wide = wide * self._scale[rows]
        elif self.norm == "l0":
            wide = wide * self.pixels[rows]
        else:
            wide = wide.expand(len(self.x0[rows]) if isinstance(rows, slice) else len(rows))
        out: NDArray[np.bool_] = (wide >= 1 - 1e-9).cpu().numpy()
        return out

    def whole(self, x: Any, epsilon: Any) -> Any:
        """Return the nearest images of whole stored steps that stay within epsilon and the valid range.

        Under L2 the largest changes are rounded away from 0 to at least one step until the size is used up, since
        rounding to the nearest step would take back every change below half of one.

        Args:
            x: (m, channels, *spatial) images.
            epsilon: Size, or (m,) sizes.
        """
        import torch

        delta = x - self.x0
        if self.norm == "linf":
            limit = (self.column(epsilon) + 1e-9).floor().to(delta.dtype)
            delta = torch.minimum(torch.maximum(delta.round(), -limit), limit)
        elif self.norm == "l2":
            delta = largest_rounded(delta, (self.column(epsilon).flatten() * self._scale).square())
        else:
            delta = delta.round()
        low, high = torch.minimum(self.low.ceil(), self.x0), torch.maximum(self.high.floor(), self.x0)
        return torch.minimum(torch.maximum(self.x0 + delta, low), high)
