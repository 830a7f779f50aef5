"""Answers requests, one JSON object a line, in a process that keeps its libraries loaded between them."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

Answer = Callable[..., dict[str, Any]]


def serve(answers: dict[str, Answer]) -> None:
    """Answer until the input ends; what libraries print goes to the error output."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = answers[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is its answer
            reply = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]}
        replies.write(json.dumps(reply) + "\n")


class Clock:
    """Wall and processor seconds of a `with` block."""

    def __enter__(self) -> Clock:
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._began[0], time.process_time() - self._began[1]


def peak_mb() -> float:
    """Return the largest resident size so far; Linux counts it in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
