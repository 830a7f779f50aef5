"""What an MLflow model is made of, read from `MLmodel` without running any of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.core import ImagingModel, ModelSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models._extras import require
from audit.models._load import load_model

_LARGEST = 2**20
_NATIVE = {"pytorch": "mlflow.pytorch", "onnx": "mlflow.onnx", "sklearn": "mlflow.sklearn"}


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """How a version is loaded.

    Args:
        name: `pytorch`, `onnx`, `sklearn` or `python_function`.
        kind: The kind of model that loads it without running code; empty where loading runs code.
        file: The file that this kind reads.
        why: Where loading runs code: what would be run.
        digest: sha256 over the bytes that decide the answers.
    """

    name: str
    kind: str = ""
    file: Path | None = None
    why: str = ""
    digest: str = ""

    @property
    def runs_code(self) -> bool:
        """Whether code that came with the version is run when it is loaded."""
        return not self.kind


def flavour_of(folder: Path) -> Flavour:
    """Return how the model in a folder is loaded.

    Args:
        folder: Holds `MLmodel`.

    Raises:
        ModelError: `MLmodel` cannot be read, or names two models that may differ.
        UnsafeModelError: It names a file outside of the folder.
    """
    said = _flavours(folder / "MLmodel")
    python = _table(said.get("python_function"))
    native = [name for name in _NATIVE if name in said]
    if len(native) > 1:
        raise ModelError(
            "the version holds two models, of which only one would be audited", expected="one native flavour",
            got=" and ".join(native), fix="log each of them by itself",
        )  # fmt: skip
    if not native:
        why = f"python_function, loaded by {python.get('loader_module', 'unknown code')}"[:80]
        return Flavour(name="python_function", why=why, digest=_digest(folder, _all(folder)))
    name = native[0]
    loader = python.get("loader_module", _NATIVE[name])
    if loader != _NATIVE[name]:
        # Whoever serves it as python_function gets another model than the one that is beside it.
        why = f"python_function, loaded by {loader}"[:80]
        return Flavour(name="python_function", why=why, digest=_digest(folder, _all(folder)))
    found = _native(name, _table(said[name]), folder)
    if _table(said[name]).get("code") or python.get("code"):
        found = Flavour(name=name, why="code that was logged with it")
    files = _beside(found.file) if found.file is not None else _all(folder)
    return replace(found, digest=_digest(folder, files))


def _native(name: str, table: Mapping[str, Any], folder: Path) -> Flavour:
    if name == "pytorch":
        file = _inside(folder, f"{table.get('model_data', 'data')}/model.pt2")
        if file.is_file():
            return Flavour(name=name, kind="torch-export", file=file)
        return Flavour(name=name, why="a pickle of torch.save")
    if name == "onnx":
        file = _inside(folder, str(table.get("data", "")))
        if file.is_file():
            return Flavour(name=name, kind="onnx", file=file)
        raise _absent(name, file)
    file = _inside(folder, str(table.get("pickled_model", "")))
    if table.get("serialization_format") == "skops" and file.is_file():
        return Flavour(name=name, kind="sklearn", file=file)
    return Flavour(name=name, why=f"a pickle ({str(table.get('serialization_format'))[:20]})")


def _absent(name: str, file: Path) -> ModelError:
    return ModelError(
        f"the {name} model is not where MLmodel says", expected=f"a file {file.name}", got="none",
        fix="log the model again",
    )  # fmt: skip


def _flavours(file: Path) -> Mapping[str, Any]:
    yaml = require("yaml", "mlflow")
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes")
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
        flavours = read["flavors"]
        if not isinstance(flavours, dict):
            raise TypeError("no table of flavours")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ModelError(
            "MLmodel cannot be read", expected="the file that mlflow.<flavour>.log_model wrote",
            got=" ".join(str(error).split())[:100], fix="log the model again",
        ) from error  # fmt: skip
    return flavours


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _inside(folder: Path, name: str) -> Path:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise UnsafeModelError(
            "MLmodel names a file outside of the version", expected="a path inside", got=repr(name)[:80],
            fix="log the model again",
        )  # fmt: skip
    return file


def _beside(file: Path) -> list[Path]:
    """Return the file and its neighbours: ONNX keeps large weights in files beside it."""
    return [file] if file.suffix != ".onnx" else _all(file.parent)


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _digest(folder: Path, files: list[Path]) -> str:
    whole, base = hashlib.sha256(), folder.resolve()
    for file in sorted(files):
        with file.open("rb") as f:
            content = hashlib.file_digest(f, "sha256").hexdigest()
        name = file.resolve().relative_to(base).as_posix()
        whole.update(f"{len(name)}:{name}{content}".encode())
    return whole.hexdigest()


def load_flavour(spec: ModelSpec, folder: Path, *, trusted: bool = False) -> ImagingModel:
    """Return the model of a downloaded version.

    Args:
        spec: The declaration; its kind and path are those of the flavour instead.
        folder: Holds `MLmodel`.
        trusted: Whether code that came with the model may be run, which only an isolated process should be told.

    Raises:
        ModelError: The model cannot be loaded or contradicts its declaration.
        UnsafeModelError: Loading it would run code.
    """
    flavour = flavour_of(folder)
    if not flavour.runs_code and flavour.file is not None:
        name = spec.name or flavour.file.stem
        own = replace(spec, kind=flavour.kind, path=str(flavour.file), factory=None, timeout=None, name=name)
        return load_model(own, folder)
    if not trusted:
        raise refusal(flavour)
    from audit.models._pyfunc import PyfuncModel

    return PyfuncModel(folder, spec, flavour.digest)


def refusal(flavour: Flavour) -> UnsafeModelError:
    """Return the error of a flavour that runs code when it is loaded."""
    return UnsafeModelError(
        "loading this version would run code that came with it; it was refused and nothing of it was run",
        expected="pytorch as pt2, onnx, or sklearn as skops", got=flavour.why,
        fix='log it with serialization_format="pt2" or "skops", or trust this registered model by name at the gate',
    )  # fmt: skip
