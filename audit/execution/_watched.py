"""Watches a run for its clock: what passes through the model, and what is read.

Nothing here changes a number, and everything is put back. A network is watched by hooks that its copies inherit,
gradients where torch takes them, any other model at its `predict`, and images at the sources that they are read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from audit.core import Cohort, ImagingModel, SourceView
from audit.core.clock import Clock, running, timed
from audit.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def watching(clock: Clock, models: Sequence[ImagingModel], cohorts: Sequence[Cohort] = ()) -> Iterator[None]:
    """Let a clock count and time what passes through models and what is read.

    Args:
        clock: The clock; it is told only of what happens in a thread where it runs.
        models: The model under audit, and others that stand in for it.
        cohorts: The cases whose reading is timed, with what stands beside them.

    Raises:
        InputError: An object cannot be watched.
    """
    with ExitStack() as ends:
        modules = []
        for model in models:
            module = getattr(model, "module", None)
            if hasattr(module, "register_forward_hook"):
                modules.append(module)
                ends.callback(_unhook, _hook(module, clock))
            ends.callback(_put(model, "predict", _Asked(model.predict, clock)))
        for source in {id(s): s for cohort in cohorts for s in _sources(cohort)}.values():
            for name in ("load", "stored"):
                if hasattr(source, name):
                    ends.callback(_put(source, name, _Read(getattr(type(source), name), source)))
        if modules:
            ends.enter_context(_gradients(clock))
        yield


def _sources(cohort: Cohort) -> Iterator[Any]:
    """Give the sources that images and masks come from in the end, below every choice of rows."""
    for source in (cohort.images, cohort.masks, *(split.images for split in cohort.others)):
        inner: Any = source
        while isinstance(inner, SourceView):
            inner = inner.source
        if inner is not None:
            yield inner
    if cohort.unverified is not None:
        yield from _sources(cohort.unverified.cohort)


class _Read:
    """Reads one image in the name of a source.

    Args:
        own: The method of its class.
        source: The source.
    """

    def __init__(self, own: Callable[[Any, int], Any], source: Any) -> None:
        self._own, self._source = own, source

    def __call__(self, index: int) -> Any:
        with timed("reading"):
            return self._own(self._source, index)


class _Asked:
    """Times what a model says that no hook sees: a function, a graph of another runtime, a server.

    Args:
        own: The model's `predict`.
        clock: The clock.
    """

    def __init__(self, own: Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]], clock: Clock) -> None:
        self._own, self._clock = own, clock

    def __call__(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        clock = self._clock
        if running() is not clock:
            return self._own(images)
        seen, began = clock.forwards, clock.now()
        answer = self._own(images)
        if clock.forwards == seen:
            clock.claim(clock.now() - began, forwards=len(images))
        return answer


def _put(holder: Any, name: str, value: Any) -> Callable[[], None]:
    """Put a function in the place of a method of one object, and return what puts it back.

    Raises:
        InputError: The object takes none.
    """
    held = getattr(holder, "__dict__", {})
    mine, before = name in held, held.get(name)

    def back() -> None:
        if mine:
            object.__setattr__(holder, name, before)
        else:
            object.__delattr__(holder, name)

    try:
        object.__setattr__(holder, name, value)
    except AttributeError as error:
        raise InputError(
            "this run cannot be timed", expected=f"an object whose `{name}` can be watched",
            got=f"{type(holder).__name__} with __slots__", fix="run without --profile-time",
        ) from error  # fmt: skip
    return back


def _hook(module: Any, clock: Clock) -> tuple[Any, Any]:
    # Plain functions: a deep copy of the network shares them, where a method would take a copy of the clock with it.
    open_: list[int] = []

    def before(layer: Any, given: Any) -> None:
        del layer, given
        if running() is clock:
            open_.append(clock.enter("forward"))

    def after(layer: Any, given: Any, answer: Any) -> None:
        del layer, answer
        if running() is clock and open_:
            clock.leave(open_.pop(), forwards=_rows(given))

    # Called after an error, too, so that no pass stays open.
    return module.register_forward_pre_hook(before), module.register_forward_hook(after, always_call=True)


def _unhook(handles: tuple[Any, Any]) -> None:
    for handle in handles:
        handle.remove()


@contextmanager
def _gradients(clock: Clock) -> Iterator[None]:
    """Time what torch takes gradients of, whoever asks it: an attack, or a library of attributions."""
    import torch

    own, backward = torch.autograd.grad, torch.autograd.backward

    def timed_grad(outputs: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
        if running() is not clock:
            return own(outputs, inputs, *rest, **more)
        depth = clock.enter("backward")
        try:
            return own(outputs, inputs, *rest, **more)
        finally:
            clock.leave(depth, backwards=_rows(inputs))

    def timed_backward(tensors: Any, *rest: Any, **more: Any) -> Any:
        if running() is not clock:
            return backward(tensors, *rest, **more)
        depth = clock.enter("backward")
        try:
            return backward(tensors, *rest, **more)
        finally:
            clock.leave(depth)

    torch.autograd.grad, torch.autograd.backward = timed_grad, timed_backward
    try:
        yield
    finally:
        torch.autograd.grad, torch.autograd.backward = own, backward


def _rows(given: Any) -> int:
    """Return how many images a batch has."""
    first = given[0] if isinstance(given, (tuple, list)) and given else given
    shape: Sequence[int] = getattr(first, "shape", ())
    return int(shape[0]) if len(shape) else 0
