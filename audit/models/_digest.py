"""The digest that identifies a model: its weights and what is declared about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from audit.core import ModelSpec, canonical_json


def declaration(spec: ModelSpec) -> dict[str, Any]:
    """Return the declared part of a model's identity: whatever changes a score or a decision."""
    horizon = {} if spec.horizon is None else {"horizon": spec.horizon}
    return {
        **horizon,
        "input": spec.input,
        "task": spec.task,
        "output": spec.output,
        "classes": spec.classes,
        "operating_point": spec.operating_point,
    }


def model_digest(parts: Iterable[tuple[str, bytes]], spec: ModelSpec) -> str:
    """Return the sha256 (hex) over named byte strings, by sorted name, and the declaration.

    Args:
        parts: Names and contents, for example one entry a tensor.
        spec: The declaration.
    """
    whole = hashlib.sha256()
    for name, content in sorted(parts):
        # Lengths first, so that no two different lists of parts give the same stream of bytes.
        whole.update(f"{len(name)}:{name}{len(content)}:".encode())
        whole.update(content)
    whole.update(canonical_json(declaration(spec)).encode())
    return whole.hexdigest()


def tensor_parts(module: Any) -> list[tuple[str, bytes]]:
    """Return every parameter and buffer of a torch module, those that are not saved among them.

    Args:
        module: A `torch.nn.Module` or `torch.jit.ScriptModule`.
    """
    import torch

    named = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers())}
    parts = []
    for name, tensor in named.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        parts.append((f"{name}|{tensor.dtype}|{tuple(tensor.shape)}", flat.numpy().tobytes()))
    return parts
