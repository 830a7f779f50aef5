"""How many threads torch uses during an audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from audit.core import ImagingModel

# Below both, waking a second thread for each small layer costs more than it brings: on two cores the demo's net took
# 18 s of CPU with one thread and 119 s with two while another process ran.
SMALL_PARAMETERS = 1_000_000
SMALL_IMAGE = 128 * 128


@contextmanager
def fitting_threads(model: ImagingModel) -> Iterator[int | None]:
    """Let torch use one thread for a small network on small images, and what it would for others; numpy always one.

    The rule looks at sizes, never at a clock, and products of matrices are taken in one thread on every machine, since
    another number of threads adds up in another order and would change the last digit of a result.

    Args:
        model: The model under audit.

    Yields:
        The number of threads, None for a model that is not a torch module.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"), _torch_threads(model) as count:
        yield count


@contextmanager
def _torch_threads(model: ImagingModel) -> Iterator[int | None]:
    module = getattr(model, "module", None)
    if module is None or not hasattr(module, "parameters"):
        yield None
        return
    import torch

    before = torch.get_num_threads()
    small = sum(p.numel() for p in module.parameters()) < SMALL_PARAMETERS
    size = model.card.input.size
    torch.set_num_threads(1 if small and size and prod(size) <= SMALL_IMAGE else before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
