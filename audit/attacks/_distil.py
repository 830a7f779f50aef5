"""A surrogate made from a model's answers alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ImagingModel, ModelCard, NotApplicable, OutputKind
from audit.core.clock import passed, timed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Load = Callable[[NDArray[np.int64]], NDArray[np.float32]]

DISTILLED: tuple[str, ...] = ("binary", "multiclass", "multilabel", "ordinal", "regression")
"""Tasks whose answers a small network can be taught."""
_WIDTHS = (16, 32, 32)
_RATE = 3e-3
_FEWEST = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Student:
    """A small network with the card of the model that taught it; answers are logits, or values for regression.

    Args:
        card: The teacher's card, with what the student's answers are.
        module: The network, from stored intensities to raw outputs.
    """

    card: ModelCard
    module: Any

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a tensor, differentiable in `images`."""
        with passed(len(images)):
            return self.module(images)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`."""
        import torch

        with torch.no_grad(), passed(len(images)):
            out: NDArray[np.float64] = self.module(torch.as_tensor(images, dtype=torch.float32)).double().numpy()
        return out

    def state_digest(self) -> str:
        """Return the digest of the weights."""
        hashed = hashlib.sha256()
        for tensor in self.module.state_dict().values():
            hashed.update(tensor.numpy().tobytes())
        return hashed.hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the network as arrays, from which `of` makes it again."""
        first, last = self.module[1].weight, self.module[-1].weight
        return {
            "shape": np.array([first.shape[1], first.ndim - 2, last.shape[0]]),
            "standard": np.array([self.module[0].centre, self.module[0].spread]),
            **{f"weight {name}": tensor.numpy() for name, tensor in self.module.state_dict().items()},
        }

    @classmethod
    def of(cls, teacher: ModelCard, arrays: Mapping[str, NDArray[Any]]) -> Student:
        """Return the network that `arrays` told of.

        Args:
            teacher: The card of the model that taught it.
            arrays: As `arrays` gave them.
        """
        import torch

        channels, dimensions, outputs = (int(v) for v in arrays["shape"])
        centre, spread = (float(v) for v in arrays["standard"])
        net = _network(channels, dimensions, outputs, centre, spread)
        weights = {k.removeprefix("weight "): torch.as_tensor(v) for k, v in arrays.items() if k.startswith("weight ")}
        net.load_state_dict(weights)
        for parameter in net.parameters():
            parameter.requires_grad_(False)
        return cls(card=_card(teacher), module=net.eval())


def distil(
    model: ImagingModel, rows: NDArray[np.int64], load: Load, *, passes: int, batch: int, rng: np.random.Generator
) -> Student:
    """Return a small network taught to answer as a model does, from queries alone.

    The images are asked about as they are and with a little noise; the network learns the answers on the logit scale,
    each output standardised, so that a confident teacher teaches as well as a hesitant one.

    Args:
        model: The teacher, asked for answers alone.
        rows: (n,) cases to ask about; none of them may be attacked.
        load: From rows to (m, channels, *spatial) stored intensities.
        passes: Times that all of them are gone through.
        batch: Images a batch.
        rng: First weights, order of the cases and noise.

    Raises:
        NotApplicable: The task's answers cannot be taught, or there are too few cases.

    References:
        Papernot et al. 2017, Practical black-box attacks against machine learning, AsiaCCS.
    """
    import torch

    if model.card.task not in DISTILLED:
        raise NotApplicable(f"no surrogate is declared, and none can be distilled for the task {model.card.task}")
    if rows.size < _FEWEST:
        raise NotApplicable(f"no surrogate is declared, and {rows.size} cases are too few to distil one")
    first = load(rows[:batch])
    centre, spread = float(first.mean()), float(first.std()) or 1.0
    answers = np.concatenate([_taught(model, load(part)) for part in _parts(rows, batch)])
    mean, sd = answers.mean(axis=0), answers.std(axis=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        net = _network(first.shape[1], first.ndim - 2, answers.shape[1], centre, spread)
    usual = torch.as_tensor(np.where(sd > 0, sd, 1.0), dtype=torch.float32)
    middle = torch.as_tensor(mean, dtype=torch.float32)
    with timed("training"):
        # The first one of a process brings in a compiler, which takes longer than the training of a small network.
        optimiser = torch.optim.Adam(net.parameters(), lr=_RATE)
    for _ in range(passes):
        for part in _parts(rng.permutation(rows.size), batch):
            x = load(rows[part])
            wanted = answers[part]
            if rng.random() < 0.5:
                x = (x + rng.normal(0, 0.05 * spread, x.shape)).astype(np.float32)
                wanted = _taught(model, x)
            with timed("training"):
                said = net(torch.as_tensor(x))
                loss = ((said - (torch.as_tensor(wanted, dtype=torch.float32) - middle) / usual) ** 2).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    scaled = _rescaled(net, usual, middle)
    return Student(card=_card(model.card), module=scaled)


def _card(teacher: ModelCard) -> ModelCard:
    output: OutputKind = "value" if teacher.output == "value" else "logits"
    name = f"{teacher.name}, distilled"
    return replace(teacher, name=name, kind="torch", access=Access.GRADIENT, output=output, digest="")


def _parts(rows: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    return [rows[i : i + batch] for i in range(0, rows.size, batch)]


def _taught(model: ImagingModel, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (m, k) answers on the scale that is learnt."""
    raw = model.predict(images)
    if model.card.output != "probabilities":
        return raw
    inside = np.clip(raw, 1e-6, 1 - 1e-6)
    several = raw.shape[1] > 1 and model.card.task != "multilabel"
    return np.log(inside) if several else np.log(inside) - np.log1p(-inside)


def _network(channels: int, dimensions: int, outputs: int, centre: float, spread: float) -> Any:
    """Return a few convolutions with strides, pooled over a coarse grid so that places are told apart."""
    from torch import nn

    conv = nn.Conv2d if dimensions == 2 else nn.Conv3d
    pool = nn.AdaptiveAvgPool2d if dimensions == 2 else nn.AdaptiveAvgPool3d
    layers: list[Any] = [_standard(centre, spread)]
    for number, width in enumerate(_WIDTHS):
        layers += [conv(channels, width, 3, stride=2 if number < 2 else 1, padding=1), nn.SiLU()]
        channels = width
    return nn.Sequential(*layers, pool(4), nn.Flatten(), nn.Linear(channels * 4**dimensions, outputs)).eval()


def _standard(centre: float, spread: float) -> Any:
    """Return the layer that brings images to mean 0 and SD 1."""
    from torch import nn

    class Standard(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.centre, self.spread = centre, spread

        def forward(self, x: Any) -> Any:
            return (x - self.centre) / self.spread

    return Standard()


def _rescaled(net: Any, scale: Any, middle: Any) -> Any:
    """Return the network with its last layer on the teacher's scale."""
    import torch

    last = net[-1]
    with torch.no_grad():
        last.weight.mul_(scale[:, None])
        last.bias.mul_(scale).add_(middle)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return net.eval()
