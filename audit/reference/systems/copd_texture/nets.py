"""The texture classifier as a network without training by gradient: filters, histograms, neighbours, mean, logit."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from audit.reference.systems.copd_texture._bank import BINS, FILTERS, SCALES, feature_maps, histograms

if TYPE_CHECKING:
    from torch import Tensor, nn

PROTOTYPES = 2400
"""Training regions that are kept."""
CHOSEN = 6
"""Filters whose histograms are compared."""
NEIGHBOURS = 25
_CHUNK = 48


def texture_net() -> nn.Module:
    """Return the classifier with empty buffers; weights fill them.

    Returns:
        A module from (n, regions, z, y, x) HU to (n, 1) logits.
    """
    return _texture_class()()


def risk_net() -> nn.Module:
    """Return the same network with a probability at its end, as a risk at a horizon is declared.

    Returns:
        A module from (n, regions, z, y, x) HU to (n, 1) risks, 0 to 1.
    """
    return _texture_class()(risk=True)


@cache
def _texture_class() -> type[Any]:
    import torch
    from torch import nn

    class TextureNet(nn.Module):  # type: ignore[misc, unused-ignore]
        """Mean over regions of the share of ill neighbours, weighted, put on the logit scale.

        Buffers: `chosen` (filters, scales outside), `edges` of their bins, `prototypes` (histograms of training
        regions), `votes` (1 of an ill patient's region), `trust` (weight of each vote), `line` (intercept and slope of
        the logit on the mean share).
        """

        def __init__(self, *, risk: bool = False) -> None:
            super().__init__()
            self.risk = risk
            self.register_buffer("chosen", torch.zeros(CHOSEN, dtype=torch.int64))
            self.register_buffer("edges", torch.zeros(CHOSEN, BINS - 1))
            self.register_buffer("prototypes", torch.zeros(PROTOTYPES, CHOSEN * BINS))
            self.register_buffer("votes", torch.zeros(PROTOTYPES))
            self.register_buffer("trust", torch.ones(PROTOTYPES))
            self.register_buffer("line", torch.zeros(2))

        def textures(self, images: Tensor) -> Tensor:
            """Return (n * regions, filters * bins) histograms."""
            flat = images.flatten(0, 1)
            scales, per = self._scales(), len(FILTERS)
            kept = torch.tensor(
                [scales.index(SCALES[int(c) // per]) * per + int(c) % per for c in self.chosen]
            )  # fmt: skip
            done = [
                histograms(feature_maps(part, scales)[:, kept], self.edges).flatten(1) for part in flat.split(_CHUNK)
            ]
            return torch.cat(done)

        def _scales(self) -> tuple[float, ...]:
            used = {int(c) // len(FILTERS) for c in self.chosen}
            return tuple(scale for i, scale in enumerate(SCALES) if i in used)

        def forward(self, images: Tensor) -> Tensor:
            """Return (n, 1) logits for (n, regions, z, y, x) HU."""
            apart = torch.cdist(self.textures(images), self.prototypes, p=1)
            near = apart.topk(NEIGHBOURS, dim=1, largest=False).indices
            trust = self.trust[near]
            share = (trust * self.votes[near]).sum(dim=1) / trust.sum(dim=1).clamp_min(1e-6)
            score = share.view(images.shape[:2]).mean(dim=1)
            logit = (self.line[0] + self.line[1] * score)[:, None]
            return torch.sigmoid(logit) if self.risk else logit

    return TextureNet
