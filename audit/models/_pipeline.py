"""Preprocessing, network and tiling as one differentiable torch module."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

from audit.core import ModelSpec
from audit.models._declare import shaped


def tile_starts(size: int, tile: int) -> list[int]:
    """Return where tiles of one axis start: side by side, the last one moved back to end at the border.

    Args:
        size: Length of the axis, at least `tile`.
        tile: Length of a tile.
    """
    starts = list(range(0, size - tile + 1, tile))
    if starts[-1] + tile < size:
        starts.append(size - tile)
    return starts


@cache
def _pipeline_class() -> type[Any]:
    import torch
    from torch import nn

    class Pipeline(nn.Module):  # type: ignore[misc, unused-ignore]
        """Stored intensities to raw outputs; `net` is the network as it was given."""

        def __init__(self, net: Any, spec: ModelSpec, fixed_batch: int | None) -> None:
            super().__init__()
            self.net, self.spec, self.fixed_batch = net, spec, fixed_batch
            for name, values in (("mean", spec.input.mean), ("std", spec.input.std)):
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

            self.training = False

        def train(self, mode: bool = True) -> Any:
            """Stay in eval mode, whatever an attack or an attribution library asks for."""
            del mode
            return self

        def get_submodule(self, target: str) -> Any:
            """Return a layer by the name that it has in the network itself."""
            first = target.partition(".")[0]
            return super().get_submodule(target) if first in ("", "net") else self.net.get_submodule(target)

        def forward(self, images: Any) -> Any:
            """Return (n, k[, *spatial]) raw outputs for (n, channels, *spatial) stored intensities."""
            # Float32, unless somebody has made a copy in double precision to hold gradients against.
            double = any(p.dtype == torch.float64 for p in self.parameters())
            x = self.prepare(images.double() if double else images.float())
            return self.tiled(x, self.spec.input.tile) if self.spec.input.tile else self.answer(x)

        def prepare(self, x: Any) -> Any:
            spec, shape = self.spec.input, (1, -1, *(1,) * (x.ndim - 2))
            if spec.window is not None:
                x = x.clamp(spec.window[0], spec.window[1])
            if spec.scale:
                x = (x - spec.range[0]) / spec.span
            if spec.mean:
                x = x - self.mean.view(shape)
            return x / self.std.view(shape) if spec.std else x

        def answer(self, x: Any) -> Any:
            if self.fixed_batch is None:
                return shaped(self.net(x), x, self.spec)
            answers = []
            for part in x.split(self.fixed_batch):
                lacking = self.fixed_batch - part.shape[0]
                # Filled up with the last image, whose extra answers are cut off again.
                full = torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])]) if lacking else part
                answers.append(shaped(self.net(full), full, self.spec)[: part.shape[0]])
            return torch.cat(answers)

        def tiled(self, x: Any, tile: tuple[int, ...]) -> Any:
            size = x.shape[2:]
            lacking = [max(t - s, 0) for t, s in zip(tile, size, strict=True)]
            if any(lacking):
                pads = [p for pad in reversed(lacking) for p in (0, pad)]
                x = nn.functional.pad(x, pads, mode="replicate")
            corners = product(*(tile_starts(s, t) for s, t in zip(x.shape[2:], tile, strict=True)))
            places = [tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True)) for corner in corners]
            answers = [self.answer(x[(..., *place)]) for place in places]
            if self.spec.output not in ("mask_logits", "mask_probabilities"):
                return torch.stack(answers).mean(dim=0)
            total = x.new_zeros((x.shape[0], answers[0].shape[1], *x.shape[2:]))
            count = x.new_zeros(x.shape[2:])
            for place, answer in zip(places, answers, strict=True):
                total[(..., *place)] += answer
                count[place] += 1
            return (total / count)[(..., *(slice(0, s) for s in size))]

    return Pipeline


def build_pipeline(net: Any, spec: ModelSpec, *, fixed_batch: int | None = None) -> Any:
    """Return a `torch.nn.Module` from stored intensities to raw outputs, in eval mode, parameters without gradient.

    Tiles lie side by side; the last one of an axis is moved back to end at the border, and where two overlap their
    mean counts. A volume that is smaller than a tile is filled up by repeating its border, and cut back afterwards.
    Masks are stitched; the outputs of other kinds are averaged over the tiles.

    Args:
        net: The network, from prepared images to raw outputs.
        spec: The declaration.
        fixed_batch: Number of images that the network always wants, where it cannot take another.
    """
    pipeline = _pipeline_class()(net, spec, fixed_batch)
    for parameter in pipeline.parameters():
        parameter.requires_grad_(False)
    return pipeline
