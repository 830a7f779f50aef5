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
from audit.models._declare import check_images, make_card, model_file, shaped
from audit.models._digest import model_digest
from audit.models._objects import LocalModules, find_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOTE = "a callable: its weights cannot be hashed, so the digest stands for {what} and the declaration only"
_FILE_NOTE = (
    "a callable: the digest stands for {what}, the file that it reads and the declaration, not for what it holds"
)


class CallableModel:
    """A function that answers batches of stored intensities.

    Args:
        function: From (n, channels, *spatial) to (n,), (n, k) or masks.
        spec: The declaration.
        local: Block in which the function is called, so that what it imports late is found.
        phantom: True for a model of simulated images.
        weights: The file that it was made from, which the digest covers.
    """

    def __init__(
        self,
        function: Callable[[NDArray[Any]], Any],
        spec: ModelSpec,
        *,
        local: AbstractContextManager[Any] | None = None,
        phantom: bool = False,
        weights: Path | None = None,
    ) -> None:
        if not callable(function):
            raise ModelError(
                "this cannot be called", expected="a function of a batch of images", got=type(function).__name__,
                fix="name a function in [model] factory",
            )  # fmt: skip
        self._function, self._spec, self._local, self._weights = function, spec, local or nullcontext(), weights
        what = "its source" if _source(function) else "its name"
        note = (_NOTE if weights is None else _FILE_NOTE).format(what=what)
        self._card = make_card(spec, access=Access.QUERY, digest=self.state_digest(), notes=(note,), phantom=phantom)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def known_by_digest(self) -> bool:
        """Whether the digest covers what the answers rest on: not where the function may hold weights of its own."""
        return self._weights is not None

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
        """Return the digest of the function's source, as far as it can be read, of its file and of the declaration."""
        target = self._function if hasattr(self._function, "__qualname__") else type(self._function)
        parts = [("name", str(getattr(target, "__qualname__", "")).encode()), ("source", _source(self._function))]
        if self._weights is not None:
            parts.append(("weights", self._weights.read_bytes()))
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

    With a `path`, what it names is called once with that file, and the function that it returns is the model.

    Raises:
        ModelError: No factory is declared, it or the file cannot be found, or it makes no function of the file.
    """
    if not spec.factory:
        raise ModelError('kind = "callable" needs the function', expected='[model] factory = "module:object"')
    local = LocalModules(root)
    with local:
        function = find_object(spec.factory)
    if spec.path is None:
        return CallableModel(function, spec, local=local)
    file = model_file(spec, root)
    return CallableModel(_made_from(function, file, local), spec, local=local, weights=file)


def _made_from(factory: Any, file: Path, local: LocalModules) -> Callable[[NDArray[Any]], Any]:
    try:
        with local:
            made = factory(file)
    except AuditError:
        raise
    # The user's own function may raise anything, or leave.
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"the factory fails on {file.name}", expected="a function, made from the file that [model] path names",
            got=f"{type(error).__name__}: {error}", fix="leave path out where factory names the model itself",
        ) from error  # fmt: skip
    if not callable(made):
        raise ModelError(
            f"the factory makes nothing of {file.name} that can be called", expected="a function of a batch of images",
            got=type(made).__name__, fix="leave path out where factory names the model itself",
        )  # fmt: skip
    return made  # type: ignore[no-any-return]
