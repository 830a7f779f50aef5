"""One code for several modalities: an encoder and a decoder a modality, and in between what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

MODALITIES = 3
CODE = 24
SIZE = 24
_WIDTHS = (8, 16)


def encoder() -> nn.Module:
    """Return a network from (n, 1, 24, 24) in [0, 1] to (n, 24)."""
    from torch import nn

    one, two = _WIDTHS
    return nn.Sequential(
        nn.Conv2d(1, one, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(one, two, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(two * (SIZE // 4) ** 2, CODE),
    )  # fmt: skip


def decoder() -> nn.Module:
    """Return a network from (n, 24) to (n, 1, 24, 24)."""
    from torch import nn

    one, two = _WIDTHS
    return nn.Sequential(
        nn.Linear(CODE, two * (SIZE // 4) ** 2), nn.ReLU(), nn.Unflatten(1, (two, SIZE // 4, SIZE // 4)),
        nn.ConvTranspose2d(two, one, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(one, 1, 4, stride=2, padding=1),
    )  # fmt: skip


def normaliser(normalised: bool) -> nn.Module:
    """Return what brings each number of one modality's encoding to mean 0 and variance 1, or leaves it as it is."""
    from torch import nn

    return nn.BatchNorm1d(CODE, affine=False, momentum=0.05) if normalised else nn.Identity()


def shared(*, normalised: bool) -> nn.Module:
    """Return the encoders of all modalities with a linear reader of what they have in common.

    A channel that is 0 everywhere is a modality that is absent. The code is the mean of the encodings of those that are
    there, so the reader is given the same 24 numbers whichever they are.

    Args:
        normalised: Whether encodings are normalised, each number of each modality by itself.

    Returns:
        A module from (n, 3, 24, 24) in [0, 1] to (n, 1) logits; `encodings`, `present` and `code` show the way there.
    """
    import torch
    from torch import nn

    class Shared(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoders = nn.ModuleList(encoder() for _ in range(MODALITIES))
            self.norms = nn.ModuleList(normaliser(normalised) for _ in range(MODALITIES))
            self.reader = nn.Linear(CODE, 1)

        def encodings(self, images: Tensor) -> Tensor:
            parts = zip(self.encoders, self.norms, range(MODALITIES), strict=True)
            return torch.stack([norm(encode(images[:, m : m + 1])) for encode, norm, m in parts])

        @staticmethod
        def present(images: Tensor) -> Tensor:
            return (images > 0).flatten(2).any(dim=2).T.to(images.dtype)[:, :, None]

        @staticmethod
        def mean_of(encodings: Tensor, present: Tensor) -> Tensor:
            return (encodings * present).sum(dim=0) / present.sum(dim=0).clamp_min(1.0)

        def code(self, images: Tensor) -> Tensor:
            return self.mean_of(self.encodings(images), self.present(images))

        def forward(self, images: Tensor) -> Any:
            return self.reader(self.code(images))

    return Shared()


def invariant() -> nn.Module:
    """Return the architecture with normalised encodings; see `shared`."""
    return shared(normalised=True)


def naive() -> nn.Module:
    """Return the architecture without; see `shared`."""
    return shared(normalised=False)
