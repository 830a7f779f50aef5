"""Training of a twin: label and lesion map together, part of each batch under a one-step attack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.reference._net import MAP_LAYERS, WIDTHS, lesion_net
from audit.reference._recipe import TRAINING, VALIDATION, Recipe, Twin
from audit.reference._writing import even_threshold
from audit.reference.phantoms import STORED_MAXIMUM, BrainSlices, Composition

if TYPE_CHECKING:
    from torch import Tensor, nn

_ORDER_STREAM = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained twin.

    Attributes:
        net: In evaluation mode, calibrated.
        operating_point: Threshold on the probability scale.
        sensitivity: At the operating point, on the validation planes.
        specificity: At the operating point, on the validation planes.
    """

    net: nn.Module
    operating_point: float
    sensitivity: float
    specificity: float


def slices(composition: Composition, *, n: int, seed: int, part: int, recipe: Recipe) -> BrainSlices:
    """Return the planes of one part of one seed.

    Args:
        composition: Shares of sex and protocol given the label.
        n: Number of planes, half of either label.
        seed: The twin's seed.
        part: `TRAINING`, `VALIDATION` or `AUDIT`.
        recipe: For the phantom's settings.
    """
    order = np.random.default_rng([seed, part, _ORDER_STREAM])
    return BrainSlices(composition.cases(n // 2, order), seed=(seed, part), knobs=recipe.knobs)


def train(twin: Twin, *, seed: int, recipe: Recipe) -> Trained:
    """Train a twin; the same seed gives the same weights on the same machine.

    Args:
        twin: Which one.
        seed: Of planes, initial weights, order and attacks.
        recipe: Shared by all twins.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = _fit(twin, seed=seed, recipe=recipe)
        return _calibrated(net, twin, seed=seed, recipe=recipe)
    finally:
        torch.set_num_threads(threads)


def _fit(twin: Twin, *, seed: int, recipe: Recipe) -> nn.Module:
    import torch
    from torch.nn import functional

    images, masks, labels = _tensors(
        slices(twin.composition, n=recipe.n_training, seed=seed, part=TRAINING, recipe=recipe)
    )
    # Channels last is a quarter faster on a CPU.
    net = lesion_net().to(memory_format=torch.channels_last)
    pointer = torch.nn.Conv2d(WIDTHS[2], 1, 1)
    # A pixel is seldom lesion; starting there spares the first epoch.
    torch.nn.init.constant_(pointer.bias, -4.0)
    stem, head = net[:MAP_LAYERS], net[MAP_LAYERS:]
    weights = [*net.parameters(), *pointer.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps, pct_start=0.25)
    positive = torch.tensor(recipe.lesion_positive_weight)
    generator = torch.Generator().manual_seed(seed)
    for step, index in enumerate(_batches(len(labels), recipe, generator)):
        flip = (torch.rand(len(index), generator=generator) < 0.5)[:, None, None, None]
        batch, mask = (torch.where(flip, part.flip(3), part) for part in (images[index], masks[index]))
        target = labels[index][:, None]
        size = _attack_size(step / steps, recipe) if twin.defended else 0.0
        if size > 0:
            attacked = int(recipe.attacked_share * len(index))
            first = _attack(net, batch[:attacked], target[:attacked], size, generator)
            batch = torch.cat([first, batch[attacked:]])
        features = stem(batch.contiguous(memory_format=torch.channels_last))
        pointed = functional.binary_cross_entropy_with_logits(pointer(features), mask, pos_weight=positive)
        loss = functional.binary_cross_entropy_with_logits(head(features), target) + recipe.lesion_weight * pointed
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval().to(memory_format=torch.contiguous_format)


def _tensors(planes: BrainSlices) -> tuple[Tensor, Tensor, Tensor]:
    """Images in [0, 1], lesion masks at half resolution, labels."""
    import torch

    rendered = [planes.plane(index) for index in range(len(planes))]
    images = torch.from_numpy(_unit([plane.image for plane in rendered]))
    masks = torch.from_numpy(np.stack([plane.lesions for plane in rendered])[:, None].astype(np.float32))
    labels = torch.tensor([float(case.label) for case in planes.cases])
    return images, torch.nn.functional.max_pool2d(masks, 2), labels


def _unit(images: list[NDArray[np.uint16]]) -> NDArray[np.float32]:
    return np.stack(images)[:, None].astype(np.float32) / np.float32(STORED_MAXIMUM)


def _batches(n: int, recipe: Recipe, generator: Any) -> Iterator[Tensor]:
    import torch

    for _ in range(recipe.epochs):
        order = torch.randperm(n, generator=generator)
        for batch in range(n // recipe.batch):
            yield order[batch * recipe.batch : (batch + 1) * recipe.batch]


def _attack_size(done: float, recipe: Recipe) -> float:
    """Size of the attack after this share of the steps: none, then rising, then full."""
    rise = (done - recipe.clean_until) / (recipe.full_from - recipe.clean_until)
    return recipe.epsilon * min(1.0, max(0.0, rise))


def _attack(net: nn.Module, images: Tensor, target: Tensor, epsilon: float, generator: Any) -> Tensor:
    """One signed gradient step from a random start (Wong et al., Fast is better than free, ICLR 2020)."""
    import torch
    from torch.nn import functional

    # What brain extraction has blanked stays blank.
    size = epsilon * (images > 0)
    change = (torch.rand(images.shape, generator=generator) * 2 - 1) * size
    start = (images + change).contiguous(memory_format=torch.channels_last).requires_grad_(True)
    loss = functional.binary_cross_entropy_with_logits(net(start), target)
    (gradient,) = torch.autograd.grad(loss, start)
    return images + (change + 1.25 * size * gradient.sign()).clamp(min=-size, max=size)


def _calibrated(net: nn.Module, twin: Twin, *, seed: int, recipe: Recipe) -> Trained:
    """Fold a logistic recalibration into the last layer and set the operating point, both on validation planes."""
    import torch
    from sklearn.linear_model import LogisticRegression

    planes = slices(twin.composition, n=recipe.n_validation, seed=seed, part=VALIDATION, recipe=recipe)
    labels = np.array([case.label for case in planes.cases])
    scores = _logits(net, planes)
    fitted = LogisticRegression(C=1e9).fit(scores[:, None], labels)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    with torch.no_grad():
        net[-1].weight.mul_(slope)
        net[-1].bias.mul_(slope).add_(offset)
    scores = _logits(net, planes)
    threshold = even_threshold(scores, labels)
    return Trained(
        net=net,
        operating_point=round(1.0 / (1.0 + float(np.exp(-threshold))), 4),
        sensitivity=float((scores[labels == 1] >= threshold).mean()),
        specificity=float((scores[labels == 0] < threshold).mean()),
    )


def _logits(net: nn.Module, planes: BrainSlices, batch: int = 250) -> NDArray[np.float64]:
    import torch

    parts = []
    with torch.no_grad():
        for start in range(0, len(planes), batch):
            images = [planes.plane(index).image for index in range(start, min(start + batch, len(planes)))]
            parts.append(net(torch.from_numpy(_unit(images)))[:, 0].double().numpy())
    return np.concatenate(parts)
