"""The grid of factors: attack, size, start, architecture and data of target and surrogate; one file a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Levels
from audit.reference._system import Say
from audit.reference.systems.adversarial_transfer._attacking import (
    ATTACKS,
    EPSILONS,
    HEADLINE,
    perturbed,
    shuffled,
)
from audit.reference.systems.adversarial_transfer._learning import (
    INITS,
    TEST,
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
from audit.reference.systems.adversarial_transfer.nets import FAMILIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = (21, 22, 23, 24, 25)
SMALLER = Settings(patients=1000, elsewhere=1000, test=200, steps=150, pre_steps=150)
"""Twenty networks a seed are trained, so each shorter and on fewer patients than the shipped ones."""
RANDOM, SHARED = INITS
SAME = "d1, another instance"
DATA = ("d1", SAME, "d2", "d2/2", "d1/10")


@dataclass(frozen=True, kw_only=True, order=True)
class Network:
    """What a network is made of.

    Attributes:
        family: One of `FAMILIES`.
        init: One of `INITS`.
        data: One of `DATA`: d1 and d2 are disjoint, d2/2 is half of d2, d1/10 a tenth of d1.
    """

    family: str
    init: str
    data: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One surrogate against one target.

    Attributes:
        target: The network that is asked.
        surrogate: The one whose gradients are taken; the target itself for a white box.
        attack: One of `ATTACKS`, or "shuffled": the perturbation of 20 steps without its aim.
        epsilon: Largest change of a pixel, of the full scale.
        auc: Under the attack.
        clean: Without.
        percent: The AUC in per cent of the clean one.
        low: Lower end of its 95 % interval, by resampling patients.
        high: Upper end.
    """

    target: Network
    surrogate: Network
    attack: str
    epsilon: float
    auc: float
    clean: float
    percent: float
    low: float | None
    high: float | None


def measure(folder: Path, *, say: Say, seeds: tuple[int, ...] = SEEDS, settings: Settings | None = None) -> None:
    """Train and attack all networks of every seed; seeds that are there are left as they are.

    Each seed has patients and public weights of its own. At the end `factors.json` holds each factor's mean over seeds
    with its t interval.

    Args:
        folder: Made if absent.
        say: Is told of every network.
        seeds: At least 5 for an interval.
        settings: `SMALLER` by default.
    """
    chosen = settings or SMALLER
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        file = folder / f"seed-{seed}.json"
        if not file.exists():
            cells = one_seed(seed, chosen, say)
            content = {"seed": seed, "phantom": True, "patients": chosen.test, "cells": [asdict(c) for c in cells]}
            file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    (folder / "factors.json").write_text(json.dumps(summary(folder, seeds), indent=1) + "\n", encoding="utf-8")


def one_seed(seed: int, settings: Settings, say: Say) -> list[Cell]:
    """Return every cell of one seed."""
    nets, test = _trained(seed, settings, say), patches(settings.test, seed, TEST, settings)
    labels, rng = test.labels[:, 0] == 1, np.random.default_rng([seed, 99])
    targets = [n for n in nets if n.data in ("d1", "d1/10")]
    clean = {n: logits(nets[n], test.images) for n in targets}
    out = []
    for surrogate in nets:
        if surrogate.data == "d1/10":
            continue
        say(f"seed {seed}: attacking {surrogate.family}, {surrogate.init}, {surrogate.data}")
        for attack, epsilon, images in _changed(nets[surrogate], surrogate, test, rng):
            for target in targets:
                if _asked(target, surrogate, epsilon):
                    scores = (logits(nets[target], images), clean[target])
                    out.append(_cell_of(target, surrogate, attack, epsilon, scores, labels, rng))
    return out


