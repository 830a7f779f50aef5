"""`audit reference list` and `build`."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from audit._cli.shell import say
from audit.errors import EXIT_PASS, InputError


def check_name(name: str) -> None:
    """Check that there is a reference model of a name.

    Raises:
        InputError: There is none; the message names the nearest.
    """
    from audit.reference import list_models as known

    names = [m.name for m in known()]
    if not names:
        raise InputError(
            "no reference model is installed", expected="weights beside the package", got="none", fix="install it again"
        )
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        fix = f"did you mean '{near[0]}'?" if near else "'audit reference list' lists them"
        raise InputError(
            f"no reference model '{name}'", expected=f"one of {', '.join(names)}", got=f"'{name}'", fix=fix
        )


def list_models() -> int:
    """Print a row a reference model; its first word is the name."""
    from audit.reference import list_models as known

    for model in known():
        say(f"{model.name:<16} {model.task:<14} {model.title}")
    return EXIT_PASS


def build_model(name: str, out: Path) -> int:
    """Train a reference model again and print where its weights are."""
    check_name(name)
    from audit.reference import build

    print("training from the recipe; this takes some minutes", file=sys.stderr, flush=True)
    say(str(build(name, out)))
    return EXIT_PASS
