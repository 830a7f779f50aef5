"""Kind `callable`: a function from stored intensities to outputs; nothing is known of its inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import AuditError, ModelError
from audit.models._declare import check_images, make_card, shaped
from audit.models._digest import model_digest
from audit.models._objects import LocalModules, find_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOTE = "a callable: its weights cannot be hashed, so the digest stands for {what} and the declaration only"


class CallableModel:
    """A function that answers batches of stored intensities.

    Args:
        function: From (n, channels, *spatial) to (n,), (n, k) or masks.
        spec: The declaration.
        local: Block in which the function is called, so that what it imports late is found.
        phantom: True for a model of simulated images.
    """

    def __init__(
        self,
        function: Callable[[NDArray[Any]], Any],
        spec: ModelSpec,
        *,
        local: AbstractContextManager[Any] | None = None,
        phantom: bool = False,
    ) -> None:
        if not callable(function):
            raise ModelError(
                "this cannot be called", expected="a function of a batch of images", got=type(function).__name__,
                fix="name a function in [model] factory",
            )  # fmt: skip
        self._function, self._spec, self._local = function, spec, local or nullcontext()
        what = "its source" if _source(function) else "its name"
        self._card = make_card(
            spec, access=Access.QUERY, digest=self.state_digest(), notes=(_NOTE.format(what=what),), phantom=phantom
        )

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def function(self) -> Callable[[NDArray[Any]], Any]:
        """The function itself, whose source the digest stands for."""
        return self._function

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`."""
        check_images(images, self._spec.input)
        try:
            with self._local:
                # A copy, so that a function that works in place cannot change the caller's images.
                answer = np.array(self._function(np.array(images)), dtype=np.float64)
        except AuditError:
            raise
        # The user's own function may raise anything, or leave.
        except (Exception, SystemExit) as error:
            raise ModelError(
                "the callable fails on a batch of images", expected=f"an answer for {tuple(images.shape)}",
                got=f"{type(error).__name__}: {error}", fix="call it by itself with such a batch",
            ) from error  # fmt: skip
        out: NDArray[np.float64] = shaped(answer, images, self._spec)
        return out

    def state_digest(self) -> str:
        """Return the digest of the function's source, as far as it can be read, and of the declaration."""
        target = self._function if hasattr(self._function, "__qualname__") else type(self._function)
        parts = [("name", str(getattr(target, "__qualname__", "")).encode()), ("source", _source(self._function))]
        return model_digest(parts, self._spec)


def _source(function: Any) -> bytes:
    target = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    try:
        return Path(inspect.getfile(target)).read_bytes()
    except (OSError, TypeError):
        return b""


def from_callable(function: Callable[[NDArray[Any]], Any], spec: ModelSpec, *, phantom: bool = False) -> CallableModel:
    """Return the model of a function that is in memory already.

    Args:
        function: From (n, channels, *spatial) stored intensities to (n,), (n, k) or masks.
        spec: The declaration.
        phantom: True for a model of simulated images.

    Raises:
        ModelError: The object cannot be called.
    """
    return CallableModel(function, spec, phantom=phantom)


def load_callable(spec: ModelSpec, root: Path) -> CallableModel:
    """Return the model that `factory` names; see `load_model`.

    Raises:
        ModelError: No factory is declared, or it cannot be found.
    """
    if not spec.factory:
        raise ModelError('kind = "callable" needs the function', expected='[model] factory = "module:object"')
    local = LocalModules(root)
    with local:
        function = find_object(spec.factory)
    return CallableModel(function, spec, local=local)
