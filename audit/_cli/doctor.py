"""`audit doctor`: what is installed, what is missing, and the line that installs it."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from audit import __version__
from audit._cli.shell import say
from audit.errors import EXIT_FAIL, EXIT_PASS, InputError

_DISTRIBUTION = "imaging-audit"
# torchattacks pins an old requests that it never imports, so it is installed without its dependencies.
_LINES = {"torchattacks": "pip install --no-deps torchattacks==3.5.1"}
_HIDDEN = {"dev", "all"}
_FOR = {
    "torch": "models that are run: attacks, explanations", "onnx": "ONNX models", "sklearn": "scikit-learn models",
    "mlflow": "the gate on an MLflow registry",
    "sign": "signing packs, reading time stamps",
    "reference": "building the reference models again", "torchattacks": "the torchattacks engine of ADV probes",
}  # fmt: skip


def wanted() -> dict[str, list[str]]:
    """Return the packages of this distribution by extra; "" for those that are always needed."""
    groups: dict[str, list[str]] = {"": []}
    for requirement in requires(_DISTRIBUTION) or []:
        need, _, marker = requirement.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        name = re.match(r"[A-Za-z0-9._-]+", need.strip())
        group = extra.group(1) if extra else ""
        if name and name.group(0).lower() != _DISTRIBUTION and group not in _HIDDEN:
            groups.setdefault(group, []).append(name.group(0))
    return groups


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def examine() -> int:
    """Print the state of every package; missing ones are no failure."""
    say(f"imaging-audit {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    lines: list[str] = []
    try:
        groups = wanted()
    except PackageNotFoundError:
        groups, lines = {}, [f"pip install {_DISTRIBUTION}"]
    for group, packages in groups.items():
        lines += _examine(group, packages)
    if lines:
        say("\nmissing; install with:")
        for line in lines:
            say(f"  {line}")
    else:
        say("\nnothing is missing")
    return EXIT_PASS


def _examine(group: str, packages: list[str]) -> list[str]:
    title = f"extra '{group}': {_FOR.get(group, '')}".rstrip(": ") if group else "core"
    say(f"\n{title}")
    absent = []
    for package in sorted(packages, key=str.lower):
        found = installed(package)
        say(f"  {'ok     ' if found else 'missing'} {package}{' ' + found if found else ''}")
        if not found:
            absent.append(package)
    if not absent:
        return []
    if group:
        return [_LINES.get(group, f'pip install "{_DISTRIBUTION}[{group}]"')]
    return [f"pip install {' '.join(absent)}"]


def validation_path() -> Path:
    """Return where this user's validation file lies: beside the ledger of runs."""
    from audit.evidence import ledger_path

    return ledger_path().with_name("validation.json")


def prove(named: Path | None) -> int:
    """Carry out the suite's own validation, write its file, and return 1 where a check did not hold."""
    out = named or validation_path()
    if named is None:
        out.parent.mkdir(parents=True, exist_ok=True)
    elif out.exists():
        raise InputError(f"{out} is there already", expected="a new file", got="a file", fix="name another with --out")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: cannot be written", expected="a file in a folder that is there", got="no such folder")
    from audit.evidence import write_atomically
    from audit.session.validation import validate

    say(f"imaging-audit {__version__}: planted faults, known truths, evidence that was tampered with")
    found = validate(lambda name, held: say(f"  {'held    ' if held else 'NOT HELD'} {name}"))
    write_atomically(out, (json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    held = sum(1 for c in found["checks"] if c["held"])
    say(f"{held} of {len(found['checks'])} checks held; written to {out}")
    return EXIT_PASS if found["held"] else EXIT_FAIL
