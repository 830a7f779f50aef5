"""The reference models that the suite ships, and how to make them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from audit.errors import InputError
from audit.reference._needs import needs


@dataclass(frozen=True, kw_only=True)
class ReferenceModel:
    """One row of the list of reference models.

    Attributes:
        name: Its name.
        title: What it does and what is special about it.
        task: Its task.
        size_bytes: Size of its weights.
    """

    name: str
    title: str
    task: str
    size_bytes: int


def weights_path(name: str) -> Path:
    """Return the shipped weights of a twin.

    Raises:
        InputError: There is no reference model of this name.
    """
    from audit.reference._recipe import TWINS

    if name not in TWINS:
        raise InputError(
            "no such reference model", expected=", ".join(TWINS), got=name, fix="see `audit reference list`"
        )
    return Path(str(files("audit.reference"))) / "weights" / f"{name}.safetensors"


def list_models() -> tuple[ReferenceModel, ...]:
    """Return the reference models whose weights are shipped."""
    from audit.reference._recipe import TWINS

    return tuple(
        ReferenceModel(
            name=twin.name, title=twin.title, task="binary", size_bytes=weights_path(twin.name).stat().st_size
        )
        for twin in TWINS.values()
        if weights_path(twin.name).is_file()
    )


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file of weights: recipe, seed, operating point; tensors are not read."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    return dict(header.get("__metadata__", {}))


def build(name: str, out: Path, *, seed: int | None = None) -> Path:
    """Train a reference model again from its recipe, a few minutes on one core.

    Args:
        name: One of `list_models`.
        out: Folder for the weights; made if absent.
        seed: Another seed than that of the shipped weights.

    Returns:
        The file of weights.

    Raises:
        InputError: There is no reference model of this name.
        MissingExtraError: torch or nilearn is not installed.
    """
    weights_path(name)
    needs("torch", "torch")
    needs("nilearn", "reference")
    from audit.reference._recipe import SHIPPED_SEED, TWINS, Recipe
    from audit.reference._training import train

    recipe, chosen = Recipe(), SHIPPED_SEED if seed is None else seed
    trained = train(TWINS[name], seed=chosen, recipe=recipe)
    metadata = {
        "name": name,
        "seed": str(chosen),
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "composition": json.dumps(asdict(TWINS[name].composition), sort_keys=True),
        "defended": json.dumps(TWINS[name].defended),
        "operating_point": repr(trained.operating_point),
        "validation_sensitivity": f"{trained.sensitivity:.4f}",
        "validation_specificity": f"{trained.specificity:.4f}",
    }
    return _write(trained.net, metadata, out / f"{name}.safetensors")


def _write(net: object, metadata: dict[str, str], path: Path) -> Path:
    """Write tensors and metadata, with a digest of the tensors, by atomic rename."""
    import hashlib

    from safetensors.torch import save

    tensors = {key: value.contiguous() for key, value in net.state_dict().items()}  # type: ignore[attr-defined]
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode() + tensors[key].numpy().tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(save(tensors, metadata=metadata | {"tensors_sha256": digest.hexdigest()}))
    return part.replace(path)
