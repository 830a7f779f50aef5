"""The audited network with its weights drawn again, from the output down, on a copy of its own."""

from __future__ import annotations

import copy
import hashlib
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel, ModelCard, NotApplicable
from audit.explain._attribution_setup import REFUSALS, slope
from audit.explain._controls import redraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_WEIGHTS = "the network has no weights that could be drawn again"
NO_COPY = "the network cannot be copied, so its weights cannot be drawn again"
_LIGHT = 2**20
"""Weights up to which channels last pay: those of heavier networks are put in order anew at every call."""
_SAME = 1e-4
_LAYOUTS: weakref.WeakKeyDictionary[Any, dict[tuple[int, ...], Any]] = weakref.WeakKeyDictionary()
"""Layout of the copies of a network, by the shape of its images; found once, since no weight changes it."""


@dataclass(kw_only=True, eq=False)
class Redrawn:
    """A copy of a network of which some layers were drawn again; the audited module is never touched.

    Args:
        of: The card of the audited model.
        module: The copy, from stored intensities to raw outputs.
        layers: Names of its modules that hold weights, the one nearest to the output first.
        rng: Draws the weights.
    """

    of: ModelCard
    module: Any
    layers: tuple[str, ...]
    rng: np.random.Generator

    @property
    def card(self) -> ModelCard:
        """The card of the audited model under the digest of the copy."""
        return replace(self.of, digest=self.state_digest())

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a tensor; see `audit.core.DifferentiableModel.forward`."""
        return self.module(images)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs; see `audit.core.ImagingModel.predict`."""
        import torch

        with torch.no_grad():
            answer: NDArray[np.float64] = self.module(torch.from_numpy(np.array(images, np.float32))).double().numpy()
        return answer

    def state_digest(self) -> str:
        """Return the digest of the copy's weights as they are in memory now."""
        known = hashlib.sha256()
        for name, value in self.module.state_dict().items():
            known.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return known.hexdigest()

    def draw(self, names: Sequence[str]) -> None:
        """Draw the weights of some layers again, in place.

        The rule is that of `audit.explain.untrained`.

        Args:
            names: Of `layers`.
        """
        import torch

        modules = dict(self.module.named_modules())
        with torch.no_grad():
            for name in names:
                redraw(modules[name], self.rng)


def redrawn(
    model: DifferentiableModel, rng: np.random.Generator, *, image: NDArray[np.float32] | None = None
) -> Redrawn:
    """Return a copy of a network whose layers can be drawn again, one after the other; none is yet.

    Args:
        model: The audited model; its module is copied and left as it is.
        rng: Draws the weights.
        image: (1, channels, *spatial) an image that shows the order in which layers are called; by default that in
            which they were declared. With it, weights lie channels last where answers and gradients stay the same.

    Raises:
        NotApplicable: The network has no weights, or cannot be copied.
    """
    try:
        module = copy.deepcopy(model.module)
    except (RuntimeError, TypeError, NotImplementedError, AttributeError) as error:
        raise NotApplicable(NO_COPY) from error
    layers = _layers(module, image)
    if not layers:
        raise NotApplicable(NO_WEIGHTS)
    # The gradient of a volume that is answered in tiles would not fit.
    layout = None if image is None or model.card.input.tile is not None else _layout(model.module, image)
    if layout is not None:
        module = module.to(memory_format=layout)
    return Redrawn(of=model.card, module=module, layers=layers, rng=rng)


def cascade(layers: Sequence[str], most: int) -> tuple[tuple[str, ...], ...]:
    """Return the layers in steps from the output down; the first step is the last layer alone.

    Args:
        layers: Names, the one nearest to the output first.
        most: Steps at most, at least 2.
    """
    ends = np.unique(np.round(np.linspace(1, len(layers), min(most, len(layers)))).astype(int))
    starts = [0, *ends[:-1]]
    return tuple(tuple(layers[a:b]) for a, b in zip(starts, ends, strict=True))


def _layout(module: Any, image: NDArray[np.float32]) -> Any:
    """Return the layout in which copies answer as a network does, and faster; None for that which they have."""
    known = _LAYOUTS.setdefault(module, {})
    if image.shape not in known:
        known[image.shape] = _checked_layout(module, image)
    return known[image.shape]


def _checked_layout(module: Any, image: NDArray[np.float32]) -> Any:
    import torch

    kinds = {4: torch.channels_last, 5: torch.channels_last_3d}
    if image.ndim not in kinds or sum(p.numel() for p in module.parameters()) > _LIGHT:
        return None
    x = torch.from_numpy(np.array(image, np.float32))
    try:
        twin = copy.deepcopy(module).to(memory_format=kinds[image.ndim])
        with torch.no_grad():
            pairs = [(module(x), twin(x))]
        pairs.append((slope(module, x), slope(twin, x)))
    except REFUSALS:
        return None
    agree = all(float((a - b).abs().max()) <= _SAME * max(float(a.abs().max()), 1e-12) for a, b in pairs)
    return kinds[image.ndim] if agree else None


def _layers(module: Any, image: NDArray[np.float32] | None) -> tuple[str, ...]:
    """Return the modules with weights of their own, the last to be called first.

    A module that is never called, such as one whose weights its parent uses, stands where its parent does.
    """
    named = list(module.named_modules())
    holders = [name for name, m in named if any(True for _ in m.parameters(recurse=False))]
    if image is None or not holders:
        return tuple(reversed(holders))
    called = _called(module, named, image)
    place = {name: (called[_caller(name, called)], index) for index, name in enumerate(holders)}
    return tuple(sorted(holders, key=place.__getitem__, reverse=True))


def _called(module: Any, named: list[tuple[str, Any]], image: NDArray[np.float32]) -> dict[str, int]:
    """Return the place of each module in the order of first calls; the whole comes first."""
    import torch

    order: dict[str, int] = {}

    def note(name: str) -> Any:
        def called(*_: Any) -> None:
            order.setdefault(name, len(order))

        return called

    hooks = []
    for name, m in named:
        try:
            hooks.append(m.register_forward_pre_hook(note(name)))
        except RuntimeError:
            # Compiled modules take no hooks; they stand where their parent does.
            continue
    try:
        with torch.no_grad():
            module(torch.from_numpy(np.array(image, np.float32)))
    finally:
        for hook in hooks:
            hook.remove()
    order.setdefault("", -1)
    return order


def _caller(name: str, called: dict[str, int]) -> str:
    while name not in called:
        name = name.rpartition(".")[0]
    return name


def draws(count: int, groups: int) -> Iterator[slice]:
    """Yield consecutive runs of cases, each with weights of its own.

    Args:
        count: Cases.
        groups: Runs at most; each has at least two cases, so that every case has another to be compared with.
    """
    made = max(1, min(groups, count // 2))
    edges = np.round(np.linspace(0, count, made + 1)).astype(int)
    for start, end in pairwise(edges):
        yield slice(int(start), int(end))
