"""A model that is a torch module, however it was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import ModelError
from audit.models._declare import check_images, check_input, make_card
from audit.models._digest import model_digest, tensor_parts
from audit.models._extras import require
from audit.models._pipeline import build_pipeline

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TorchModel:
    """A torch module with its preprocessing, in eval mode, on the CPU, in float32.

    Args:
        net: The network, from prepared images to raw outputs, already in eval mode.
        spec: The declaration.
        notes: Remarks for the report.
        phantom: True for a model of simulated images.
        fixed_batch: Number of images that the network always wants, where it cannot take another.
        identity: Further parts of its identity beside its tensors, by name, for example the graph.

    Raises:
        ModelError: The declared input contradicts itself.
        MissingExtraError: torch is not installed.
    """

    def __init__(
        self,
        net: Any,
        spec: ModelSpec,
        *,
        notes: tuple[str, ...] = (),
        phantom: bool = False,
        fixed_batch: int | None = None,
        identity: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        require("torch", "torch")
        check_input(spec.input)
        self._net, self._spec, self._identity = net, spec, identity
        self._module = build_pipeline(net, spec, fixed_batch=fixed_batch)
        self._card = make_card(spec, access=Access.GRADIENT, digest=self.state_digest(), notes=notes, phantom=phantom)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def module(self) -> Any:
        """The module from stored intensities to raw outputs; its `net` is the network itself."""
        return self._module

    def forward(self, images: Any) -> Any:
        """Return raw outputs as a tensor, differentiable in `images`.

        Args:
            images: (n, channels, *spatial) float32 tensor of stored intensities.

        Returns:
            (n, k) or, for masks, (n, k, *spatial).

        Raises:
            ModelError: The network cannot take these images, or answers in another shape than declared.
        """
        return ask(self._module, images, self._spec)

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`."""
        return ask_numpy(self._module, images, self._spec)

    def state_digest(self) -> str:
        """Return the digest of parameters and buffers as they are in memory now, and of the declaration."""
        return model_digest([*tensor_parts(self._net), *self._identity], self._spec)


def ask(module: Any, images: Any, spec: ModelSpec, *, own: bool = False) -> Any:
    """Return a pipeline's answer to a tensor of images.

    Args:
        module: The pipeline.
        images: (n, channels, *spatial) float32 tensor.
        spec: The declaration.
        own: Whether the tensor may be written into; else a network that works in place is given a copy.

    Raises:
        ModelError: The network cannot take these images, or answers in another shape than declared.
    """
    check_images(images, spec.input)
    try:
        return module(images if own else images.clone())
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise ModelError(
            "the model fails on a batch of images", expected=f"an answer for {tuple(images.shape)}",
            got=first_line(error), fix="check size, channels and factory in [model]",
        ) from error  # fmt: skip


def ask_numpy(module: Any, images: NDArray[np.floating[Any]], spec: ModelSpec) -> NDArray[np.float64]:
    """Return a pipeline's answer to an array of images, (n, k[, *spatial]) float64; see `ask`."""
    import torch

    batch = torch.from_numpy(np.array(images, dtype=np.float32))
    with torch.inference_mode():
        answer: NDArray[np.float64] = ask(module, batch, spec, own=True).double().cpu().numpy()
    return answer


def first_line(error: Exception) -> str:
    """Return the kind and the first line of an error, for a message."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:200]}"


def from_module(module: Any, spec: ModelSpec, *, notes: tuple[str, ...] = (), phantom: bool = False) -> TorchModel:
    """Return the model of a torch module that is in memory already.

    The module is taken as it is: it is put into eval mode and float32, and its parameters no longer ask for gradients.

    Args:
        module: A `torch.nn.Module` from prepared images to raw outputs.
        spec: The declaration.
        notes: Remarks for the report.
        phantom: True for a model of simulated images.

    Raises:
        ModelError: Not a torch module, or a declared input that contradicts itself.
        MissingExtraError: torch is not installed.
    """
    check_module(module)
    return TorchModel(module.cpu().float().eval(), spec, notes=notes, phantom=phantom)


def check_module(module: Any) -> None:
    """Check that an object is a network.

    Raises:
        ModelError: It is no torch module.
    """
    torch = require("torch", "torch")
    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            "this is no network", expected="a torch.nn.Module", got=type(module).__name__,
            fix='return the module from the factory, or use kind = "callable"',
        )  # fmt: skip
