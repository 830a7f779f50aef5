"""Gradients from a faster copy of the model; answers are never taken from it.

`fast_forward(model, objective, images, target, meter)` returns a function from images to raw outputs: that of a copy
whose batch normalisation is folded into its convolutions, whose weights lie channels last, and which computes in
bfloat16 where the hardware does, or the model's own `forward`. Which one it is follows from the network and the
hardware, never from a clock, and is checked on images at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit.attacks._gradient import slopes
from audit.attacks._objectives import Objective
from audit.attacks._outcome import Meter
from audit.attacks._refusals import REFUSALS
from audit.core import DifferentiableModel
from audit.models import bfloat16_pays, has_convolutions, in_parts
from audit.models import held_copy as _copy

Forward = Callable[[Any], Any]
CHECKED = 8
"""Images on which a copy is compared with the model."""
_SAME = 1e-4
_PARALLEL = 0.9


def fast_forward(model: DifferentiableModel, objective: Objective, images: Any, target: Any, meter: Meter) -> Forward:
    """Return the fastest forward that gives the model's own gradients.

    In float32 the copy's outputs must agree with the model's to 1e-4 of their size, in bfloat16 its gradients must
    point the same way (median cosine of at least 0.9). Bfloat16 is left alone where outputs are probabilities or
    values, whose last digits it would lose.

    Args:
        model: The model under attack.
        objective: The margin to lower.
        images: (m, channels, *spatial) images at hand.
        target: (m, ...) their targets.
        meter: Where the cost of the check is counted.
    """
    import torch

    if not has_convolutions(model.module):
        return model.forward
    images, target = images[:CHECKED], target[:CHECKED]
    same = _few(model, _copy(model.module, None))
    if same is None or not _agrees(model, same, images, meter):
        return model.forward
    logits = model.card.output in ("logits", "mask_logits")
    if logits and bfloat16_pays(images.device):
        low = _few(model, _copy(model.module, torch.bfloat16))
        if low is not None and _points_the_same_way(same, low, objective, images, target, meter):
            return low
    return same


def _few(model: DifferentiableModel, copied: Forward | None) -> Forward | None:
    """Return a copy that keeps to the few images that memory has room for."""
    return None if copied is None else in_parts(copied, model)


def _agrees(model: DifferentiableModel, forward: Forward, images: Any, meter: Meter) -> bool:
    import torch

    meter.forwards += 2 * len(images)
    with torch.no_grad():
        expected = model.forward(images)
        try:
            got = forward(images)
        except REFUSALS:
            return False
    if got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return False
    return bool((got - expected).abs().max() <= _SAME * expected.abs().max().clamp_min(1.0))


def _points_the_same_way(
    exact: Forward, low: Forward, objective: Objective, images: Any, target: Any, meter: Meter
) -> bool:
    import numpy as np
    import torch

    which = np.zeros(len(images), dtype=np.int64)
    meter.gradients += 2 * len(images)
    _, wanted = slopes(exact, (objective,), which, images, target)
    try:
        _, got = slopes(low, (objective,), which, images, target)
    except REFUSALS:
        return False
    cosine = torch.nn.functional.cosine_similarity(got.flatten(1).double(), wanted.flatten(1).double(), dim=1)
    return bool(torch.isfinite(got).all()) and float(cosine.median()) >= _PARALLEL
