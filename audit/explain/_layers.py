"""Which layer Grad-CAM looks at."""

from __future__ import annotations

from typing import Any

from audit.core import ModelCard


def layer_of(module: Any, card: ModelCard, image: Any, declared: str | None = None) -> tuple[str, str]:
    """Return the name of the layer that Grad-CAM looks at, or an empty one and the reason why there is none.

    The declared layer, where there is one. Else, of the layers and blocks whose output is spatial with more than one
    position and that run once an image: the last one to finish (Selvaraju 2017); for a segmentation, whose last layers
    are the answer itself, the last of those with the fewest positions, the bottleneck (Vinogradova 2020).

    Args:
        module: The module from images to raw outputs.
        card: The model's card.
        image: (1, channels, *spatial) tensor.
        declared: Name of a layer in the network itself.
    """
    runs, shapes = _outputs(module, image)
    if declared is not None:
        own = next((n for n in (declared, f"net.{declared}") if n in dict(module.named_modules())), "")
        if not own:
            return "", f"the network has no layer {declared!r}"
        if runs.get(own, 0) != 1:
            return "", f"the declared layer {declared!r} runs {runs.get(own, 0)} times an image; it must run once"
        if not _spatial(shapes[own], image):
            return "", f"the declared layer {declared!r} gives {shapes[own] or 'no array'}, which has no positions"
        return own, ""
    found = [n for n in shapes if n not in ("", "net") and runs[n] == 1 and _spatial(shapes[n], image)]
    if not found:
        return "", "no layer that runs once an image gives an output with more than one position"
    if card.task != "segmentation":
        return found[-1], ""
    fewest = min(_positions(shapes[n]) for n in found)
    return [n for n in found if _positions(shapes[n]) == fewest][-1], ""


def _outputs(module: Any, image: Any) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return how often each layer runs, and the shape of its last output, in the order in which they ran last."""
    import torch

    runs: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    handles = []

    def watch(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            runs[name] = runs.get(name, 0) + 1
            shapes.pop(name, None)
            shapes[name] = tuple(output.shape) if torch.is_tensor(output) else ()

        return hook

    for name, layer in module.named_modules():
        if name and not isinstance(layer, torch.jit.ScriptModule):
            handles.append(layer.register_forward_hook(watch(name)))
    try:
        with torch.no_grad():
            module(image)
    finally:
        for handle in handles:
            handle.remove()
    return runs, shapes


def _spatial(shape: tuple[int, ...], image: Any) -> bool:
    return len(shape) == image.ndim and shape[0] == len(image) and _positions(shape) > 1


def _positions(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape[2:]:
        count *= side
    return count
