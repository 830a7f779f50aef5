"""Weights and figures of a reference model on the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import InputError
from audit.reference._system import Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGITS = 6


def write_weights(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], path: Path) -> Path:
    """Write tensors and metadata, with a digest of the tensors, by atomic rename.

    Args:
        tensors: Weights by name.
        metadata: What stands beside them; "tensors_sha256" is added.
        path: The file; its folder is made if absent.
    """
    import numpy as np
    from safetensors.numpy import save

    # `ascontiguousarray` would make a row of a single number, such as the steps that a batch norm counts.
    held = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    data = save(held, metadata={**metadata, "tensors_sha256": tensors_digest(held)})
    return _write(_in_order(data), path)


def _in_order(data: bytes) -> bytes:
    """Return a file of safetensors with its header sorted: the library writes metadata in an order of the moment."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def tensors_digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the sha256 of names and values."""
    summed = hashlib.sha256()
    for name in sorted(tensors):
        summed.update(name.encode() + tensors[name].tobytes())
    return summed.hexdigest()


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file of weights: recipe, seed, operating point; tensors are not read."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    return dict(header.get("__metadata__", {}))


def write_figures(figures: Sequence[Figure], *, name: str, seed: int, digest: str, path: Path) -> Path:
    """Write figures as JSON, with the seed and the digest of the weights that they are of.

    Args:
        figures: What was measured.
        name: The model.
        seed: Of its training.
        digest: Of its tensors.
        path: The file.

    Raises:
        ValueError: Two figures have one name, or a number is not finite.
    """
    if len({f.name for f in figures}) != len(figures):
        raise ValueError(f"{name}: two figures have one name")
    rows = [{k: _rounded(v) for k, v in asdict(f).items()} for f in figures]
    content = {"name": name, "seed": seed, "tensors_sha256": digest, "phantom": True, "figures": rows}
    return _write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), path)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def read_figures(path: Path) -> tuple[int, tuple[Figure, ...]]:
    """Return seed and figures that `write_figures` wrote.

    Raises:
        InputError: There is no such file.
    """
    if not path.is_file():
        raise InputError(
            f"{path.name}: no figures there", expected="what `audit reference build` wrote", got="nothing",
            fix="build the model",
        )  # fmt: skip
    content = json.loads(path.read_text(encoding="utf-8"))
    return int(content["seed"]), tuple(Figure(**row) for row in content["figures"])


def _write(data: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    return part.replace(path)
