"""A phantom of bright lesions with their masks, and networks that read the lesion, or a marker in the corner."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Cohort
from audit.errors import InputError
from audit.testing._cohorts import ArrayImages, attribute, small_cohort
from audit.testing._modules import undrawn
from audit.testing._networks import declared

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (32, 32)
CORNER = 4
"""Side of the marker in the first corner, in pixels."""
RADIUS = 3.0
BLOB_NETWORKS: Mapping[str, str] = {
    "trained": "trained to find the lesion, with in-place ReLUs",
    "reused": "the trained one with a single in-place ReLU for all its layers",
    "reused-untraceable": "the same, with a branch on the values of its input, which no tracer can follow",
    "marker": "reads the marker in the corner and nothing else",
}
_BACKGROUND, _ORGAN, _LESION, _NOISE, _MARKER = 0.3, 0.5, 0.25, 0.02, 0.95
_CASES, _BATCH, _EPOCHS, _SEED = 512, 32, 5, 5


def blob_cohort(
    rng: np.random.Generator, *, n: int = 60, shape: tuple[int, ...] = SHAPE, marked: float = 0.0
) -> Cohort:
    """Return a cohort of phantoms, half of them with one bright round lesion in the organ, each of its own patient.

    Every image has an organ with a soft border, smooth texture, a dark round structure of the lesion's size, and
    noise; the masks hold the lesions. Attribute `sex` is protected and drawn apart from everything.

    Args:
        rng: Draws everything.
        n: Cases.
        shape: Spatial size in pixels of 1 mm, two or three sides of at least 16.
        marked: Share of the positive cases, and of the negative ones the rest of it to 1, that carry a bright square in
            the first corner; 0: none does. 1: exactly the positive ones.
    """
    target = rng.permutation(np.arange(n) % 2)
    images, masks = blobs(target, rng, shape)
    if marked > 0:
        bright = rng.random(n) < np.where(target == 1, marked, 1 - marked)
        for case in np.flatnonzero(bright):
            images[case, 0][(slice(0, CORNER),) * len(shape)] = _MARKER
    sex = np.where(rng.random(n) < 0.5, "female", "male")
    return small_cohort(
        target, images=ArrayImages(array=images), masks=ArrayImages(array=masks[:, None].astype(np.uint8)),
        attributes=[attribute("sex", sex, "protected")],
    )  # fmt: skip


def blobs(
    target: NDArray[Any], rng: np.random.Generator, shape: tuple[int, ...] = SHAPE
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return (n, 1, *shape) images within [0, 1] and the (n, *shape) masks of their lesions.

    Args:
        target: (n,) 1 where there is a lesion.
        rng: Draws everything.
        shape: Spatial size.
    """
    from scipy import ndimage

    places, middle = np.indices(shape).astype(np.float64), [(s - 1) / 2 for s in shape]
    depth = sum(((p - m) / (0.42 * s)) ** 2 for p, m, s in zip(places, middle, shape, strict=True))
    organ = 1 / (1 + np.exp(8 * (depth - 1)))
    inside = np.argwhere(depth < 0.5)
    images = np.empty((len(target), *shape))
    masks = np.zeros(images.shape, dtype=bool)
    for image, mask, positive in zip(images, masks, target, strict=True):
        texture = ndimage.gaussian_filter(rng.normal(size=shape), 3)
        image[:] = _BACKGROUND + (_ORGAN - _BACKGROUND) * organ + 0.02 * texture / texture.std()
        centres = inside[rng.choice(len(inside), size=2, replace=False)]
        while np.linalg.norm(centres[0] - centres[1]) < 2 * RADIUS + 2:
            centres = inside[rng.choice(len(inside), size=2, replace=False)]
        near = [np.sqrt(sum((p - c) ** 2 for p, c in zip(places, centre, strict=True))) <= RADIUS for centre in centres]
        image[near[0]] -= _LESION
        if positive:
            image[near[1]] += _LESION
            mask[near[1]] = True
    images += rng.normal(0, _NOISE, images.shape)
    return np.clip(images, 0, 1)[:, None].astype(np.float32), masks


