"""Train the graders of emphysema, write the folder of their audit, measure them over training sizes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from audit.reference._system import Made, Say
from audit.reference.systems.emphysema import _grid
from audit.reference.systems.emphysema._data import MATCHED, TEST, TRAINING, VALIDATION, render, render_matched
from audit.reference.systems.emphysema._fit import answers, fit
from audit.reference.systems.emphysema._folder import write
from audit.reference.systems.emphysema._measure import answered, figures, scaled_figure
from audit.reference.systems.emphysema._settings import SETTINGS, SHIPPED_SIZE, SHIPPED_STEPS

__all__ = ["curves", "train", "write"]

PAIRS = 150
SCALED_ON = 50
"""Graded patients that give a scale to the network that was told presence alone; for a figure, not for its answers."""


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train on the first observer's grades; see `audit.reference._system.Recipe.train`.

    Args:
        name: The system.
        seed: Of patients, weights and order.
        say: Is told how far it is.
    """
    settings = replace(SETTINGS[name], steps=SHIPPED_STEPS)
    say(f"scanning {SHIPPED_SIZE} phantom patients")
    scans = render(TRAINING, SHIPPED_SIZE, seed)
    say(f"{settings.steps} steps of {settings.batch} patients")
    net = fit(scans, settings, seed=seed)
    say(f"figures on {_grid.N_TEST} test patients and {PAIRS} pairs of one histogram")
    tested, pairs = render(TEST, _grid.N_TEST, seed), render_matched(MATCHED, PAIRS, seed)
    rows = figures(answered(net, tested), tested, pairs, answers(net, pairs.images))
    if settings.loss == "presence":
        few = render(VALIDATION, SCALED_ON, seed)
        rows += (scaled_figure(answers(net, tested.images), tested, answers(net, few.images), few),)
    return Made(
        tensors={key: value.numpy() for key, value in net.state_dict().items()},
        metadata={"settings": json.dumps(asdict(settings), sort_keys=True), "patients": str(SHIPPED_SIZE)},
        figures=rows,
    )  # fmt: skip


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Train with 50 to 700 patients and five seeds each; see `audit.reference._system.Recipe.curves`."""
    _grid.run(name, folder, say=say)
