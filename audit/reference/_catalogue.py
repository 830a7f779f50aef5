"""The reference models that the suite ships, and how to make them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import InputError
from audit.reference import _systems, _twins
from audit.reference._files import read_figures, read_metadata, write_figures, write_weights
from audit.reference._needs import needs

if TYPE_CHECKING:
    from audit.reference._compare import Compared
    from audit.reference._system import Figure, System

__all__ = [
    "Rebuilt", "ReferenceModel", "build", "is_twin", "known_names", "list_models", "read_metadata", "rebuild",
    "weights_path",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ReferenceModel:
    """One row of the list of reference models.

    Attributes:
        name: Its name.
        title: What it does and what is special about it.
        task: Its task.
        size_bytes: Size of its weights.
        slides: Slides of the lecture that it is built after; "demo" for the twins of the demo.
    """

    name: str
    title: str
    task: str
    size_bytes: int
    slides: str = _twins.SLIDES


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A reference model that was trained again.

    Attributes:
        weights: The file.
        seed: Of its training.
        rows: Its figures beside the shipped ones.
    """

    weights: Path
    seed: int
    rows: tuple[Compared, ...]


def weights_path(name: str) -> Path:
    """Return the shipped weights of a reference model.

    Raises:
        InputError: There is no reference model of this name.
    """
    system = _systems.all_systems().get(name)
    if system is not None:
        return _systems.weights_of(system)
    if name not in _twins.TITLES:
        raise InputError(
            "no such reference model", expected=", ".join([*_twins.TITLES, *_systems.all_systems()]), got=name,
            fix="see `audit reference list`",
        )  # fmt: skip
    return Path(str(files("audit.reference"))) / "weights" / f"{name}.safetensors"


def is_twin(name: str) -> bool:
    """Tell whether a model is one of the demo's twins, which are audited by `audit demo`."""
    return name in _twins.TITLES


def known_names() -> tuple[str, ...]:
    """Return the names of all reference models, also of those whose weights are not shipped yet."""
    return (*_twins.TITLES, *_systems.all_systems())


def list_models() -> tuple[ReferenceModel, ...]:
    """Return the reference models whose weights are shipped: the demo's twins, then the lecture's systems."""
    twins = [(n, title, _twins.TASK, _twins.SLIDES) for n, title in _twins.TITLES.items()]
    rows = twins + [(s.name, s.title, s.task, s.slides) for s in _systems.all_systems().values()]
    return tuple(
        ReferenceModel(name=n, title=title, task=task, slides=slides, size_bytes=weights_path(n).stat().st_size)
        for n, title, task, slides in rows
        if weights_path(n).is_file()
    )


def build(name: str, out: Path, *, seed: int | None = None) -> Path:
    """Train a reference model again from its recipe, some minutes on one core.

    Args:
        name: One of `list_models`.
        out: Folder for weights and figures; made if absent.
        seed: Another seed than that of the shipped weights.

    Returns:
        The file of weights.

    Raises:
        InputError: There is no reference model of this name.
        MissingExtraError: torch or nilearn is not installed.
    """
    return rebuild(name, out, seed=seed).weights


def rebuild(name: str, out: Path, *, seed: int | None = None, say: Callable[[str], None] = lambda _: None) -> Rebuilt:
    """Train a reference model again and hold its figures beside the shipped ones; see `build`.

    Args:
        name: One of `list_models`, or a system that is not shipped yet.
        out: Folder for weights and figures; made if absent.
        seed: Another seed than that of the shipped weights.
        say: Is told what is being done.
    """
    from audit.reference._compare import compare

    weights_path(name)
    system = _systems.all_systems().get(name)
    shipped_seed, shipped = _shipped(name, system)
    chosen = shipped_seed if seed is None else seed
    needs("torch", "torch")
    needs("nilearn", "reference")
    path, figures = _train_twin(name, out, chosen) if system is None else _train_system(system, out, chosen, say)
    digest = read_metadata(path)["tensors_sha256"]
    write_figures(figures, name=name, seed=chosen, digest=digest, path=path.with_suffix(".figures.json"))
    return Rebuilt(weights=path, seed=chosen, rows=compare(shipped, figures))


def _shipped(name: str, system: System | None) -> tuple[int, tuple[Figure, ...]]:
    if system is None:
        about = read_metadata(weights_path(name))
        return int(about["seed"]), _twin_figures(about)
    path = _systems.figures_of(system)
    return read_figures(path) if path.is_file() else (_systems.SHIPPED_SEED, ())


def _train_system(system: System, out: Path, seed: int, say: Callable[[str], None]) -> tuple[Path, tuple[Figure, ...]]:
    made = _systems.recipe_of(system).train(system.name, seed=seed, say=say)
    metadata = {"name": system.name, "seed": str(seed), **made.metadata}
    return write_weights(made.tensors, metadata, out / f"{system.name}.safetensors"), made.figures


def _train_twin(name: str, out: Path, seed: int) -> tuple[Path, tuple[Figure, ...]]:
    from audit.reference._recipe import TWINS, Recipe
    from audit.reference._training import train

    recipe = Recipe()
    trained = train(TWINS[name], seed=seed, recipe=recipe)
    metadata = {
        "name": name,
        "seed": str(seed),
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "composition": json.dumps(asdict(TWINS[name].composition), sort_keys=True),
        "defended": json.dumps(TWINS[name].defended),
        "operating_point": repr(trained.operating_point),
        "validation_sensitivity": f"{trained.sensitivity:.4f}",
        "validation_specificity": f"{trained.specificity:.4f}",
    }
    tensors = {key: value.numpy() for key, value in trained.net.state_dict().items()}
    return write_weights(tensors, metadata, out / f"{name}.safetensors"), _twin_figures(metadata)


def _twin_figures(about: dict[str, str]) -> tuple[Figure, ...]:
    """Return the rates of the validation planes, which set the operating point and half of which have either label."""
    import numpy as np

    from audit.core import Levels
    from audit.reference._system import Figure
    from audit.stats import proportion

    n = json.loads(about["recipe"])["n_validation"] // 2
    said = "on the planes that set the operating point"
    rates = {rate: round(float(about[f"validation_{rate}"]) * n) for rate in ("sensitivity", "specificity")}
    return tuple(
        Figure.of(f"{rate}, validation", proportion(np.arange(n) < hits, np.arange(n), Levels()), said)
        for rate, hits in rates.items()
    )
