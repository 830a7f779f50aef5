"""Kind `mlflow`: a version of a registry, or a model of a run."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from audit.core import ImagingModel, ModelSpec
from audit.models._flavour import load_flavour
from audit.models._registered import fetch, resolve

# Some kinds read their file again for their digest, so it stays until this process ends.
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def load_mlflow(spec: ModelSpec, root: Path) -> ImagingModel:
    """Return the model that a models:/ or runs:/ URI means now, loaded without running code of its own.

    Args:
        spec: The declaration; `path` is the URI.
        root: Not used.

    Raises:
        InputError: The registry has no such version.
        ModelError: It cannot be loaded, or contradicts its declaration.
        UnsafeModelError: Loading it would run code.
        MissingExtraError: mlflow is not installed.
    """
    del root
    version = resolve(spec.path or "")
    _KEPT.append(tempfile.TemporaryDirectory(prefix="audit-mlflow-"))
    folder = fetch(version, Path(_KEPT[-1].name) / "model")
    return load_flavour(named(spec, version.name, version.version), folder)


def named(spec: ModelSpec, name: str, version: str) -> ModelSpec:
    """Return a declaration that bears the registry's name and number where it has none of its own."""
    return replace(spec, name=spec.name or name, version=spec.version or version)
