"""The machine as a network: filters, waves, a linear decision and its calibration."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audit.reference.systems.protocol_transfer._features import FEATURES, SIGMAS_MM, kernels
from audit.reference.systems.protocol_transfer._ways import TISSUES, WAVES


class TissueNet(nn.Module):  # type: ignore[misc, unused-ignore]
    """Scale-space features of the middle voxel, random Fourier features, one tissue against the others."""

    kernels: Tensor
    mean: Tensor
    scale: Tensor
    waves: Tensor
    phases: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", torch.from_numpy(kernels()).float(), persistent=False)
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("scale", torch.ones(len(FEATURES)))
        self.register_buffer("waves", torch.zeros(len(FEATURES), WAVES))
        self.register_buffer("phases", torch.zeros(WAVES))
        self.decide = nn.Linear(WAVES, TISSUES)
        self.calibrate = nn.Linear(TISSUES, TISSUES)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 3) logits of fluid, grey and white matter for (n, 1, 25, 25) patches in 0..1."""
        known = (self.features(images) - self.mean) / self.scale
        lifted = (2 / WAVES) ** 0.5 * torch.cos(known @ self.waves + self.phases)
        said: Tensor = self.calibrate(self.decide(lifted))
        return said

    def features(self, images: Tensor) -> Tensor:
        """Return (n, 10) features of the same patches."""
        summed = images.flatten(1) @ self.kernels.T
        out = [summed[:, 0]]
        for k in range(len(SIGMAS_MM)):
            blurred, down, right, laplace = summed[:, 1 + 4 * k : 5 + 4 * k].unbind(1)
            # A square root has no slope at 0, where a patch is flat.
            out += [blurred, torch.sqrt(down**2 + right**2 + 1e-16), laplace.abs()]
        return torch.stack(out, dim=1)


def tissue_net() -> nn.Module:
    """Return the architecture, untrained."""
    return TissueNet()
