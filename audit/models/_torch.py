"""Kind `torch`: a factory builds the network, the weights are tensors and nothing but tensors."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.core import ModelSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models._declare import model_file
from audit.models._extras import require
from audit.models._network import TorchModel, check_module, from_module
from audit.models._objects import LocalModules, find_object
from audit.models._pickles import unsafe_globals

_SHOWN = 4


def load_torch(spec: ModelSpec, root: Path) -> TorchModel:
    """Return the model of a factory and a file of weights.

    Args:
        spec: The declaration, with `factory` and `path`.
        root: The folder of audit.toml; the factory is looked for there first.

    Raises:
        ModelError: No factory, no file, or weights that do not fit the architecture.
        UnsafeModelError: The file would run code when unpickled.
    """
    require("torch", "torch")
    if not spec.factory:
        raise ModelError(
            'kind = "torch" needs a factory', expected='[model] factory = "module:object"',
            fix="name the function that builds the architecture; weights alone have none",
        )  # fmt: skip
    file = model_file(spec, root)
    weights = read_weights(file)
    with LocalModules(root):
        factory = find_object(spec.factory)
        net = _build(factory, spec.factory)
        check_module(net)
    _fill(net, weights, file.name)
    return from_module(net, spec)


def _build(factory: Any, name: str) -> Any:
    try:
        return factory()
    # The user's own code may raise anything, or leave.
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"the factory {name} fails", expected="a call without arguments that returns the network",
            got=f"{type(error).__name__}: {error}", fix="run the factory by itself",
        ) from error  # fmt: skip


def read_weights(file: Path) -> Mapping[str, Any]:
    """Return the tensors of a safetensors file or of a state dict, never running what a pickle asks for.

    Args:
        file: `.safetensors`, or a state dict that torch.save wrote.

    Raises:
        ModelError: The file cannot be read, or holds something else.
        UnsafeModelError: The file would run code when unpickled.
    """
    found = _read_safetensors(file) if file.suffix == ".safetensors" else _read_state_dict(file)
    inner = found.get("state_dict") if isinstance(found, Mapping) else None
    if isinstance(inner, Mapping):
        found = inner
    torch = require("torch", "torch")
    if not isinstance(found, Mapping) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise ModelError(
            f"{file.name} holds no state dict", expected="tensors by name",
            got=type(found).__name__ if not isinstance(found, Mapping) else "values that are no tensors",
            fix="save model.state_dict(), best as safetensors",
        )  # fmt: skip
    return found


def _read_safetensors(file: Path) -> Any:
    safetensors = require("safetensors", "torch")
    try:
        return require("safetensors.torch", "torch").load_file(file)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ModelError(
            f"{file.name} is no readable safetensors file", got=str(error)[:200], fix="write the weights again"
        ) from error


def _read_state_dict(file: Path) -> Any:
    torch = require("torch", "torch")
    try:
        with warnings.catch_warnings():
            # torch warns of the pickle's protocol before it refuses or reads it; both outcomes are told below.
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refusal(file) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        if unsafe_globals(file):
            raise refusal(file) from error
        script = "TorchScript" in str(error)
        raise ModelError(
            f"{file.name} cannot be read as a state dict", expected="a file that torch.save(model.state_dict()) wrote",
            got="a TorchScript archive" if script else f"{type(error).__name__}",
            fix='use kind = "torchscript"' if script else "write the weights again, best as safetensors",
        ) from error  # fmt: skip


def refusal(file: Path) -> UnsafeModelError:
    """Return the error for a pickle that wants more than tensors."""
    names = unsafe_globals(file)
    wanted = ", ".join(names[:_SHOWN]) + (" and more" if len(names) > _SHOWN else "")
    return UnsafeModelError(
        f"{file.name} is a pickle that would run code when it is loaded; it was refused and nothing of it was run",
        expected="tensors by name, nothing else",
        got=f"a pickle that wants {wanted}" if wanted else "a pickle that is not a plain state dict",
        fix="load it where you trust it and save model.state_dict() as safetensors",
    )


def _fill(net: Any, weights: Mapping[str, Any], name: str) -> None:
    """Put the weights into the network; every name and shape must match.

    Raises:
        ModelError: Names are missing or unexpected, or shapes differ.
    """
    own = net.state_dict()
    faults = []
    for label, names in (
        ("missing", [k for k in own if k not in weights]),
        ("unexpected", [k for k in weights if k not in own]),
        (
            "of another shape",
            [
                f"{k} {tuple(weights[k].shape)} for {tuple(own[k].shape)}"
                for k in own
                if k in weights and weights[k].shape != own[k].shape
            ],
        ),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            faults.append(f"{label}: {', '.join(names[:_SHOWN])}{more}")
    if faults:
        prefixed = all(k.startswith("module.") for k in weights)
        fix = 'strip "module." from the names' if prefixed else "name the factory that these weights come from"
        raise ModelError(
            f"the weights of {name} do not fit the factory's architecture",
            expected=f"the {len(own)} tensors of the architecture", got="; ".join(faults),
            fix=fix,
        )  # fmt: skip
    net.load_state_dict(dict(weights), strict=True)
