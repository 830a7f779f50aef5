"""Networks that find a lesion, by what an attacker's network may have in common with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference.phantoms import PairedPatches, PatchKnobs
from audit.reference.systems.adversarial_transfer.nets import FAMILIES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    Floats = NDArray[np.float32]

# Second part of the entropy of a cohort; d1 and d2 are disjoint, and so are all others.
D1, D2, VALIDATION, TEST, AUDIT, ELSEWHERE = range(6)
STORED = 4095.0
LESION, LACUNE = 1, 2
SEQUENCE, OTHER_SEQUENCE = 1, 2
"""T2, on which lesions and lacunes are both bright; and FLAIR, on which lacunes are dark."""
HELD = 2
"""Convolutions of the target of `adversarial-transfer`, and of the attacker's network of the same start, that are the
public ones; of the third one and the last layer they learned their own."""
DATA = ("d1", "d2", "d2/2", "d1/10")
INITS = ("random", "pre-trained")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How every network is trained.

    Attributes:
        patients: Patients of d1, and of d2; one patch each.
        validation: Patients that set the operating point.
        test: Patients that are attacked for the figures.
        elsewhere: Patients of the other domain, for pre-training.
        steps: Steps, whatever the number of patients: a tenth of the data is seen ten times as often.
        pre_steps: Steps of the pre-training.
        batch: Patches in a step.
        learning_rate: Peak of the one-cycle schedule.
        knobs: Of the patches, those of the other domain too: lesions that hardly stand out, on larger pixels.
    """

    patients: int = 1500
    validation: int = 800
    test: int = 400
    elsewhere: int = 1500
    steps: int = 200
    pre_steps: int = 200
    batch: int = 64
    learning_rate: float = 4e-3
    knobs: PatchKnobs = field(
        default_factory=lambda: PatchKnobs(patches=1, pixel_mm=1.5, radius_mm=(2.5, 5.0), damage=(0.08, 0.4))
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Patches and what lies in them.

    Attributes:
        images: (n, 1, size, size) float32 in [0, 1].
        labels: (n, k) float32, 0 or 1.
    """

    images: Floats
    labels: Floats

    def first(self, count: int) -> Table:
        """Return the first cases."""
        return Table(images=self.images[:count], labels=self.labels[:count])


def patches(count: int, seed: int, part: int, settings: Settings) -> Table:
    """Return one patch a patient, never of a patient of another part."""
    source = PairedPatches(count, seed=(seed, part), knobs=settings.knobs)
    made = [source.patient(i) for i in range(count)]
    images = np.concatenate([m.images[:, SEQUENCE : SEQUENCE + 1] for m in made]).astype(np.float32)
    labels = np.concatenate([m.middle for m in made]) == LESION
    return Table(images=images / np.float32(STORED), labels=labels[:, None].astype(np.float32))


def development(data: str, seed: int, settings: Settings) -> Table:
    """Return the development data of a name of `DATA`: d2/2 is half of d2, d1/10 a tenth of d1."""
    name, _, part = data.partition("/")
    count = settings.patients // int(part or 1)
    return patches(count, seed, {"d1": D1, "d2": D2}[name], settings)


def elsewhere(seed: int, settings: Settings) -> Table:
    """Return the other domain: FLAIR patches of other patients, of which lesion, lacune and sex are to be told."""
    source = PairedPatches(settings.elsewhere, seed=(seed, ELSEWHERE), knobs=settings.knobs)
    made = [source.patient(i) for i in range(len(source))]
    images = np.concatenate([m.images[:, OTHER_SEQUENCE : OTHER_SEQUENCE + 1] for m in made]).astype(np.float32)
    middle = np.concatenate([m.middle for m in made])
    labels = np.stack([middle == LESION, middle == LACUNE, [m.sex == "male" for m in made]], axis=1)
    return Table(images=images / np.float32(STORED), labels=labels.astype(np.float32))


def pre_trained(family: str, given: Table, *, seed: int, settings: Settings) -> dict[str, Any]:
    """Return weights of a family that learned the other domain, without its last layer."""
    drawn = _drawn(family, seed, given.labels.shape[1])
    net = _fit(drawn, given, settings.pre_steps, seed=seed, settings=settings)
    last = _last(net)
    return {k: v.clone() for k, v in net.state_dict().items() if not k.startswith(last)}


def trained(
    family: str, given: Table, *, seed: int, settings: Settings, start: dict[str, Any] | None = None, held: int = 0
) -> nn.Module:
    """Train a network.

    Args:
        family: One of `FAMILIES`.
        given: Development data.
        seed: Of initial weights and order: two networks of one data set differ in it.
        settings: Shared by all.
        start: Weights to start from, those of `pre_trained`; random ones by default.
        held: Convolutions, from the first on, whose weights stay as they started.
    """
    net: Any = _drawn(family, seed, 1)
    if start is not None:
        lost, _ = net.load_state_dict(start, strict=False)
        assert all(name.startswith(_last(net)) for name in lost)
    for layer in _convolutions(net)[:held]:
        layer.weight.requires_grad_(False)
    return _fit(net, given, settings.steps, seed=seed, settings=settings)


def _drawn(family: str, seed: int, outputs: int) -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FAMILIES[family](outputs)


def _convolutions(net: Any) -> list[Any]:
    from torch import nn

    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def _last(net: Any) -> str:
    return f"{len(net) - 1}."


def _fit(net: nn.Module, given: Table, steps: int, *, seed: int, settings: Settings) -> nn.Module:
    import torch
    from torch.nn import functional

    images, labels = torch.from_numpy(given.images), torch.from_numpy(given.labels)
    generator = torch.Generator().manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net.train()
        optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.learning_rate, total_steps=steps)
        order = torch.empty(0, dtype=torch.long)
        for _ in range(steps):
            while len(order) < settings.batch:
                order = torch.cat([order, torch.randperm(len(images), generator=generator)])
            index, order = order[: settings.batch], order[settings.batch :]
            loss = functional.binary_cross_entropy_with_logits(net(images[index]), labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return net.eval()
    finally:
        torch.set_num_threads(threads)


def logits(net: Any, images: Floats, batch: int = 250) -> NDArray[np.float64]:
    """Return (n,) logits of the first output for images in [0, 1]."""
    import torch

    with torch.inference_mode():
        parts = [net(torch.from_numpy(images[i : i + batch]))[:, 0] for i in range(0, len(images), batch)]
    found: NDArray[np.float64] = torch.cat(parts).double().numpy()
    return found
