"""Exit codes and messages, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audit._cli import looking, shell
from audit.errors import InternalError
from tests.cli.conftest import Said

Audit = Callable[..., Said]


def test_no_command_is_wrong_use(audit: Audit) -> None:
    """`audit` alone shows the help and exits 2: an empty command in a pipeline is no gate that passed."""
    code, out, err = audit()
    assert code == 2
    assert "Usage" in out
    assert err == ""


def test_version(audit: Audit) -> None:
    """`audit --version` prints the version and exits 0."""
    import audit as package

    assert audit("--version")[:2] == (0, f"imaging-audit {package.__version__}\n")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["rnu", "x.toml"], "rnu"),
        (["run"], "Missing argument"),
        (["run", "x.toml", "--profil", "smoke"], "--profile"),
        (["run", "x.toml", "--profile", "huge"], "smoke"),
        (["run", "x.toml", "--seed", "-1"], "greater than or equal to 0"),
        (["run", "x.toml", "--executor", "dask"], "local"),
        (["schema", "report"], "evidence"),
        (["reference"], "Missing command"),
    ],
)
def test_wrong_use(audit: Audit, words: list[str], part: str) -> None:
    """Wrong use is exit 2 with two lines on stderr: what is wrong, and where the help is."""
    code, out, err = audit(*words)
    assert code == 2
    assert out == ""
    assert part in err
    assert "--help" in err
    assert len(err.splitlines()) == 2


def broken(error: BaseException) -> Callable[..., int]:
    """Return a function that raises."""

    def raise_it(*_: object) -> int:
        raise error

    return raise_it


def test_unexpected_error_is_one_line(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program is one line without a traceback, exit 4."""
    monkeypatch.setattr(looking, "list_probes", broken(ZeroDivisionError("a\nb")))
    code, _, err = audit("probes")
    assert code == 4
    assert err == "internal error: ZeroDivisionError: a b; run again with --debug\n"


@pytest.mark.parametrize("words", [["probes", "--debug"], ["--debug", "probes"]])
def test_debug_shows_the_traceback(audit: Audit, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """`--debug`, before or after the command, adds the traceback and changes no exit code."""
    monkeypatch.setattr(looking, "list_probes", broken(ZeroDivisionError("x")))
    code, _, err = audit(*words)
    assert code == 4
    assert "Traceback" in err


def test_code_that_exits_with_0_is_no_pass(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of a model or a plugin that asks to exit with 0 gives exit 4, not a green gate."""
    monkeypatch.setattr(looking, "list_probes", broken(SystemExit(0)))
    code, _, err = audit("probes")
    assert code == 4
    assert "asked to exit" in err


def test_error_of_the_tree_that_is_ours(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error of the error tree is exit 4, too."""
    monkeypatch.setattr(looking, "list_probes", broken(InternalError("sums differ")))
    code, _, err = audit("probes")
    assert code == 4
    assert err.startswith("internal error: sums differ")


def test_interrupt(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is exit 130 without a traceback."""
    monkeypatch.setattr(looking, "list_probes", broken(KeyboardInterrupt()))
    code, _, err = audit("probes")
    assert code == 130
    assert "Traceback" not in err


def test_no_right_to_write(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be written is the user's to mend: exit 2."""
    monkeypatch.setattr(looking, "list_probes", broken(PermissionError(13, "Permission denied", "/x")))
    assert audit("probes")[0] == 2


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals(number: signal.Signals, code: int) -> None:
    """SIGTERM ends with 143 and SIGINT with 130, without a traceback."""
    program = (
        "import signal, sys, time\n"
        # A shell that starts a job in the background has it ignore SIGINT, and a child inherits that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from audit._cli import looking\n"
        "from audit.cli import main\n"
        "def wait():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "looking.list_probes = wait\n"
        "sys.exit(main(['probes']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"Traceback" not in err


def test_control_characters_are_not_printed(audit: Audit) -> None:
    """Escape sequences in what the user typed do not reach the terminal."""
    code, out, err = audit("run", "a\x1b[31m.toml", "--out", "x")
    assert code == 2
    assert "\x1b" not in out + err
    assert shell.printable("a\x1b\nb") == "a\N{REPLACEMENT CHARACTER}\nb"


def test_a_reader_that_has_gone_changes_no_exit_code(tmp_path: Path) -> None:
    """When what reads our output stops reading, the exit code is still the command's own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "audit.cli", "schema", "evidence"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
