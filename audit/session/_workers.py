"""Who works in a run: this process, processes of this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from audit.core import ImagingModel
from audit.errors import InputError

if TYPE_CHECKING:
    from audit.execution import Executor

ExecutorName = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who works, as the user asks for it.

    Args:
        executor: "local" or "ray", or an executor that the caller opens and closes.
        address: Of a Ray cluster; None: that of RAY_ADDRESS, else one is started for this run.
        count: How many workers; None: one, and of a cluster one for each processor.
        reload: Loads the model from its files, for one that cannot be sent to other machines.
    """

    executor: ExecutorName | Executor = "local"
    address: str | None = None
    count: int | None = None
    reload: Callable[[], ImagingModel] | None = None

    def __post_init__(self) -> None:
        names = get_args(ExecutorName)
        if isinstance(self.executor, str) and self.executor not in names:
            raise InputError(
                "no such executor", expected=" or ".join(names), got=self.executor, fix="choose one of them"
            )
        if self.address is not None and self.executor != "ray":
            raise InputError(
                "an address is of a Ray cluster", expected="the executor 'ray' beside it", got="another",
                fix="add --executor ray, or leave --address out",
            )  # fmt: skip

    @contextmanager
    def opened(self) -> Iterator[Executor | None]:
        """Give the executor, None where this machine does the work; a cluster is left afterwards."""
        if self.executor == "ray":
            # Here, since a gate needs none of what executes.
            from audit.execution import RayExecutor

            with RayExecutor(self.address, workers=self.count, reload=self.reload) as executor:
                yield executor
        else:
            yield None if isinstance(self.executor, str) else self.executor
