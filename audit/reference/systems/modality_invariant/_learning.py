"""How the shared code is learned: reconstruction of every modality from the code of some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import PairedPatches, PatchKnobs
from audit.reference.systems.modality_invariant.nets import CODE, MODALITIES, decoder, shared

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

TRAINING, VALIDATION, TEST, AUDIT = 0, 1, 2, 3
LESION = 1
_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The three parts of the method, each there or not.

    Attributes:
        similarity: Encodings of one patch by two modalities are drawn together.
        normalised: Each number of each modality's encoding has mean 0 and variance 1.
        dropout: Only a random non-empty subset of the modalities is encoded in a step.
    """

    similarity: bool
    normalised: bool
    dropout: bool


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a code is learned; the same for every combination of parts.

    Attributes:
        patients: Patients that it is learned on, without labels.
        validation: Patients that set slope, intercept and operating point of the reader.
        test: Patients of the figures.
        epochs: Passes through the training patches.
        batch: Patches in a step.
        learning_rate: Peak of the one-cycle schedule.
        alpha: Weight of the similarity term against the squared error of the reconstruction.
        knobs: Of the phantom.
    """

    patients: int = 1000
    validation: int = 400
    test: int = 400
    epochs: int = 8
    batch: int = 64
    learning_rate: float = 4e-3
    alpha: float = 0.005
    knobs: PatchKnobs = field(default_factory=PatchKnobs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All patches of some patients.

    Attributes:
        images: (n, 3, size, size) float32 in [0, 1].
        lesion: (n,) bool, whether a lesion lies in the middle.
        patients: (n,) patient codes.
    """

    images: NDArray[np.float32]
    lesion: NDArray[np.bool_]
    patients: NDArray[np.int64]


def table(seed: int, part: int, settings: Settings) -> Table:
    """Return the patients of one part of one seed, never those of another part."""
    count = (settings.patients, settings.validation, settings.test)[part]
    source = PairedPatches(count, seed=(seed, part), knobs=settings.knobs)
    made = [source.patient(i) for i in range(count)]
    images = np.concatenate([m.images for m in made]).astype(np.float32) / np.float32(4095)
    middle = np.concatenate([m.middle for m in made])
    return Table(images=images, lesion=middle == LESION, patients=np.repeat(np.arange(count), settings.knobs.patches))


def learn(parts: Parts, given: Table, *, seed: int, settings: Settings) -> nn.Module:
    """Learn a code without labels; the reader is left as it was drawn.

    The loss is the squared error of every modality, reconstructed from the mean encoding of those that were kept, plus
    `alpha` times the squared distance of the encodings of one patch, averaged over pairs of modalities.

    Args:
        parts: Which of the three parts of the method are there.
        given: Training patches; labels are not looked at.
        seed: Of initial weights, order and dropped modalities.
        settings: Shared by all.

    Returns:
        The network in evaluation mode.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _learn(parts, given, settings)
    finally:
        torch.set_num_threads(threads)


def _learn(parts: Parts, given: Table, settings: Settings) -> nn.Module:
    import torch
    from torch import nn

    net: Any = shared(normalised=parts.normalised)
    decoders = nn.ModuleList(decoder() for _ in range(MODALITIES))
    images = torch.from_numpy(given.images)
    steps = settings.epochs * (len(images) // settings.batch)
    weights = [*net.parameters(), *decoders.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.learning_rate, total_steps=steps)
    for _ in range(settings.epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images) - settings.batch + 1, settings.batch):
            batch = images[order[start : start + settings.batch]]
            encodings = net.encodings(batch)
            kept = _kept(len(batch)) if parts.dropout else torch.ones(MODALITIES, len(batch), 1)
            code = net.mean_of(encodings, kept)
            made = torch.cat([decode(code) for decode in decoders], dim=1)
            loss = (made - batch).square().mean() * MODALITIES
            if parts.similarity:
                loss = loss + settings.alpha * _distance(encodings)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    trained: nn.Module = net.eval()
    return trained


def _kept(count: int) -> Tensor:
    """Return (modalities, count, 1): for each patch one of the non-empty subsets, all equally likely."""
    import torch

    subset = torch.randint(1, 2**MODALITIES, (count,))
    return torch.stack([(subset >> m) % 2 for m in range(MODALITIES)])[:, :, None].float()


def _distance(encodings: Tensor) -> Tensor:
    """Return the squared distance of two modalities' encodings, a number of the code, averaged over pairs."""
    import torch

    pairs = torch.combinations(torch.arange(MODALITIES))
    return (encodings[pairs[:, 0]] - encodings[pairs[:, 1]]).square().mean()


def without(images: NDArray[np.float32], kept: tuple[int, ...]) -> NDArray[np.float32]:
    """Return images of which only some modalities are there."""
    out = np.zeros_like(images)
    out[:, list(kept)] = images[:, list(kept)]
    return out


def codes(net: Any, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n, code) codes of images in [0, 1]."""
    import torch

    with torch.inference_mode():
        parts = [net.code(torch.from_numpy(images[i : i + _BATCH])) for i in range(0, len(images), _BATCH)]
    found: NDArray[np.float64] = torch.cat(parts).double().numpy()
    assert found.shape[1] == CODE
    return found
