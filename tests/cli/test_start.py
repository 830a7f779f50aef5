"""What a command loads, and what its help shows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said

Audit = Callable[..., Said]
COMMANDS = [
    ["demo"], ["run"], ["init"], ["gate"], ["report"], ["probes"], ["schema"], ["doctor"], ["reference", "list"],
    ["reference", "build"],
]  # fmt: skip
# Not pydantic: typer itself loads a part of it where it is installed.
HEAVY = (
    "numpy", "pandas", "torch", "scipy", "sklearn", "plotly", "pyarrow", "statsmodels", "PIL", "pydicom",
    "nibabel", "onnx", "onnxruntime", "captum", "jinja2", "fairlearn", "nilearn",
)  # fmt: skip


def loaded_by(*words: str, cwd: Path | None = None) -> set[str]:
    """Return the modules that a command has loaded when it ends."""
    program = f"import sys\nfrom audit.cli import main\nmain({list(words)!r})\nprint('LOADED', *sorted(sys.modules))\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["doctor"]])
def test_light_commands_load_nothing_heavy(words: list[str]) -> None:
    """Help, version and doctor load neither numpy nor anything that takes its time."""
    assert not loaded_by(*words) & set(HEAVY)


def test_wrong_output_folder_is_found_before_anything_is_loaded(tmp_path: Path) -> None:
    """A folder that is not free is refused before any library of an audit is loaded."""
    (tmp_path / "x").write_text("")
    assert not loaded_by("run", "audit.toml", "--out", str(tmp_path)) & (set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example(audit: Audit, words: list[str]) -> None:
    """The help of every command shows an example that names the command."""
    code, out, _ = audit(*words, "--help")
    assert code == 0
    assert f"Example: audit {' '.join(words)}" in " ".join(out.split())


def test_help_lists_every_command(audit: Audit) -> None:
    """The help of `audit` names all commands."""
    out = audit("--help")[1]
    for words in COMMANDS:
        assert words[0] in out


@pytest.mark.parametrize("words", [["gate", "run1"], ["report", "run1"]], ids=" ".join)
def test_judging_and_reporting_reach_no_model(audit: Audit, folder: Path, words: list[str]) -> None:
    """Gate and report load no framework, no reader of images, and no probe."""
    audit("run", "audit.toml", "--out", "run1")
    loaded = loaded_by(*words, cwd=folder)
    assert not loaded & {"torch", "onnxruntime", "onnx", "captum", "torchattacks", "pydicom", "nibabel", "sklearn"}
    assert not loaded & {"audit.probes", "audit.models", "audit.cohorts", "audit.attacks", "audit.explain"}
    assert "audit.evidence" in loaded
