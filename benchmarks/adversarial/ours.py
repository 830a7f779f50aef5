"""This suite's attack on the tasks of the bench."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audit.attacks import Cases, Meter, Plan, attack, attack_cases, questions
from audit.core import InputSpec, ModelSpec
from audit.models import TorchModel, from_module
from benchmarks._driver import Clock, peak_mb, serve
from benchmarks.adversarial import heads, tasks


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How the attack is run; with ranks, broken cases are pushed on."""

    low: bool = False
    ranking: bool = False


ENGINES = {
    "ours, fp32": Engine(),
    "ours, bf16": Engine(low=True),
    "ours, bf16, with ranks": Engine(low=True, ranking=True),
}


def wrapped(net: torch.nn.Module, shape: tuple[int, ...], **spec: Any) -> TorchModel:
    """Return the model of a network that takes images in [0, 1]."""
    given = {"task": "binary", "output": "logits", "operating_point": 0.5, "classes": ("no", "yes"), **spec}
    return from_module(net, ModelSpec(kind="torch", input=InputSpec(range=(0.0, 1.0), size=shape), **given))


def run(engine: str, path: str, steps: int, seed: int, cases: int | None = None) -> dict[str, Any]:
    """Return what broke, the cost, and how many of the images shown at the largest size were found broken again."""
    how = ENGINES[engine]
    os.environ["AUDIT_BF16"] = "on" if how.low else "off"
    net, x, y, epsilons = tasks.load(Path(path))
    x, y = x[:cases], y[:cases]
    plan = Plan(epsilons=tuple(epsilons), headline=epsilons[-1], steps=steps, restarts=1, ranking=how.ranking)
    meter = Meter()
    with Clock() as clock:
        model = wrapped(net, x.shape[2:])
        outcome = attack(
            model, questions(model.card)[0], x, y, plan=plan, rng=np.random.default_rng(seed), meter=meter
        )  # fmt: skip
    fell = ~outcome.right
    again = tasks.broken(net, x, outcome.worst, y, epsilons[-1])
    return {
        "broken": fell.tolist(), "wall": clock.wall, "cpu": clock.cpu, "forwards": meter.forwards,
        "gradients": meter.gradients, "unconfirmed": int((outcome.right_clean & ~outcome.right_attack & ~again).sum()),
    }  # fmt: skip


def prepare(name: str, seed: int, cases: int, path: str) -> dict[str, Any]:
    """Train and save a task; see `tasks.prepare`."""
    return dict(tasks.prepare(name, seed, cases, Path(path)))


def head(name: str) -> dict[str, Any]:
    """Return how many of the cases of a head are broken at a size at which each should be."""
    net, x, y = heads.make(name)
    model = wrapped(net, x.shape[2:], **heads.SPECS[name])
    epsilon = heads.epsilon(name, net, x)
    plan = Plan(epsilons=(epsilon,), headline=epsilon, steps=10, restarts=1)
    fell = np.zeros(len(x), dtype=bool)
    for question in questions(model.card):
        outcome = attack(model, question, x, question.targets(y), plan=plan, rng=np.random.default_rng(0))
        fell |= heads.broken(name, net, outcome.worst, y)
    return {"broken": int(fell.sum()), "cases": len(x)}


def memory(path: str, cases: int, steps: int) -> dict[str, Any]:
    """Attack so many cases, read when their turn comes, and return the largest resident size of this process."""
    net, _, _, epsilons = tasks.load(Path(path))
    shape = tasks.KINDS["cnn2"].shape
    label = np.zeros(cases, dtype=np.int64)

    def images(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([tasks.phantom(1, shape, int(row))[0] for row in rows])

    model = wrapped(net, shape)
    plan = Plan(epsilons=(epsilons[1], epsilons[3]), headline=epsilons[3], steps=steps, restarts=1, ranking=False)
    every = Cases(count=cases, images=images, targets=lambda rows: label[rows])
    with Clock() as clock:
        attack_cases(model, questions(model.card)[0], every, plan=plan, rng=np.random.default_rng(0))
    return {"peak_mb": peak_mb(), "wall": clock.wall}


def main() -> None:
    """Serve the bench."""
    torch.set_num_threads(1)
    serve({"prepare": prepare, "run": run, "head": head, "memory": memory})


if __name__ == "__main__":
    main()
