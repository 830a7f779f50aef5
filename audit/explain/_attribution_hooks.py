"""Methods that look into layers, by captum on a copy of the network, each held against a second way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core.clock import passed
from audit.explain._attribution_copies import hookable_copy, plain_copy
from audit.explain._attribution_gradients import excess, refusal_of_sum
from audit.explain._attribution_guided import guided_gradient
from audit.explain._attribution_pools import rescaled_pools
from audit.explain._attribution_setup import (
    CHECKED,
    REFUSALS,
    Part,
    Setup,
    affordable,
    array,
    captum,
    distance,
    told,
)
from audit.explain._layers import layer_of
from audit.explain._methods import DEEP_LIFT, GRAD_CAM, GRAD_CAM_SIGNED, GUIDED_BACKPROP
from audit.models._pipeline import tile_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 0.01
"""Largest median distance of DeepLIFT's sum: it follows its rule at every layer, or misses one."""
AGREE = 1e-3
"""Largest distance of captum's map from the second way, relative to the map's largest value."""


def hook_maps(setup: Setup, methods: Sequence[str], layer: str | None) -> Part:
    """Return maps of DeepLIFT, guided backpropagation and Grad-CAM, channels summed up.

    DeepLIFT follows the rescale rule (Shrikumar 2017) from the baseline to the image and must add up to the change of
    the output. Guided backpropagation (Springenberg 2015) must equal the same rule applied to every ReLU that runs,
    however it is called. Grad-CAM (Selvaraju 2017) weights the layer's channels with their mean gradient, enlarged
    linearly to the image: `grad_cam` without what speaks against the decision, as in the paper, `grad_cam_signed` with
    it; it must equal the same sum from gradients taken without captum. A volume that is answered in tiles is explained
    tile by tile.

    Args:
        setup: Model, images, baseline and what is explained.
        methods: Of `BY_HOOK`.
        layer: Declared layer for Grad-CAM.
    """
    if not methods:
        return Part(values={})
    values: dict[str, NDArray[np.float64]] = {}
    refused: dict[str, str] = {}
    completeness: dict[str, NDArray[np.float64]] = {}
    name = ""
    if {DEEP_LIFT, GUIDED_BACKPROP} & set(methods):
        first = _one_tile(setup, setup.tensor(setup.images[:CHECKED]))
        ways, used = {DEEP_LIFT: _deep_lift, GUIDED_BACKPROP: _guided}, None
        for method in [m for m in ways if m in methods]:
            twin, reason = hookable_copy(setup.model.module, first, used)
            if twin is None:
                refused[method] = reason
                continue
            found, why, gaps = _tried(partial(ways[method], setup, twin))
            # What could not be computed may have left hooks behind.
            used = None if found is None else twin
            if found is None:
                refused[method] = why
            else:
                values[method] = found
            if gaps is not None:
                completeness[method] = gaps
    cams = [m for m in (GRAD_CAM, GRAD_CAM_SIGNED) if m in methods]
    if cams:
        found, why, _ = _tried(lambda: _grad_cam(setup, layer))
        for method in cams:
            if found is None:
                refused[method] = why
            else:
                values[method] = found[int(method == GRAD_CAM_SIGNED)]
        name = why if found is not None else ""
    return Part(values=values, refused=refused, completeness=completeness, layer=name)


_Found = tuple[Any, str, Any]


def _tried(way: Callable[[], _Found]) -> _Found:
    try:
        with warnings.catch_warnings():
            # captum announces that it sets hooks; they are on a copy.
            warnings.simplefilter("ignore")
            return way()
    except REFUSALS as error:
        return None, f"it cannot be computed on this network: {told(error)}", None


def _one_tile(setup: Setup, images: Any) -> Any:
    tile = setup.model.card.input.tile
    return images if tile is None else images[(slice(0, 1), slice(None), *(slice(0, t) for t in tile))]