def _cell_of(
    target: Network, surrogate: Network, attack: str, epsilon: float,
    scores: tuple[NDArray[np.float64], NDArray[np.float64]], labels: NDArray[np.bool_], rng: np.random.Generator,
) -> Cell:  # fmt: skip
    under, clean = (_auc(s, labels) for s in scores)
    left = percent_left(*scores, labels, rng)
    bounds = left.bounds(Levels().pointwise)
    low, high = (None, None) if bounds is None else (round(b, 4) for b in bounds)
    return Cell(
        target=target, surrogate=surrogate, attack=attack, epsilon=epsilon, auc=round(under, 5), clean=round(clean, 5),
        percent=round(100 * under / clean, 4), low=low, high=high,
    )  # fmt: skip


def _trained(seed: int, settings: Settings, say: Say) -> dict[Network, Any]:
    other = elsewhere(seed, settings)
    data = {name: development(name, seed, settings) for name in ("d1", "d2")}
    data |= {SAME: data["d1"], "d2/2": data["d2"].first(settings.patients // 2)}
    data["d1/10"] = data["d1"].first(settings.patients // 10)
    out = {}
    for family in FAMILIES:
        start = {RANDOM: None, SHARED: pre_trained(family, other, seed=1000 * seed, settings=settings)}
        for number, (init, name) in enumerate(product(INITS, DATA)):
            say(f"seed {seed}: {family}, {init}, {name}")
            own = 1000 * seed + 1 + number + 100 * list(FAMILIES).index(family)
            net = trained(family, data[name], seed=own, settings=settings, start=start[init])
            out[Network(family=family, init=init, data=name)] = net
    return out


def _changed(
    net: Any, surrogate: Network, test: Table, rng: np.random.Generator
) -> list[tuple[str, float, NDArray[np.float32]]]:
    """Return attack, size and images; all sizes for a second plain network on d1 alone, one for the others."""
    sizes = EPSILONS if surrogate.data == SAME and surrogate.family == "plain" else (HEADLINE,)
    out = []
    for epsilon in sizes:
        for attack, steps in ATTACKS.items():
            images = perturbed(net, test.images, test.labels[:, 0], epsilon=epsilon, steps=steps)
            out.append((attack, epsilon, images))
        out.append(("shuffled", epsilon, shuffled(test.images, images, rng)))
    return out


def _asked(target: Network, surrogate: Network, epsilon: float) -> bool:
    """Return whether a pair belongs to the grid: a white box is tried on itself, a small target on d2 alone."""
    if surrogate.data == "d1":
        return target == surrogate
    if target.data == "d1/10":
        return surrogate.data == "d2"
    return epsilon == HEADLINE or target.family == "plain"


def _auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    found = ranked(scores, labels).value
    assert found is not None
    return found


Wanted = Callable[[Cell], bool]


def summary(folder: Path, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return each factor's per cent of the clean AUC as mean and t interval over seeds, and the paired differences."""
    read = [json.loads((folder / f"seed-{s}.json").read_text(encoding="utf-8")) for s in seeds]
    cells = [[_cell(row) for row in one["cells"]] for one in read]
    levels = {name: [_average(own, wanted) for own in cells] for name, wanted in _levels().items()}
    out = {name: _mean(values) for name, values in levels.items()}
    gains = {f"pre-training gain in auc, {f}, {d}": [_gain(own, f, d) for own in cells] for f in FAMILIES for d in _OWN}
    pairs = {
        f"{one} minus {two}": [a - b for a, b in zip(levels[one], levels[two], strict=True)] for one, two in _PAIRS
    }
    return {
        "seeds": list(seeds), "phantom": True, "patients a seed": read[0]["patients"],
        "unit": "per cent of the clean AUC of the target; mean over seeds, 95 % t interval",
        "levels": out, "differences": {k: _mean(v) for k, v in pairs.items()},
        "gains": {k: _mean(v) for k, v in gains.items()},
    }  # fmt: skip


_OWN = ("d1", "d1/10")


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(**{**row, "target": Network(**row["target"]), "surrogate": Network(**row["surrogate"])})


def _average(cells: list[Cell], wanted: Wanted) -> float:
    return float(np.mean([c.percent for c in cells if wanted(c)]))


def _gain(cells: list[Cell], family: str, data: str) -> float:
    clean = {c.target.init: c.clean for c in cells if c.target.family == family and c.target.data == data}
    return clean[SHARED] - clean[RANDOM]


def _mean(values: list[float]) -> dict[str, Any]:
    from audit.stats import mean

    found = mean(np.array(values), np.arange(len(values)), Levels())
    bounds = found.bounds(Levels().pointwise)
    if found.value is None or bounds is None:
        return {"value": None, "missing": found.missing, "each": [round(v, 4) for v in values]}
    return {
        "value": round(found.value, 4), "low": round(bounds[0], 4), "high": round(bounds[1], 4),
        "each": [round(v, 4) for v in values],
    }  # fmt: skip


def _levels() -> dict[str, Wanted]:
    """Return which cells each line of the summary is the mean of; 20 steps of 1 % but where it says otherwise."""
    out: dict[str, Wanted] = {}
    for attack, epsilon in product((*ATTACKS, "shuffled"), EPSILONS):
        out[f"attack: {attack}, {epsilon:.1%}"] = lambda c, a=attack, e=epsilon: (  # type: ignore[misc]
            (c.attack, c.epsilon, c.surrogate.data, c.target.data) == (a, e, SAME, "d1")
            and c.target.family == c.surrogate.family == "plain" and c.target.init == c.surrogate.init == RANDOM
        )  # fmt: skip
    out["white box"] = lambda c: _main(c) and c.target == c.surrogate
    for same, (target, surrogate) in product((True, False), product(INITS, INITS)):
        out[f"start: {target} attacked from {surrogate}, {_family(same)}"] = lambda c, s=same, t=target, u=surrogate: (  # type: ignore[misc]
            _main(c) and c.surrogate.data == SAME and _alike(c) is s and (c.target.init, c.surrogate.init) == (t, u)
        )
    for same, init, data in product((True, False), INITS, (SAME, "d2", "d2/2")):
        out[f"data: both {init}, surrogate on {data}, {_family(same)}"] = lambda c, s=same, i=init, d=data: (  # type: ignore[misc]
            _main(c) and c.target.data == "d1" and c.surrogate.data == d and _alike(c) is s
            and c.target.init == c.surrogate.init == i
        )  # fmt: skip
    for same, init in product((True, False), INITS):
        out[f"small target: both {init}, {_family(same)}"] = lambda c, s=same, i=init: (  # type: ignore[misc]
            _main(c) and c.target.data == "d1/10" and _alike(c) is s and c.target.init == c.surrogate.init == i
        )
    return out


def _main(cell: Cell) -> bool:
    return cell.attack == "20 steps" and cell.epsilon == HEADLINE


def _alike(cell: Cell) -> bool:
    return cell.target.family == cell.surrogate.family


def _family(same: bool) -> str:
    return "same architecture" if same else "other architecture"


_PAIRS = (
    *(
        (
            f"start: {SHARED} attacked from {SHARED}, {_family(s)}",
            f"start: {RANDOM} attacked from {RANDOM}, {_family(s)}",
        )
        for s in (True, False)
    ),
    *(
        (f"data: both {i}, surrogate on d2, {_family(s)}", f"data: both {i}, surrogate on {SAME}, {_family(s)}")
        for s, i in product((True, False), INITS)
    ),
    *(
        (f"data: both {i}, surrogate on d2/2, {_family(s)}", f"data: both {i}, surrogate on d2, {_family(s)}")
        for s, i in product((True, False), INITS)
    ),
    *(
        (
            f"data: both {i}, surrogate on {SAME}, {_family(False)}",
            f"data: both {i}, surrogate on {SAME}, {_family(True)}",
        )
        for i in INITS
    ),
)
