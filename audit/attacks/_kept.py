"""Memory for what is needed for a moment: taken anew for every step, it would be fetched page by page."""

from __future__ import annotations

from typing import Any


class Kept:
    """Tensors by name, each as large as the largest that was asked for; asked for again, it is written over."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        self._last: dict[str, Any] = {}

    def like(self, name: str, tensor: Any, dtype: Any = None) -> Any:
        """Return a tensor of the shape of another, whose values are arbitrary.

        Args:
            name: What it is for, always in the same precision and on the same device.
            tensor: The other one.
            dtype: Its type; by default that of the other.
        """
        shape = tensor.shape
        before = self._last.get(name)
        if before is not None and before.shape == shape:
            return before
        held, size = self._held.get(name), tensor.numel()
        if held is None or held.numel() < size:
            held = self._held[name] = tensor.new_empty(size, dtype=dtype or tensor.dtype)
        last = self._last[name] = held[:size].view(shape)
        return last
