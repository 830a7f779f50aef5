"""How the target, its twin and the attacker's networks are trained, audited and set against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Figure, Made, Say
from audit.reference._writing import even_threshold
from audit.reference.systems.adversarial_transfer import _folder, _grid
from audit.reference.systems.adversarial_transfer._attacking import ATTACKS, HEADLINE, perturbed, shuffled
from audit.reference.systems.adversarial_transfer._learning import (
    HELD,
    TEST,
    VALIDATION,
    Settings,
    Table,
    development,
    elsewhere,
    logits,
    patches,
    pre_trained,
    trained,
)
from audit.reference.systems.adversarial_transfer._measuring import percent_left, ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = "target"
SHARED = "adversarial-transfer"


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train a twin and the attacker's networks, which are the same for both; see `audit.reference._system.Recipe`."""
    settings = Settings()
    nets = networks(name, seed=seed, settings=settings, say=say)
    held_out = patches(settings.validation, seed, VALIDATION, settings)
    threshold = even_threshold(logits(nets[TARGET], held_out.images), held_out.labels[:, 0] == 1)
    say(f"attacking {settings.test} test patients")
    test = patches(settings.test, seed, TEST, settings)
    return Made(
        tensors={f"{one}/{key}": value for one, net in nets.items() for key, value in _tensors(net).items()},
        metadata={
            "operating_point": f"{1 / (1 + np.exp(-threshold)):.6f}",
            "validation_patients": str(settings.validation),
        },
        figures=tuple(_figures(nets, test, np.random.default_rng([seed, 99]))),
    )


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write the folder of an audit; see `audit.reference._system.Recipe`."""
    _folder.write(name, folder, weights=weights, seed=seed, profile=profile)


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Measure the grid of factors, one file a seed; see `audit.reference._system.Recipe`."""
    del name
    _grid.measure(folder, say=say)


def networks(name: str, *, seed: int, settings: Settings, say: Say) -> dict[str, Any]:
    """Train the target, and the attacker's networks by what they share with it.

    Args:
        name: A twin. The attacker's networks are the same for both, but that the one with the public start has the
            start of one twin alone.
        seed: Of everything.
        settings: Shared by all.
        say: Is told what is trained.
    """
    d1, d2, other = development("d1", seed, settings), development("d2", seed, settings), elsewhere(seed, settings)
    public = {f: pre_trained(f, other, seed=100 * seed, settings=settings) for f in ("plain", "dense")}
    planned: Mapping[str, tuple[str, Table, int, Any]] = {
        TARGET: ("plain", d1, 1, public["plain"] if name == SHARED else None),
        "same init": ("plain", d1, 2, public["plain"]),
        "other init": ("plain", d1, 3, None),
        "other data": ("plain", d2, 4, public["plain"]),
        "other architecture": ("dense", d1, 5, public["dense"]),
    }
    made = {}
    for one, (family, given, number, start) in planned.items():
        if one == "same init" and name != SHARED:
            continue
        say(f"training: {one}")
        # Nobody else holds layers: the fault is that the target is public in part, and that the attacker knows it.
        held = HELD if name == SHARED and one in (TARGET, "same init") else 0
        made[one] = trained(family, given, seed=100 * seed + number, settings=settings, start=start, held=held)
    return made


def _tensors(net: Any) -> dict[str, NDArray[Any]]:
    return {key: value.numpy() for key, value in net.state_dict().items()}


def _figures(nets: Mapping[str, Any], test: Table, rng: np.random.Generator) -> Iterator[Figure]:
    labels = test.labels[:, 0] == 1
    clean = logits(nets[TARGET], test.images)
    yield Figure.of("auc", ranked(clean, labels))
    for one in [n for n in nets if n != TARGET]:
        yield Figure.of(f"auc of the surrogate, {one}", ranked(logits(nets[one], test.images), labels))
    for one, net in nets.items():
        made_on = "the target itself" if one == TARGET else one
        for attack, steps in ATTACKS.items():
            changed = perturbed(net, test.images, test.labels[:, 0], epsilon=HEADLINE, steps=steps)
            left = percent_left(logits(nets[TARGET], changed), clean, labels, rng)
            yield Figure.of(f"per cent of the clean auc, {attack}, {made_on}", left)
        moved = logits(nets[TARGET], shuffled(test.images, changed, rng))
        yield Figure.of(f"per cent of the clean auc, shuffled, {made_on}", percent_left(moved, clean, labels, rng))
