"""The isolated process: sets its own limits before it reads anything of the version."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from audit.errors import AuditError, InputError, ModelError
from audit.evidence import write_atomically
from audit.registry._job import Job, perform

_LARGEST_FILE = 16 * 2**30


def main() -> int:
    """Perform the job that the first line of standard input describes; answers in a file.

    Returns:
        0 where the run is whole, else 1.
    """
    asked = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_with_parent, daemon=True).start()
    for what, most in (
        (resource.RLIMIT_AS, int(asked["memory"])), (resource.RLIMIT_FSIZE, _LARGEST_FILE), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))
    answer = Path(asked["answer"])
    try:
        perform(Job(**asked["job"]))
    except AuditError as error:
        _say(answer, _told(error))
        return 1
    except MemoryError:
        _say(answer, {"of": "process", "problem": "the audit ran out of memory", "fix": "give it more with --memory"})
        return 1
    except Exception as error:
        _say(answer, {"of": "process", "problem": "the audit failed", "got": f"{type(error).__name__}: {error}"[:300]})
        raise
    _say(answer, {"ok": True})
    return 0


def _told(error: AuditError) -> dict[str, Any]:
    of = "model" if isinstance(error, ModelError) else "input" if isinstance(error, InputError) else "process"
    parts = {"problem": str(error), "expected": error.expected, "got": error.got, "fix": error.fix}
    # A gathering of faults says them in its text only.
    return {"of": of, **parts, **({"problem": error.problem} if error.expected or error.got else {})}


def _say(answer: Path, said: dict[str, Any]) -> None:
    write_atomically(answer, json.dumps(said).encode())


def _with_parent() -> None:
    """End everything here when the gate has gone, however it went."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
