"""Few pixels, each changed as far as the valid range allows: chosen greedily along the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks._ball import Ball
from audit.attacks._gradient import slopes
from audit.attacks._ladder import attack_region
from audit.attacks._ledger import Ledger
from audit.attacks._objectives import Question
from audit.attacks._outcome import Meter, Outcome
from audit.core import DifferentiableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 12
_FEW = 4
"""Up to so many more pixels are tried one by one; more are changed in blocks."""
ONE_SHOT, GREEDY, PROBED = "largest gains", "greedy", "pixel by pixel"


def sparse(
    model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any], *,
    counts: Sequence[int], headline: int, steps: int, rng: np.random.Generator, meter: Meter, whole: bool = False,
) -> Outcome:  # fmt: skip
    """Attack images by changing a number of pixels, all channels of each, to an end of the valid range.

    The pixels are those with the most to gain by the gradient, all at once by the first one, and in blocks with a new
    gradient before each. Up to four are also found one by one: those of the largest gradient are tried at either end of
    the range, and each that was kept is put back once and others are tried in its place. Every success is verified on
    the untouched model, and a case that is broken by few pixels counts as broken by more.

    Args:
        model: The model under attack.
        question: What is to be overturned.
        images: (n, channels, *spatial) stored intensities.
        target: (n, ...) targets.
        counts: Rising numbers of pixels.
        headline: The one of them at which as many random pixels are tried as a control.
        steps: Blocks from one number to the next, and single pixels tried in one go.
        rng: Random pixels.
        meter: Where the cost is counted.
        whole: Change padding, too.

    Returns:
        The outcome; its sizes are the counts, its noise control random pixels at random ends.

    References:
        Papernot et al. 2016, The limitations of deep learning in adversarial settings, EuroS&P, for the greedy choice
        of pixels; Su et al. 2019, One pixel attack for fooling deep neural networks, IEEE Transactions on Evolutionary
        Computation 23, for the single pixel.
    """
    return _Sparse(model, question, images, target, tuple(counts), meter, whole=whole).run(headline, steps, rng)


class _Sparse:
    """The images as they are changed so far, for each objective."""

    def __init__(
        self, model: DifferentiableModel, question: Question, images: NDArray[np.float32], target: NDArray[Any],
        counts: tuple[int, ...], meter: Meter, *, whole: bool,
    ) -> None:  # fmt: skip
        import torch

        self.model, self.question, self.target, self.counts, self.meter = model, question, target, counts, meter
        device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
        spec = model.card.input
        region = np.ones((len(images), 1, *images.shape[2:]), bool) if whole else attack_region(images, spec.modality)
        self.ball = Ball.around(
            torch.as_tensor(images, device=device), spec.range,
            torch.as_tensor(region.astype(np.float32), device=device), "l0",
        )  # fmt: skip
        self.wanted = torch.as_tensor(target, device=device)
        self.rows = np.arange(len(images))
        self.ledger = Ledger(model, question, len(images), len(counts), meter)
        self.ledger.enter(self.rows, images, target)
        self.images = images
        self.best = [self.ball.x0.clone() for _ in question.objectives]

    def run(self, headline: int, steps: int, rng: np.random.Generator) -> Outcome:
        """Go through all numbers of pixels."""
        objectives = range(len(self.question.objectives))
        clean = [self._slope(number, self.rows, self.ball.x0) for number in objectives]
        self.ledger.gradient[:] = np.logical_and.reduce([_usable(slope) for slope in clean])
        before, shown = 0, self.images
        for index, count in enumerate(self.counts):
            # What fewer pixels achieved; this size adds to it, and what one objective finds must not count twice.
            base = [best.clone() for best in self.best]
            for number in objectives:
                if count - before <= _FEW:
                    for more in range(before + 1, count + 1):
                        self._probe(number, self.best[number].clone(), more, min(steps, _TRIES))
                    self._swap(number, count, min(steps, _TRIES))
                else:
                    self._greedily(number, base[number], count - before, steps)
                self._offer(self.rows, self._changed(self.ball.x0, clean[number], self.rows, count), ONE_SHOT)
            before = count
            if count == headline:
                self.ledger.attacked[:] = self.ledger.right
                self._control(count, rng)
                shown = self._worst()
            self.ledger.close(self.rows, np.full(self.rows.size, index))
        return self.ledger.outcome(shown)

    def _worst(self) -> NDArray[np.float32]:
        """Return the images of the lowest margin, for each case under whichever objective has it."""
        import torch

        nearest = self.ledger.margin.argmin(axis=1)
        every = torch.stack(self.best)[nearest, self.rows]
        out: NDArray[np.float32] = every.cpu().numpy()
        return out

    def _slope(self, number: int, rows: NDArray[np.int64], x: Any) -> Any:
        self.meter.gradients += len(rows)
        which = np.full(len(rows), number)
        return slopes(self.model.forward, self.question.objectives, which, x, self.wanted[rows])[1]

    def _greedily(self, number: int, x: Any, more: int, steps: int) -> None:
        """Change so many more pixels of the cases that stand, in blocks."""
        block = -(-more // max(1, steps))
        while more > 0:
            rows = np.flatnonzero(self.ledger.right)
            if not rows.size:
                return
            slope = self._slope(number, rows, x[rows])
            x[rows] = self._changed(x[rows], slope, rows, min(block, more))
            self._offer(rows, x[rows], GREEDY)
            more -= block

    def _changed(self, x: Any, slope: Any, rows: NDArray[np.int64], count: int) -> Any:
        """Return images with so many further pixels at the ends of the range that lower the margin most."""
        import torch

        ball = self.ball.take(rows)
        way = -torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
        ends = torch.where(way > 0, ball.high, torch.where(way < 0, ball.low, x))
        gain = ((ends - x) * way).sum(dim=1, keepdim=True)
        fresh = (x == ball.x0).all(dim=1, keepdim=True) & (ball.region > 0)
        ranked = gain.masked_fill(~fresh, -torch.inf).flatten(1)
        top = ranked.topk(min(count, ranked.shape[1]), dim=1)
        chosen = torch.zeros_like(ranked, dtype=torch.bool).scatter(1, top.indices, top.values > 0).reshape(gain.shape)
        return torch.where(chosen, ends, x)

    def _probe(self, number: int, x: Any, limit: int, tries: int) -> None:
        """Try one more pixel where the limit allows it: those of the largest gradient, at both ends of the range."""
        import torch

        rows = np.flatnonzero(self.ledger.right)
        if not rows.size:
            return
        slope = torch.nan_to_num(self._slope(number, rows, x[rows]), nan=0.0, posinf=0.0, neginf=0.0)
        size = torch.zeros_like(self.ball.region)
        same = (x == self.ball.x0).all(dim=1, keepdim=True)
        room = (~same).flatten(1).sum(dim=1) < limit
        fresh = same & (self.ball.region > 0) & room.reshape(-1, *(1,) * (same.ndim - 1))
        size[rows] = slope.abs().sum(dim=1, keepdim=True)
        ranked = size.masked_fill(~fresh, -torch.inf).flatten(1)
        best = ranked.topk(min(tries, ranked.shape[1]), dim=1)
        for place in range(best.indices.shape[1]):
            for end in (self.ball.low, self.ball.high):
                rows = np.flatnonzero(self.ledger.right)
                if not rows.size:
                    return
                one = torch.zeros_like(ranked[rows], dtype=torch.bool)
                allowed = (best.values[rows, place] > -torch.inf)[:, None]
                one = one.scatter(1, best.indices[rows, place][:, None], allowed).reshape(-1, *size.shape[1:])
                self._offer(rows, torch.where(one, end[rows], x[rows]), PROBED)

    def _swap(self, number: int, count: int, tries: int) -> None:
        """Put each of a few changed pixels back in turn and try others in its place."""
        import torch

        for place in range(count if 1 < count <= _FEW else 0):
            x = self.best[number].clone()
            changed = (x != self.ball.x0).any(dim=1, keepdim=True).flatten(1).float()
            # The same order whatever the device: the changed pixels first, by their place in the image.
            order = changed.argsort(dim=1, descending=True, stable=True)[:, place : place + 1]
            back = torch.zeros_like(changed, dtype=torch.bool).scatter(1, order, True)
            x = torch.where(back.reshape(self.ball.region.shape), self.ball.x0, x)
            self._probe(number, x, count, tries)

    def _offer(self, rows: NDArray[np.int64], x: Any, by: str) -> NDArray[np.bool_]:
        right, lower = self.ledger.offer(rows, x.detach().cpu().numpy(), self.target[rows], by)
        for best, hit in zip(self.best, lower.T, strict=True):
            best[rows[hit]] = x[hit]
        return right

    def _control(self, count: int, rng: np.random.Generator) -> None:
        """Try as many random pixels at random ends."""
        import torch

        shape = tuple(self.ball.region.shape)
        first, second = sparse_draws(rng, shape)
        drawn = torch.as_tensor(first, device=self.ball.x0.device) * self.ball.region
        top = drawn.flatten(1).topk(min(count, drawn[0].numel()), dim=1)
        chosen = torch.zeros_like(drawn.flatten(1), dtype=torch.bool).scatter(1, top.indices, top.values > 0)
        up = torch.as_tensor(second < 0.5, device=self.ball.x0.device)
        ends = torch.where(up, self.ball.high, self.ball.low)
        x = torch.where(chosen.reshape(shape), ends, self.ball.x0)
        stands = self._offer(self.rows, x, "random pixels")
        self.ledger.noise[:] = self.ledger.right_clean & stands


def sparse_draws(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what `sparse` draws where its headline is among its counts, for images of a shape (n, 1, *spatial)."""
    return rng.random(shape, dtype=np.float32), rng.random(shape)


def _usable(gradient: Any) -> NDArray[np.bool_]:
    """Return (n,) whether a gradient is finite throughout and not zero everywhere."""
    flat = gradient.flatten(1).cpu().numpy()
    out: NDArray[np.bool_] = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    return out
