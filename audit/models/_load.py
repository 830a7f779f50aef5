"""One door for every kind of model."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path

from audit.core import KINDS, ImagingModel, ModelSpec
from audit.errors import ModelError

_LOADERS = {
    "torch": "audit.models._torch:load_torch",
    "torch-export": "audit.models._export:load_export",
    "torchscript": "audit.models._torchscript:load_torchscript",
    "onnx": "audit.models._onnx:load_onnx",
    "sklearn": "audit.models._sklearn:load_sklearn",
    "callable": "audit.models._callable:load_callable",
    "predictions": "audit.models._predictions:load_predictions",
    "mlflow": "audit.models._mlflow:load_mlflow",
    "http": "audit.models._http:load_http",
}


def load_model(spec: ModelSpec, root: Path) -> ImagingModel:
    """Load the model that `[model]` of audit.toml declares.

    Args:
        spec: The declaration.
        root: The folder of audit.toml; paths and factories are looked for there first.

    Returns:
        A model whose card says how deep it may be probed. Kinds that run a network give gradients
        (`audit.core.DifferentiableModel`); `predictions` gives a `SavedPredictions`.

    Raises:
        ModelError: The model cannot be loaded or contradicts its declaration.
        UnsafeModelError: Loading the file would run code.
        MissingExtraError: A package that this kind needs is not installed.
    """
    if spec.kind not in _LOADERS:
        near = difflib.get_close_matches(spec.kind, KINDS, n=1)
        raise ModelError(
            "this is no kind of model", expected=", ".join(KINDS), got=repr(spec.kind),
            fix=f"did you mean {near[0]!r}?" if near else "correct [model] kind",
        )  # fmt: skip
    module, _, name = _LOADERS[spec.kind].partition(":")
    model: ImagingModel = getattr(import_module(module), name)(spec, root)
    return model