def blob_network(name: str = "trained") -> Any:
    """Return a network for `blob_cohort` with its preprocessing, as `audit.models` loads one.

    Args:
        name: One of `BLOB_NETWORKS`.

    Returns:
        A new `audit.models.TorchModel` with access to gradients; two of them share nothing. The first one takes about
        two seconds to train, the others of a process reuse its weights.

    Raises:
        InputError: No such network.
        MissingExtraError: torch is not installed.
    """
    if name not in BLOB_NETWORKS:
        raise InputError(f"no planted network {name!r}", expected=f"one of {', '.join(BLOB_NETWORKS)}", got=repr(name))
    with undrawn():
        net = _marker() if name == "marker" else _filled(name)
    return declared(
        net.eval(), SHAPE, task="binary", output="logits", classes=("negative", "positive"), spacing_mm=(1.0, 1.0)
    )


def _filled(name: str) -> Any:
    net = _classes()[name]()
    net.load_state_dict(_weights())
    return net


@cache
def _classes() -> Mapping[str, type[Any]]:
    import torch
    from torch import nn

    class Trained(nn.Module):  # type: ignore[misc, unused-ignore]
        """Three convolutions, a pool and a mean."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 12, 3, padding=1)
            self.third = nn.Conv2d(12, 12, 3, padding=1)
            self.norm = nn.BatchNorm2d(12)
            self.pool, self.mean, self.last = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Linear(12, 1)
            self.bends = nn.ModuleList([nn.ReLU(inplace=True) for _ in range(3)])

        def forward(self, x: Any) -> Any:
            x = self.pool(self.bends[0](self.first(4 * (x - _ORGAN))))
            x = self.bends[1](self.second(x))
            return self.last(self.mean(self.bends[2](self.norm(self.third(x)))).flatten(1))

    class Reused(Trained):
        """The same with one ReLU."""

        def __init__(self) -> None:
            super().__init__()
            self.bends = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.bends(self.first(4 * (x - _ORGAN))))
            x = self.bends(self.second(x))
            return self.last(self.mean(self.bends(self.norm(self.third(x)))).flatten(1))

    class Untraceable(Reused):
        """The same with a branch that always goes one way."""

        def forward(self, x: Any) -> Any:
            if bool(torch.isnan(x).any()):
                raise ValueError("expected numbers, got nan")
            return super().forward(x)

    return {"trained": Trained, "reused": Reused, "reused-untraceable": Untraceable}


@cache
def _weights() -> Mapping[str, Any]:
    """Return the weights after training; drawn from generators of its own, the same at every call."""
    import torch
    from torch import nn

    rng = np.random.default_rng(_SEED)
    target = np.arange(_CASES) % 2
    drawn, _ = blobs(target, rng)
    images, wanted = torch.as_tensor(drawn), torch.as_tensor(target, dtype=torch.float32)[:, None]
    with undrawn():
        torch.manual_seed(_SEED)
        net, loss = _classes()["trained"](), nn.BCEWithLogitsLoss()
    net.train()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for epoch in range(_EPOCHS):
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * (1 - epoch / _EPOCHS)
        for rows in torch.as_tensor(rng.permutation(_CASES)).split(_BATCH):
            optimiser.zero_grad()
            loss(net(images[rows]), wanted[rows]).backward()
            optimiser.step()
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def _marker() -> Any:
    """Return a network whose logit rises with the brightness of the first corner."""
    from torch import nn

    side = SHAPE[0] // CORNER
    net = nn.Sequential(
        nn.Conv2d(1, 1, CORNER, stride=CORNER), nn.ReLU(), nn.Flatten(), nn.Linear(side * side, 1)
    )  # fmt: skip
    net[0].weight.data.fill_(1 / CORNER**2)
    net[0].bias.data.fill_(-_BACKGROUND / 2)
    net[3].weight.data.zero_()
    net[3].weight.data[0, 0] = 12.0
    net[3].bias.data.fill_(-12.0 * ((_MARKER + _BACKGROUND) / 2 - _BACKGROUND / 2))
    return net
