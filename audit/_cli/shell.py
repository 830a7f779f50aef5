"""From words to an exit code: messages for what the user did, one line for what we did, tracebacks on request."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

from audit.errors import (
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_SIGINT,
    EXIT_SIGTERM,
    AuditError,
)
from audit.storage import refuse_secrets

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
# The common base of all errors of usage; typer gives it no public name.
_UsageError: Any = typer.BadParameter.__mro__[2]
_USERS = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOSPC,
    errno.EROFS,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}


class Terminated(BaseException):
    """SIGTERM arrived."""


def answer(app: typer.Typer, argv: Sequence[str]) -> int:
    """Run the command that the words name and return the exit code.

    Args:
        app: The commands.
        argv: The words after the program's name.
    """
    # Anywhere among the words: `audit run x --debug` and `audit --debug run x` mean the same.
    debug = "--debug" in argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no ε must not turn a verdict into a crash.
            stream.reconfigure(errors="replace")
    try:
        for word in argv:
            # Before anything can repeat it.
            refuse_secrets(word.partition("=")[2] if word.startswith("--") else word)
        with _sigterm():
            code = app(args=list(argv), prog_name="audit", standalone_mode=False)
        if code == EXIT_SIGINT:
            # typer hands Ctrl-C back as its code, in silence.
            return _said("stopped", EXIT_SIGINT)
        return code if isinstance(code, int) else 0
    except Terminated:
        return _said("stopped by SIGTERM", EXIT_SIGTERM)
    except (KeyboardInterrupt, typer.Abort):
        return _said("stopped", EXIT_SIGINT)
    except SystemExit as error:
        # Code of a model or a plugin that leaves with 0 must not look like a gate that passed.
        return _said(f"internal error: code that was run asked to exit with {error.code!r}", EXIT_INTERNAL)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is becomes one line and an exit code
        if debug:
            traceback.print_exc()
        return _failed(error)


def _failed(error: Exception) -> int:
    if isinstance(error, AuditError):
        if error.exit_code == EXIT_INTERNAL:
            return _said(f"internal error: {error}\n  run again with --debug for the traceback", EXIT_INTERNAL)
        return _said(f"error: {error}", error.exit_code)
    if isinstance(error, _UsageError):
        return _misused(error)
    if isinstance(error, OSError) and error.errno in _USERS:
        return _said(f"error: {error.strerror}: {error.filename or 'no file named'}", EXIT_INPUT)
    first = " ".join(str(error).split())[:200]
    return _said(f"internal error: {type(error).__name__}: {first}; run again with --debug", EXIT_INTERNAL)


def _misused(error: Any) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "audit"
    message = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
    return _said(f"error: {message}\n  see '{command} --help'", EXIT_INPUT)


def _said(message: str, code: int) -> int:
    print(printable(message), file=sys.stderr)
    return code


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is: no control character but the line break."""
    plain = _plain(text)
    return defused(plain) if on_github() else plain


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def on_github() -> bool:
    """Tell whether a runner of GitHub Actions reads what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def defused(text: str) -> str:
    """Return a text none of whose lines a runner takes for a command.

    It reads every line that a step prints: `::name::` at its start, and the older `##[name]` anywhere.

    Args:
        text: What is printed; it may hold names from a manifest or a policy.
    """
    lines = (f": :{line.lstrip()[2:]}" if line.lstrip().startswith("::") else line for line in text.split("\n"))
    return "\n".join(lines).replace("##[", "## [")


def command(line: str) -> None:
    """Print a workflow command, whose parts were escaped when it was made."""
    _print(_plain(line))


def say(text: str, *, head: str = "") -> None:
    """Print to stdout; a reader that has gone (`audit gate RUN | head`) changes no exit code.

    Args:
        text: Whatever it holds, it stays text: control characters are replaced.
        head: Printed before it as it is; ours, never the user's.
    """
    _print(head + printable(text))


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that files and workers are closed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
