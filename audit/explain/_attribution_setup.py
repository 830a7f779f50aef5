"""What attribution maps are made of, and how many images fit in memory at once."""

from __future__ import annotations

import contextlib
import copy
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import DifferentiableModel
from audit.errors import MissingExtraError
from audit.explain._explained import Explained

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMORY = 2**26
"""Bytes that one batch may keep for its backward pass: 64 MiB. About four times as much is in use at the peak, by the
pass itself and by captum; small volumes stay within 1 GB with all libraries loaded."""
CHECKED = 4
"""Cases of a batch on which the checks that are not free are made."""
_COPIES = 4
"""An image is held as itself, on its path, as what it is multiplied with, and as its gradient."""
REFUSALS = (
    RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError, NotImplementedError,
    ArithmeticError, NameError, copy.Error,
)  # fmt: skip
"""What a network may raise that is copied, traced, hooked or run in another precision; a method then has no map."""

_KEPT: weakref.WeakKeyDictionary[Any, dict[tuple[Any, ...], int]] = weakref.WeakKeyDictionary()
"""Bytes that an image keeps for the backward pass, by module and shape; they do not hang on the weights."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """What maps are made of; the fields are those of `audit.explain.attribute`."""

    model: DifferentiableModel
    images: NDArray[np.float32]
    baseline: NDArray[np.float32]
    explained: Explained
    rng: np.random.Generator
    batch: int
    checks: bool
    points: int = 32

    @property
    def device(self) -> Any:
        """Where the model's parameters are."""
        import torch

        return next((p.device for p in self.model.module.parameters()), torch.device("cpu"))

    def tensor(self, values: NDArray[Any]) -> Any:
        """Return an array as a tensor beside the model's parameters."""
        import torch

        return torch.as_tensor(np.ascontiguousarray(values), device=self.device)

    def chunks(self, size: int) -> Iterator[tuple[slice, Any, Any, tuple[Any, ...]]]:
        """Yield rows, images, baselines and what is explained of them, at most `size` cases at a time."""
        for start in range(0, len(self.images), size):
            rows = slice(start, start + size)
            given = tuple(t.to(self.device) for t in self.explained.take(rows).tensors())
            yield rows, self.tensor(self.images[rows]), self.tensor(self.baseline[rows]), given


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Some of the maps; the fields are those of `audit.explain.Maps`."""

    values: dict[str, NDArray[np.float64]]
    refused: dict[str, str] = field(default_factory=dict)
    completeness: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    layer: str = ""


def captum() -> Any:
    """Return captum's attribution methods.

    Raises:
        MissingExtraError: captum is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise MissingExtraError("captum", "torch") from error
    return captum.attr


def forward_of(model: DifferentiableModel) -> Callable[[Any], Any]:
    """Return the model's forward; one that answers in tiles keeps no more than one tile for its backward pass."""
    module = model.module
    if model.card.input.tile is None or not hasattr(module, "tiled"):
        return model.forward
    from torch.utils.checkpoint import checkpoint

    # Shares every weight with the audited module; only how a tile is answered differs.
    twin = copy.copy(module)

    def answer(x: Any) -> Any:
        return checkpoint(module.answer, x, use_reentrant=False) if x.requires_grad else module.answer(x)

    object.__setattr__(twin, "answer", answer)
    tiled: Callable[[Any], Any] = twin
    return tiled


def affordable(model: DifferentiableModel, image: Any, most: int) -> int:
    """Return how many images fit in `MEMORY`, from what one of them keeps for its backward pass.

    Of a volume that is answered in tiles that is one tile, besides the volume itself and its gradient.

    Args:
        model: The model.
        image: (1, channels, *spatial) tensor.
        most: The largest answer.
    """
    known = _KEPT.setdefault(model.module, {})
    key = (*image.shape[1:], str(image.dtype), model.card.input.tile)
    if key not in known:
        known[key] = _kept(model, image)
    own = _COPIES * int(image.element_size() * image.nelement())
    return max(1, min(most, MEMORY // (own + known[key])))


def _kept(model: DifferentiableModel, image: Any) -> int:
    """Return the bytes that the answer to one image, or to one of its tiles, keeps for the backward pass."""
    import torch

    kept: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tile, module = model.card.input.tile, model.module
    forward, x = model.forward, image
    if tile is not None and hasattr(module, "answer"):
        forward, x = module.answer, image[(..., *(slice(0, t) for t in tile))]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward(x.detach().clone().requires_grad_())
    return sum(kept.values())


def slope(output: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient of the sum of outputs at images; 0 where the graph does not reach them.

    Args:
        output: From images to one number a case.
        x: (n, channels, *spatial) tensor.
    """
    import torch

    x = x.detach().requires_grad_()
    said = output(x)
    found = torch.autograd.grad(said.sum(), x, allow_unused=True)[0] if said.requires_grad else None
    return torch.zeros_like(x) if found is None else found


@contextlib.contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Make what a library draws from the process's generators follow `rng`, and leave those as they were."""
    import torch

    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
            torch.manual_seed(int(rng.integers(2**63)))
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def told(error: BaseException) -> str:
    """Return the kind and the first line of an error, for a reason."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:160]}"


def array(values: Any) -> NDArray[np.float64]:
    """Return a tensor as a float64 array."""
    out: NDArray[np.float64] = values.detach().double().cpu().numpy()
    return out


def distance(total: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) relative distances of sums of maps from changes of the output; infinite where it does not change."""
    return np.where(change == 0, np.inf, np.abs(total - change) / np.maximum(np.abs(change), 1e-300))
