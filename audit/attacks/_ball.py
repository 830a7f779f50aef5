"""What a perturbed image may be: within a size of the image, in the valid range, in the part that may be changed.

`Ball.around(x0, valid, region, norm)` holds m images; `project(delta, epsilon)`, `along(direction, epsilon)`,
`random(epsilon, rngs)`, `step(delta, gradient, size)`, `scaled(delta, epsilon)` and `size_of(delta)` work on all of
them, with one epsilon or one for each, so that cases at different sizes share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from audit.attacks._kept import Kept
from audit.attacks._rows import placed, taken
from audit.attacks._sizes import at_most, numbers, share
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
        valid: Lowest and highest valid intensity; an image that starts outside of them may stay where it is.
        region: (m, 1, *spatial) float32, 1 where a change is allowed.
    """

    norm: Norm = "linf"
    x0: Any
    valid: tuple[float, float]
    region: Any

    @classmethod
    def around(cls, x0: Any, valid: tuple[float, float], region: Any, norm: Norm = "linf") -> Ball:
        """Return the ball of images within a valid range."""
        return cls(norm=norm, x0=x0, valid=valid, region=region)

    def take(self, rows: Any) -> Ball:
        """Return the ball of some of the images, which may share memory with this one."""
        at = placed(rows, self.x0.device)
        x0 = taken(self.x0, at)
        region = self.region[:1].expand(len(x0), *self.region.shape[1:]) if self.everywhere else taken(self.region, at)
        some = Ball(norm=self.norm, x0=x0, valid=self.valid, region=region)
        # Looking at every pixel anew would cost as much as a step.
        some.__dict__["everywhere"], some.__dict__["ranged"] = self.everywhere, self.ranged
        some.__dict__["kept"], some.__dict__["_upright"] = self.kept, self._upright
        if self.norm != "linf":
            own = at if isinstance(at, slice) else rows
            some.__dict__["pixels"], some.__dict__["_scale"] = self.pixels[own], self._scale[own]
        return some

    def put(self, rows: Any, other: Ball) -> None:
        """Put other images in the place of some."""
        self.x0[rows], self.region[rows] = other.x0, other.region
        for name in ("pixels", "everywhere", "ranged", "low", "high", "_scale"):
            self.__dict__.pop(name, None)

    @cached_property
    def low(self) -> Any:
        """(m, channels, *spatial) lowest intensity allowed."""
        return self.x0.clamp_max(self.valid[0])

    @cached_property
    def high(self) -> Any:
        """(m, channels, *spatial) highest intensity allowed."""
        return self.x0.clamp_min(self.valid[1])

    @cached_property
    def ranged(self) -> bool:
        """Whether every image starts within the valid range; of a part of a ball where not, False as well."""
        low, high = np.float32(self.valid[0]), np.float32(self.valid[1])
        return not self.x0.numel() or bool(low <= float(self.x0.amin()) and float(self.x0.amax()) <= high)

    @cached_property
    def kept(self) -> Kept:
        """Memory for moments, which the balls of some of the images share."""
        return Kept()

    @cached_property
    def pixels(self) -> NDArray[np.float64]:
        """(m,) pixels of the region, at least 1."""
        counted: NDArray[np.float64] = self.region.double().flatten(1).sum(dim=1).clamp_min(1).cpu().numpy()
        return counted

    @cached_property
    def everywhere(self) -> bool:
        """Whether every pixel of every image may change; of a part of a ball where not, False as well."""
        return not self.region.numel() or float(self.region.amin()) == 1 == float(self.region.amax())

    @cached_property
    def _scale(self) -> NDArray[np.float64]:
        """(m,) Euclidean length of a perturbation whose root mean square is 1."""
        import torch

        # By torch, as the lengths that it is held against: its roots are not those of numpy to the last bit.
        length: NDArray[np.float64] = torch.from_numpy(self.pixels * self.x0.shape[1]).sqrt().numpy()
        return length

    def _inside(self, values: Any) -> Any:
        """Take away what lies outside of the region, in place."""
        return values if self.everywhere else values.mul_(self.region)

    def _within(self, x: Any) -> Any:
        """Bring intensities into the valid range, in place."""
        # The same for all pixels where it can be: bounds of each pixel are two more images to read.
        return x.clamp_(*self.valid) if self.ranged else x.clamp_(self.low, self.high)

    def column(self, values: Any) -> Any:
        """Return one number a row, or the same for all, as a float64 tensor that images can be multiplied with."""
        import torch

        if isinstance(values, np.ndarray) and self.x0.is_cpu:
            # The shortest way there is: this is asked for at every step.
            return torch.from_numpy(values.reshape(self._upright))
        return torch.as_tensor(values, dtype=torch.float64, device=self.x0.device).reshape(self._upright)

    @cached_property
    def _upright(self) -> tuple[int, ...]:
        return -1, *(1,) * (self.x0.ndim - 1)

    def _single(self, values: Any) -> Any:
        """Return what `column` does, rounded to the precision of the images."""
        return self.column(values).float()

    def size_of(self, delta: Any) -> Any:
        """Return (m,) float64 sizes of perturbations."""
        import torch

        if self.norm == "linf":
            return delta.abs().flatten(1).amax(dim=1).double()
        if self.norm == "l2":
            wide = self._double("wide", delta).flatten(1)
            return wide.square_().sum(dim=1).sqrt() / torch.as_tensor(self._scale).to(delta.device)
        changed = (delta != 0).any(dim=1).flatten(1).double().sum(dim=1)
        return changed / torch.as_tensor(self.pixels).to(delta.device)

    def project(self, delta: Any, epsilon: Any) -> Any:
        """Return valid images within epsilon, never beyond it by a rounding error either.

        Args:
            delta: (m, channels, *spatial) perturbations; what is no number counts as no change.
            epsilon: Size, or (m,) sizes.
        """
        import torch

        inside = self._inside(torch.nan_to_num(delta.to(self.x0.dtype), nan=0.0))
        inside = self._bounded(inside, self.limits(epsilon))
        allowed = self.column(epsilon) if self.norm == "linf" else self._double("allowed", inside).abs_()
        x = self._within(inside.add_(self.x0))
        # Numbers and not truths: torch compares to truths pixel by pixel.
        over = self._double("wide", x).sub_(self.x0).abs_().gt_(allowed)
        if not x.numel() or float(over.amax()) == 0:
            return x
        # By the bits: a processor cannot guess at which of many pixels the last one goes beyond.
        own = x.view(torch.int32)
        nearer = torch.nextafter(x, self.x0, out=self.kept.like("nearer", x)).view(torch.int32)
        mask = self.kept.like("mask", own).copy_(over).neg_()
        return own.bitwise_xor_(nearer.bitwise_xor_(own).bitwise_and_(mask)).view(torch.float32)

    def limits(self, epsilon: Any, rows: Any = slice(None)) -> Any:
        """Return what `valid_` keeps to, one a row: worked out once for the many steps of a search.

        Args:
            epsilon: Size, or (m,) sizes.
            rows: Which m images; all by default.
        """
        import torch

        if self.norm == "linf":
            return torch.from_numpy(at_most(epsilon).reshape(self._upright)).to(self.x0.device)
        return numbers(epsilon) * self._scale[rows] * (1 - _SLACK) if self.norm == "l2" else numbers(epsilon)

    def valid_(self, delta: Any, limits: Any) -> Any:
        """Return images within a size and range up to rounding, in the memory of the perturbations.

        Args:
            delta: (m, channels, *spatial) float32 perturbations of the region alone, which are written over.
            limits: What `limits` gives of the sizes.
        """
        inside = self._bounded(delta.nan_to_num_(nan=0.0), limits)
        return self._within(inside.add_(self.x0))

    def _bounded(self, clean: Any, limits: Any) -> Any:
        """Bring perturbations of the region into limits, in place; valid range and last bit are left to others."""
        if self.norm == "linf":
            # Two steps, as clamp_ goes pixel by pixel where its bounds are those of an image.
            return clean.clamp_min_(-limits).clamp_max_(limits)
        if self.norm == "l2":
            length, most = self._length(clean), limits
            over = length > most
            if not over.any():
                return clean
            return clean.mul_(self._single(np.divide(most, length, out=np.ones_like(length), where=over)))
        return clean.mul_(self._largest(clean.abs().sum(dim=1, keepdim=True), limits))

    def _length(self, values: Any) -> NDArray[np.float64]:
        """Return (m,) Euclidean lengths."""
        import torch

        wide = self._double("wide", values).flatten(1)
        out: NDArray[np.float64] = torch.linalg.vector_norm(wide, dim=1).cpu().numpy()
        return out

    def _double(self, name: str, values: Any) -> Any:
        """Return values in float64, in memory of a name."""
        import torch

        return self.kept.like(name, values, torch.float64).copy_(values)

    def _largest(self, gain: Any, epsilon: Any) -> Any:
        """Return (m, 1, *spatial) 1 at the pixels of the largest gain, as many as the size allows."""
        import torch

        count = torch.as_tensor(np.floor(numbers(epsilon) * self.pixels + 1e-9)).to(gain.device)
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
            return self.project(way.sign_().mul_(self._single(epsilon)), epsilon)
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
        unit = way / self._single(peak.clamp_min(torch.finfo(way.dtype).tiny))
        most = numbers(epsilon) * self._scale
        t = share(most, self._length(unit), 0.0)
        low, high = self.low - self.x0, self.high - self.x0
        clipped = torch.empty_like(unit)
        for _ in range(24):
            torch.mul(unit, self._single(t), out=clipped).clamp_(low, high)
            lacking = share(most, self._length(clipped), 1.0)
            if (lacking < 1 + 1e-6).all():
                break
            t = np.minimum(t * np.clip(lacking, 1.0, 1e3), 1e30)
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
            return self._inside((2 * share - 1).mul_(self._single(epsilon)))
        chosen = np.stack([g.random((1, *shape[1:]), dtype=np.float32) for g in rngs])
        to = self.low + share * (self.high - self.low)
        return (to - self.x0) * self._largest(torch.as_tensor(chosen, device=self.x0.device), epsilon)

    def step(self, delta: Any, gradient: Any, size: Any, out: Any = None) -> Any:
        """Return perturbations moved downhill by a size, not projected.

        Args:
            delta: (m, channels, *spatial) perturbations.
            gradient: Their gradients, of any scale; what is no number moves nothing.
            size: Size of the step, or (m,) sizes; for L0 a share of the valid range.
            out: Memory that may be written over, of neither of them.
        """
        import torch

        way = self._inside(torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0, out=out))
        size = -numbers(size)
        if self.norm == "linf":
            return way.sign_().mul_(self._single(size)).add_(delta)
        peak = torch.abs(way, out=self.kept.like("size", way)).flatten(1).amax(dim=1)
        unit = way.div_(self._single(peak.clamp_min(torch.finfo(way.dtype).tiny)))
        if self.norm == "l0":
            return delta + self._single(size) * (self.high - self.low) * unit
        length = np.maximum(self._length(unit), 1e-300)
        return unit.mul_(self._single(size * self._scale / length)).add_(delta)

    def scaled(self, delta: Any, epsilon: Any) -> Any:
        """Return perturbations grown or shrunk to a size, not projected; what changes nothing stays so, as does L0."""
        if self.norm == "l0":
            return delta
        return delta * self._single(share(numbers(epsilon), self.size_of(delta).cpu().numpy(), 0.0))

    def storable(self, epsilon: Any, rows: Any = slice(None)) -> NDArray[np.bool_]:
        """Return (m,) whether a change of one whole stored step of one value fits into the size, of some of the images.

        Args:
            epsilon: Size, or (m,) sizes.
            rows: Which m images; all by default.
        """
        wide = numbers(epsilon)
        if self.norm != "linf":
            wide = wide * (self._scale if self.norm == "l2" else self.pixels)[rows]
        elif not wide.ndim:
            wide = np.broadcast_to(wide, len(self.x0[rows]) if isinstance(rows, slice) else len(rows))
        out: NDArray[np.bool_] = wide >= 1 - 1e-9
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
            limit = self._single(np.floor(numbers(epsilon) + 1e-9))
            delta = torch.minimum(torch.maximum(delta.round_(), -limit, out=delta), limit, out=delta)
        elif self.norm == "l2":
            delta = largest_rounded(delta, torch.as_tensor((numbers(epsilon) * self._scale) ** 2).to(delta.device))
        else:
            delta = delta.round_()
        whole = delta.add_(self.x0)
        if self.ranged and all(float(end).is_integer() for end in self.valid):
            return self._within(whole)
        low, high = torch.minimum(self.low.ceil(), self.x0), torch.maximum(self.high.floor(), self.x0)
        return torch.minimum(torch.maximum(whole, low), high)