@cache
def _weighed_class() -> type[Any]:
    import torch

    class Weighed(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """Prepared images to one number a case: the explained logit, or outputs weighed as the logit weighs them."""

        def __init__(self, pipeline: Any, setup: Setup, *, tiled: bool) -> None:
            super().__init__()
            self.pipeline, self.setup, self.tiled = pipeline, setup, tiled
            self.training = False

        def forward(self, x: Any, *given: Any) -> Any:
            # What enters behind the preparation goes past the hooks that a clock has on the whole.
            with passed(len(x)):
                raw = self.pipeline.answer(x) if hasattr(self.pipeline, "answer") else self.pipeline(x)
            if self.tiled:
                return (raw * given[0]).flatten(1).sum(dim=1)
            return self.setup.explained.logit(raw, *given)

    return Weighed


class _Pieces:
    """The images of a run as the network itself receives them: whole, or tile by tile."""

    def __init__(self, setup: Setup, pipeline: Any) -> None:
        tile = setup.model.card.input.tile
        self.setup, self.pipeline, self.tile = setup, pipeline, tile
        self.net = _weighed_class()(pipeline, setup, tiled=tile is not None)

    def prepared(self, images: Any) -> Any:
        """Return images after window, range and normalisation."""
        return self.pipeline.prepare(images.float()) if hasattr(self.pipeline, "prepare") else images

    def each(self) -> Iterator[tuple[slice, tuple[slice, ...], Any, Any, tuple[Any, ...]]]:
        """Yield rows, place, prepared images, prepared baselines, and what the network is asked beside them."""
        if self.tile is None:
            size = affordable(self.setup.model, self.setup.tensor(self.setup.images[:1]), self.setup.batch)
            # DeepLIFT runs image and baseline at once and keeps inputs and outputs of every layer.
            for rows, x, start, given in self.setup.chunks(max(1, size // 4)):
                yield rows, (), self.prepared(x), self.prepared(start), given
            return
        for rows, x, start, given in self.setup.chunks(1):
            yield from self._tiles(rows, x, start, given)

    def _tiles(
        self, rows: slice, x: Any, start: Any, given: tuple[Any, ...]
    ) -> Iterator[tuple[slice, tuple[slice, ...], Any, Any, tuple[Any, ...]]]:
        import torch

        tile: tuple[int, ...] = self.tile or ()
        if any(s < t for s, t in zip(x.shape[2:], tile, strict=True)):
            raise ValueError("volumes that are smaller than a tile are not explained layer by layer")
        with torch.no_grad():
            raw = self.setup.model.forward(x)
        leaf = raw.detach().clone().requires_grad_()
        (weights,) = torch.autograd.grad(self.setup.explained.logit(leaf, *given).sum(), leaf)
        places = _places(tuple(x.shape[2:]), tile)
        count = x.new_zeros(x.shape[2:])
        for place in places:
            count[place] += 1
        ready, begin = self.prepared(x), self.prepared(start)
        for place in places:
            own = weights[(..., *place)] / count[place] if weights.ndim > 2 else weights / len(places)
            yield rows, place, ready[(..., *place)], begin[(..., *place)], (own,)


def _places(shape: tuple[int, ...], tile: tuple[int, ...]) -> list[tuple[slice, ...]]:
    corners = product(*(tile_starts(s, t) for s, t in zip(shape, tile, strict=True)))
    return [tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True)) for corner in corners]


def _put(out: NDArray[np.float64], rows: slice, place: tuple[slice, ...], values: NDArray[np.float64]) -> None:
    out[(rows, *place)] += values


def _deep_lift(setup: Setup, twin: Any) -> _Found:
    import torch

    pieces = _Pieces(setup, twin)
    method = captum().DeepLift(pieces.net)
    out = np.zeros((len(setup.images), *setup.images.shape[2:]))
    change, size = np.zeros(len(out)), np.zeros(len(out))
    for rows, place, x, start, given in pieces.each():
        with rescaled_pools(twin):
            found = array(method.attribute(x.detach().requires_grad_(), baselines=start, additional_forward_args=given))
        _put(out, rows, place, found.sum(axis=1))
        size[rows] += np.abs(found).reshape(len(found), -1).sum(axis=1)
    forward = setup.model.forward
    for rows, x, start, given in setup.chunks(max(1, setup.batch)):
        with torch.no_grad():
            logit = setup.explained.logit
            change[rows] = array(logit(forward(x), *given) - logit(forward(start), *given))
    total = out.reshape(len(out), -1).sum(axis=1)
    reason = refusal_of_sum(excess(total, change, size), EXACT)
    return (None if reason else out), reason, distance(total, change)


def _guided(setup: Setup, twin: Any) -> _Found:
    pieces = _Pieces(setup, twin)
    method = captum().GuidedBackprop(pieces.net)
    # The second way runs the network as it is, so that what the rewriting got wrong shows.
    plain = _Pieces(setup, plain_copy(setup.model.module)) if setup.checks else None
    out = np.zeros((len(setup.images), *setup.images.shape[2:]))
    scale = _slopes(setup, pieces)
    for rows, place, x, _, given in pieces.each():
        found = method.attribute(x.detach().requires_grad_(), additional_forward_args=given)
        if plain is not None and rows.start == 0:
            second, relus = guided_gradient(plain.net, x[:CHECKED], tuple(t[:CHECKED] for t in given))
            if not relus:
                return None, "the network has no ReLU, and without one it is the plain gradient", None
            if not _close(array(found[:CHECKED]), array(second)):
                return None, "captum's hooks miss a ReLU that the network runs, or see one more than once", None
        _put(out, rows, place, array(found * scale).sum(axis=1))
    return out, "", None


def _slopes(setup: Setup, pieces: _Pieces) -> Any:
    """Return what a stored intensity is multiplied with, channel by channel, on its way into the network."""
    spec, x = setup.model.card.input, setup.tensor(setup.images[:1])
    low, high = spec.window or spec.range
    ends = [pieces.prepared(x * 0 + v) for v in (low, high)]
    return ((ends[1] - ends[0]) / (high - low))[(slice(None), slice(None), *(slice(0, 1) for _ in x.shape[2:]))]


def _grad_cam(setup: Setup, declared: str | None) -> _Found:
    import torch
    from torch.nn import functional

    twin = plain_copy(setup.model.module)
    pieces = _Pieces(setup, twin)
    name, reason = layer_of(twin, setup.model.card, _one_tile(setup, setup.tensor(setup.images[:1])), declared)
    if not name:
        return None, reason, None
    layer = twin.get_submodule(name)
    method = captum().LayerGradCam(pieces.net, layer)
    mode = "bilinear" if setup.images.ndim == 4 else "trilinear"
    out = np.zeros((2, len(setup.images), *setup.images.shape[2:]))
    for rows, place, x, _, given in pieces.each():
        cam = method.attribute(x.detach().requires_grad_(), additional_forward_args=given, relu_attributions=False)
        if setup.checks and rows.start == 0:
            second = _cam_again(pieces.net, layer, x[:CHECKED], tuple(t[:CHECKED] for t in given))
            if not _close(array(cam[:CHECKED]), array(second)):
                return None, f"captum's hooks on the layer {name!r} do not see what the network computes there", None
        with torch.no_grad():
            for kind, small in ((0, functional.relu(cam)), (1, cam)):
                large = functional.interpolate(small, size=tuple(x.shape[2:]), mode=mode, align_corners=False)
                _put(out[kind], rows, place, array(large)[:, 0])
    return out, name.removeprefix("net."), None


def _cam_again(net: Any, layer: Any, x: Any, given: tuple[Any, ...]) -> Any:
    """Return Grad-CAM's sum with the gradient taken at a zero that is added to the layer's output."""
    import torch

    seen: dict[str, Any] = {}

    def add(_: Any, __: Any, output: Any) -> Any:
        seen["activation"] = output.detach().clone()
        seen["added"] = torch.zeros_like(output).requires_grad_()
        return output + seen["added"]

    handle = layer.register_forward_hook(add)
    try:
        said = net(x.detach().requires_grad_(), *given)
        (gradient,) = torch.autograd.grad(said.sum(), seen["added"])
    finally:
        handle.remove()
    weights = gradient.mean(dim=tuple(range(2, gradient.ndim)), keepdim=True)
    return (weights * seen["activation"]).sum(dim=1, keepdim=True)


def _close(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= AGREE * max(np.abs(other).max(), 1e-30))
