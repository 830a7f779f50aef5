"""What the drivers of all benchmarks share: processes that answer requests, clocks, and what is said of the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Answer = Callable[..., dict[str, Any]]
ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return the environment of a process that is measured: one thread, this checkout, no warnings."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


class Worker:
    """A process that answers requests and keeps its libraries loaded between them; see `serve`.

    Args:
        python: Interpreter of its environment.
        module: Module that it runs, in full.
    """

    def __init__(self, python: Path, module: str) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment(),
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": "the process ended"}


def serve(answers: dict[str, Answer]) -> None:
    """Answer one JSON object a line until the input ends; what libraries print goes to the error output."""
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
    """Return the largest resident size of this program so far.

    `ru_maxrss` would not do: Linux hands it on from whoever started the program, so that a small program of a large
    parent seems large. VmHWM, in KiB, begins anew with each program (proc(5)).
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(found) * 1024 / 1e6


def versions(python: Path, packages: Iterable[str]) -> dict[str, str]:
    """Return the releases of packages in an environment."""
    names = tuple(packages)
    code = f"import json; from importlib.metadata import version as v; print(json.dumps({{n: v(n) for n in {names}}}))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    out: dict[str, str] = json.loads(done.stdout)
    return out


def commit(path: str) -> str:
    """Return the commit that last changed a path of this checkout, "unknown" where there is none."""
    command = ["git", "log", "-1", "--format=%h", "--", path]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """Return what a reader of times must know: Python, cores, and the load of the last quarter of an hour."""
    return {"python": platform.python_version(), "load": os.getloadavg()[2], "cores": os.cpu_count()}


def told(text: str) -> None:
    """Say what was measured, with the time of the day, on the error output."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
