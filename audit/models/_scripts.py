"""TorchScript modules that can be sent to another machine."""

from __future__ import annotations

import copyreg
import sys
from io import BytesIO
from typing import Any


def sendable_scripts() -> None:
    """Let pickle take TorchScript modules, as their own archives; without torch there are none."""
    torch = sys.modules.get("torch")
    if torch is not None:
        copyreg.pickle(torch.jit.RecursiveScriptModule, _parts)


def _parts(module: Any) -> tuple[Any, tuple[bytes, bool]]:
    import torch

    buffer = BytesIO()
    torch.jit.save(module, buffer)
    return _again, (buffer.getvalue(), bool(module.training))


def _again(data: bytes, training: bool) -> Any:
    import torch

    return torch.jit.load(BytesIO(data), map_location="cpu").train(training)
