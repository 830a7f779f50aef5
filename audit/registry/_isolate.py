"""A job in a process of its own, with limits of time and memory, which does not outlive its parent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from audit.errors import InputError, ModelError
from audit.registry._job import Job

# What an audit needs of the surroundings; tokens of the registry and secrets of webhooks are not among it.
_KEPT = {
    "PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    "AUDIT_KEY_FILE", "AUDIT_LEDGER_FILE", "COVERAGE_PROCESS_START",
}  # fmt: skip
_KEPT_PREFIXES = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "XDG_", "SYSTEM")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an isolated audit may use.

    Args:
        seconds: From start to end.
        memory: Address space in bytes.
    """

    seconds: float = 4 * 3600
    memory: int = 32 * 2**30


class IsolatedError(InputError):
    """The isolated process ended without a result: it crashed, or ran into a limit."""


def run_isolated(job: Job, folder: Path, limits: Limits) -> None:
    """Perform a job in a process of its own and wait for it.

    Args:
        job: What is audited.
        folder: Of this job alone, for its log and its answer.
        limits: What it may use.

    Raises:
        ModelError: The version was refused, with the reason.
        InputError: Something else than the version was wrong.
        IsolatedError: It crashed, or ran into a limit.
    """
    answer, log = folder / "answer.json", folder / "process.log"
    answer.unlink(missing_ok=True)
    asked = json.dumps({"job": job.plain(), "memory": limits.memory, "answer": str(answer)})
    with log.open("wb") as output:
        # The pipe stays open as long as this process lives; its end tells the other one to stop.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "audit.registry._child"],
            stdin=subprocess.PIPE, stdout=output, stderr=output, env=_environment(), start_new_session=True,
        )  # fmt: skip
        try:
            if child.stdin is not None:
                child.stdin.write(asked.encode() + b"\n")
                child.stdin.flush()
            code = child.wait(timeout=limits.seconds)
        except subprocess.TimeoutExpired as error:
            raise IsolatedError(
                "the audit took too long and was stopped", expected=f"at most {limits.seconds:g} seconds",
                got="no result", fix="give it more with --seconds, or a smaller profile in audit.toml",
            ) from error  # fmt: skip
        except BrokenPipeError:
            code = child.wait()
        finally:
            _end(child)
    _read(answer, code)


def _end(child: subprocess.Popen[bytes]) -> None:
    # The whole group: code of a model may have started others.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith(_KEPT_PREFIXES)}
    # A registry that cannot be asked: the files are here already.
    return {**kept, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _read(answer: Path, code: int) -> None:
    try:
        said = json.loads(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise IsolatedError(
            "the isolated audit ended without a result", expected="a finished run", got=how,
            fix="see process.log beside the run; more memory is --memory",
        ) from error  # fmt: skip
    if said.get("ok") is True and code == 0:
        return
    parts = {k: str(said.get(k, ""))[:500] for k in ("problem", "expected", "got", "fix")}
    kind = ModelError if said.get("of") == "model" else InputError if said.get("of") == "input" else IsolatedError
    raise kind(
        parts["problem"] or "the isolated audit failed", expected=parts["expected"], got=parts["got"], fix=parts["fix"]
    )
