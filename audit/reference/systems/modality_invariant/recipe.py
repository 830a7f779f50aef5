"""How the shared code and its twin are trained, audited and taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.reference._system import Figure, Made, Say
from audit.reference._writing import even_threshold
from audit.reference.phantoms import SEQUENCES
from audit.reference.systems.modality_invariant import _folder, _grid
from audit.reference.systems.modality_invariant._learning import (
    TEST,
    TRAINING,
    VALIDATION,
    Parts,
    Settings,
    learn,
    table,
)
from audit.reference.systems.modality_invariant._measuring import (
    COMPLETE,
    PAIRS,
    SINGLE,
    Coded,
    Reader,
    coded,
    fitted,
    leak,
    matrix,
    ranked,
    ranked_on_average,
    spread,
    words,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS: Mapping[str, Parts] = {
    "modality-invariant": Parts(similarity=True, normalised=True, dropout=True),
    "modality-naive": Parts(similarity=False, normalised=False, dropout=False),
}
_SPREAD = {
    "sd": "code, root of the mean variance",
    "dimensions": "code, participation ratio of its directions",
    "shared": "code, share of the variance that all modalities have in common",
}


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train a twin; see `audit.reference._system.Recipe`."""
    settings = Settings()
    say(f"drawing {settings.patients} patients")
    given = table(seed, TRAINING, settings)
    say("learning the code without labels")
    net: Any = learn(PARTS[name], given, seed=seed, settings=settings)
    own = coded(net, given, (*SINGLE, COMPLETE))
    reader = fitted(own.codes[COMPLETE], given.lesion)
    validation = table(seed, VALIDATION, settings)
    threshold = even_threshold(reader(coded(net, validation, (COMPLETE,)).codes[COMPLETE]), validation.lesion)
    say(f"asking about {settings.test} test patients")
    test = coded(net, table(seed, TEST, settings), (*SINGLE, *PAIRS, COMPLETE))
    return Made(
        tensors=_tensors(net, reader),
        metadata={
            "operating_point": f"{1 / (1 + np.exp(-threshold)):.6f}",
            "validation_patients": str(settings.validation),
        },
        figures=tuple(_figures(own, test, reader, np.random.default_rng([seed, 99]))),
    )


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write the folder of an audit; see `audit.reference._system.Recipe`."""
    _folder.write(name, folder, weights=weights, seed=seed, profile=profile)


def curves(name: str, folder: Path, *, say: Say) -> None:
    """Measure the ablation, one file a combination and seed; see `audit.reference._system.Recipe`."""
    del name
    _grid.measure(folder, say=say)


def _tensors(net: Any, reader: Reader) -> dict[str, NDArray[Any]]:
    """Return the weights, with the reader in the place of the last layer."""
    held = {k: v.numpy() for k, v in net.state_dict().items()}
    held["reader.weight"] = reader.weights[None].astype(np.float32)
    held["reader.bias"] = np.array([reader.offset], dtype=np.float32)
    return held


def _figures(own: Coded, test: Coded, reader: Reader, rng: np.random.Generator) -> list[Figure]:
    found = [Figure.of(f"auc, {words(k)}", ranked(reader(code), test.table)) for k, code in test.codes.items()]
    cells = matrix(own, test)
    same = [cells[k, k] for k in SINGLE]
    across = [cells[a, b] for a in SINGLE for b in SINGLE if a != b]
    found.append(Figure.of("auc, reader of a modality on the same", ranked_on_average(same, test.table)))
    found.append(Figure.of("auc, reader of a modality on another", ranked_on_average(across, test.table)))
    found += [Figure.of(f"leak, {SEQUENCES[m]} from the code", leak(test, m, rng)) for m in range(len(SEQUENCES))]
    return found + [Figure.of(_SPREAD[key], estimate) for key, estimate in spread(test, rng).items()]
