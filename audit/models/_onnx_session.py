"""onnxruntime's session of a graph, made anew in every process that asks it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from audit.errors import ModelError
from audit.models._extras import require
from audit.models._network import first_line

_RUNTIME_ERRORS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
# A session from before a fork waits for threads that are no more when it is thrown away.
_NEVER_THROWN_AWAY: list[Any] = []


class OwnSession:
    """A session that a forked process, or one that it was sent to, opens for itself.

    Args:
        graph: The whole model as bytes.
        name: Name of its file, for messages.

    Raises:
        ModelError: onnxruntime cannot run it.
    """

    def __init__(self, graph: bytes, name: str) -> None:
        self._graph, self._name = graph, name
        self._process, self._session = os.getpid(), self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"_graph": self._graph, "_name": self._name, "_process": 0, "_session": None}

    def _open(self) -> Any:
        ort = require("onnxruntime", "onnx")
        state = require("onnxruntime.capi.onnxruntime_pybind11_state", "onnx")
        errors = tuple(getattr(state, name) for name in _RUNTIME_ERRORS)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            return ort.InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
        except errors as error:
            raise ModelError(
                f"onnxruntime cannot run {self._name}", expected="standard ONNX operators", got=first_line(error),
                fix="export the network again with standard operators",
            ) from error  # fmt: skip

    @property
    def here(self) -> Any:
        """The session of this process."""
        if self._process != os.getpid():
            _NEVER_THROWN_AWAY.append(self._session)
            self._process, self._session = os.getpid(), self._open()
        return self._session

    def get_inputs(self) -> Any:
        """Return the graph's inputs."""
        return self.here.get_inputs()

    def get_outputs(self) -> Any:
        """Return the graph's outputs."""
        return self.here.get_outputs()

    def run(self, outputs: list[str], feed: dict[str, Any]) -> Any:
        """Return the outputs to a batch."""
        return self.here.run(outputs, feed)


def open_session(graph: bytes, name: str) -> OwnSession:
    """Return the session of a graph; see `OwnSession`."""
    return OwnSession(graph, name)


@cache
def session_class() -> type[Any]:
    """Return the class of the torch module whose forward is a session."""
    import torch

    types = {"tensor(double)": np.float64, "tensor(float16)": np.float16}

    class Session(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """onnxruntime behind the same pipeline as any other network; it gives no gradients."""

        def __init__(self, session: OwnSession, entry: Any, output: str) -> None:
            super().__init__()
            self.session, self.name, self.output = session, entry.name, output
            self.type = types.get(entry.type, np.float32)

        def forward(self, x: Any) -> Any:
            batch = np.ascontiguousarray(x.detach().cpu().numpy(), dtype=self.type)
            try:
                answer = self.session.run([self.output], {self.name: batch})[0]
            # onnxruntime's errors have no common class of their own.
            except Exception as error:
                raise RuntimeError(str(error)) from error
            return torch.from_numpy(np.array(answer, dtype=np.float32))

    return Session
