"""Attacks of torchattacks, Foolbox and ART on the same tasks; runs in the peers' own environment.

Each is set up as its authors advise for the same budget: random start, steps of 2.5 epsilon / steps for PGD, the step
rule of the paper for APGD, parameters that want no gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._driver import Clock, peak_mb, serve
from benchmarks.adversarial import heads, tasks

Attack = Callable[[torch.nn.Module, np.ndarray, np.ndarray, Sequence[float], int, int], list[np.ndarray]]


def _torchattacks(make: Callable[..., Any]) -> Attack:
    def run(
        net: torch.nn.Module, x: np.ndarray, y: np.ndarray, epsilons: Sequence[float], steps: int, seed: int
    ) -> list[np.ndarray]:
        images, labels = torch.as_tensor(x), torch.as_tensor(y)
        return [make(net, epsilon, steps, seed)(images, labels).detach().numpy() for epsilon in epsilons]

    return run


def _ta(name: str, **given: Any) -> Callable[..., Any]:
    def make(net: torch.nn.Module, epsilon: float, steps: int, seed: int) -> Any:
        import torchattacks

        kind = getattr(torchattacks, name)
        if name == "PGD":
            return kind(net, eps=epsilon, alpha=2.5 * epsilon / steps, steps=steps, random_start=True)
        if name == "AutoAttack":
            return kind(net, norm="Linf", eps=epsilon, n_classes=net[1].out_features, seed=seed)
        count = {"n_queries": 200} if name == "Square" else {"steps": steps}
        return kind(net, norm="Linf", eps=epsilon, seed=seed, **count, **given)

    return make


def _foolbox(
    net: torch.nn.Module, x: np.ndarray, y: np.ndarray, epsilons: Sequence[float], steps: int, seed: int
) -> list[np.ndarray]:
    import foolbox

    del seed
    model = foolbox.PyTorchModel(net, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(rel_stepsize=2.5 / steps, steps=steps, random_start=True)
    _, clipped, _ = attack(model, torch.as_tensor(x), torch.as_tensor(y), epsilons=list(epsilons))
    return [c.detach().numpy() for c in clipped]


def _art(name: str) -> Attack:
    def run(
        net: torch.nn.Module, x: np.ndarray, y: np.ndarray, epsilons: Sequence[float], steps: int, seed: int
    ) -> list[np.ndarray]:
        from art.attacks.evasion import AutoProjectedGradientDescent, ProjectedGradientDescent
        from art.estimators.classification import PyTorchClassifier

        del seed
        with torch.no_grad():
            outputs = net(torch.as_tensor(x[:1])).shape[1]
        model = PyTorchClassifier(
            net, loss=torch.nn.CrossEntropyLoss(), input_shape=x.shape[1:], nb_classes=outputs, clip_values=(0.0, 1.0)
        )  # fmt: skip
        common = {"norm": np.inf, "max_iter": steps, "batch_size": 64, "verbose": False}
        out = []
        for epsilon in epsilons:
            if name == "PGD":
                attack = ProjectedGradientDescent(
                    model, eps=epsilon, eps_step=2.5 * epsilon / steps, num_random_init=1, **common
                )
            else:
                attack = AutoProjectedGradientDescent(
                    model, eps=epsilon, eps_step=2 * epsilon, nb_random_init=1, loss_type="cross_entropy", **common
                )
            out.append(attack.generate(x, y))
        return out

    return run


ENGINES: dict[str, Attack] = {
    "torchattacks PGD": _torchattacks(_ta("PGD")),
    "torchattacks APGD": _torchattacks(_ta("APGD", loss="ce")),
    "Foolbox PGD": _foolbox,
    "ART PGD": _art("PGD"),
    "ART APGD": _art("APGD"),
}
ON_HEADS: dict[str, Attack] = {
    **ENGINES,
    "torchattacks APGD (dlr)": _torchattacks(_ta("APGD", loss="dlr")),
    "torchattacks AutoAttack": _torchattacks(_ta("AutoAttack")),
    "torchattacks Square": _torchattacks(_ta("Square")),
}


def run(engine: str, path: str, steps: int, seed: int, cases: int | None = None) -> dict[str, Any]:
    """Return what broke, and the cost."""
    net, x, y, epsilons = tasks.load(Path(path))
    x, y = x[:cases], y[:cases]
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - ART draws from the global generator
    counted = tasks.Counted(net)
    with Clock() as clock:
        found = ENGINES[engine](counted.eval(), x, y, epsilons, steps, seed)
    fell = np.stack([tasks.broken(net, x, f, y, e) for f, e in zip(found, epsilons, strict=True)], axis=1)
    return {
        "broken": fell.tolist(), "wall": clock.wall, "cpu": clock.cpu, "forwards": counted.forwards,
        "gradients": counted.gradients,
    }  # fmt: skip


def head(name: str, engine: str) -> dict[str, Any]:
    """Return how many of the cases of a head are broken, and how many images are given back as they were."""
    net, x, y = heads.make(name)
    # A cross-entropy takes shares of three outputs as floats.
    given = y.astype(np.float32) if y.ndim == 2 else y
    epsilon = heads.epsilon(name, net, x)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - ART draws from the global generator
    (found,) = ON_HEADS[engine](net, x, given, (epsilon,), 10, 0)
    same = (np.abs(found - x).reshape(len(x), -1).max(axis=1) == 0).sum()
    return {"broken": int(heads.broken(name, net, found, y).sum()), "cases": len(x), "untouched": int(same)}


def memory(engine: str, path: str, cases: int, steps: int) -> dict[str, Any]:
    """Attack so many cases, handed over in one array as the peer wants them; return the largest resident size."""
    net, _, _, epsilons = tasks.load(Path(path))
    shape = tasks.KINDS["cnn2"].shape
    y = np.zeros(cases, dtype=np.int64)
    x = np.concatenate([tasks.phantom(1, shape, row)[0] for row in range(cases)])
    with Clock() as clock:
        ENGINES[engine](net, x, y, (epsilons[1], epsilons[3]), steps, 0)
    return {"peak_mb": peak_mb(), "wall": clock.wall}


def main() -> None:
    """Serve the bench."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    serve({"run": run, "head": head, "memory": memory})


if __name__ == "__main__":
    main()
