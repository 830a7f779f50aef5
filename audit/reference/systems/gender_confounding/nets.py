"""A filter bank with a linear decision, as a network: `audit.reference._texture` says the same without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audit.reference._texture import CENTRE, SCALES, TINY

SIZE = 16
LOW, HIGH = -1024.0, -600.0
FEATURES = 9 * len(SCALES)


class TextureNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """Moments of filtered regions, each standardised, and a weighted sum of them.

    Gaussian density, gradient magnitude and Laplacian at three scales, periodic; of each the mean, the log variance and
    the skewness over the pixels of all regions of a scan.
    """

    transfer: Tensor
    right: Tensor
    down: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        rows, columns = torch.fft.fftfreq(SIZE)[:, None], torch.fft.rfftfreq(SIZE)[None]
        square = rows**2 + columns**2
        gains = torch.stack([torch.exp(-2 * (torch.pi * s) ** 2 * square) for s in SCALES])
        laplacian = -((2 * torch.pi) ** 2) * square
        self.register_buffer("transfer", torch.stack([gains, gains * laplacian]), persistent=False)
        self.register_buffer("right", 2 * torch.pi * columns.expand_as(square).clone(), persistent=False)
        self.register_buffer("down", 2 * torch.pi * rows.expand_as(square).clone(), persistent=False)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.decide = nn.Linear(FEATURES, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 1) logits of disease for (n, regions, 16, 16) densities mapped from -1024..-600 HU to 0..1."""
        said: Tensor = self.decide((self.moments(images) - self.mean) / self.scale)
        return said

    def moments(self, images: Tensor) -> Tensor:
        """Return (n, 27) moments of the same images."""
        spectrum = torch.fft.rfft2(images * (HIGH - LOW) + (LOW - CENTRE))
        found = []
        for k in range(len(SCALES)):
            smooth = spectrum * self.transfer[0, k]
            x, y = self._back(smooth * self.right * 1j), self._back(smooth * self.down * 1j)
            # A square root has no slope at 0, where an image is flat.
            gradient = torch.sqrt(x**2 + y**2 + 1e-12)
            for field in (self._back(smooth), gradient, self._back(spectrum * self.transfer[1, k])):
                found += _three(field.flatten(1))
        return torch.stack(found, dim=1)

    @staticmethod
    def _back(spectrum: Tensor) -> Tensor:
        out: Tensor = torch.fft.irfft2(spectrum, s=(SIZE, SIZE))
        return out


def _three(flat: Tensor) -> list[Tensor]:
    mean = flat.mean(dim=1)
    apart = flat - mean[:, None]
    variance = (apart**2).mean(dim=1) + TINY
    return [mean, torch.log(variance), (apart**3).mean(dim=1) / variance**1.5]


def texture_net() -> nn.Module:
    """Return the architecture, untrained."""
    return TextureNet()
