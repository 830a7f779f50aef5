"""`audit reference list`, `build` and `audit`."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.folders import relative
from audit._cli.shell import say
from audit.errors import EXIT_PASS, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.core import Profile

# Beside the table, not in it: every line on stdout is a model.
_OF = (
    'slides: of the lecture "Machine Learning in Medical Imaging" (M. de Bruijne, 12 March 2021), after whose systems '
    "these models are built\ndemo: the models of 'audit demo'"
)


def check_name(name: str, *, twin: bool = False) -> None:
    """Check that there is a reference model of a name.

    Args:
        name: What the user typed.
        twin: Whether only the twins of the demo count.

    Raises:
        InputError: There is none; the message names the nearest.
    """
    from audit.reference import is_twin
    from audit.reference import list_models as known

    names = [m.name for m in known()]
    if not names:
        raise InputError(
            "no reference model is installed", expected="weights beside the package", got="none", fix="install it again"
        )
    if twin and name in names and not is_twin(name):
        raise InputError(
            f"'{name}' is no twin of the demo", expected=f"one of {', '.join(n for n in names if is_twin(n))}",
            got=f"'{name}'", fix=f"audit reference audit {name}",
        )  # fmt: skip
    if name not in names:
        raise _unknown(name, names)


def _unknown(name: str, names: Sequence[str]) -> InputError:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    fix = f"did you mean '{near[0]}'?" if near else "'audit reference list' lists them"
    return InputError(f"no reference model '{name}'", expected=f"one of {', '.join(names)}", got=f"'{name}'", fix=fix)


def list_models() -> int:
    """Print a row a reference model: its name, the slides of the lecture, its task, and what it is."""
    from audit.reference import list_models as known

    models = known()
    widths = [max([4, *(len(part) for part in column)]) for column in zip(*(_row(m) for m in models), strict=True)]
    for model in models:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(_row(model), widths, strict=True))
        say(f"{cells}  {model.title}")
    _tell(_OF)
    return EXIT_PASS


def _row(model: object) -> tuple[str, str, str]:
    slides = getattr(model, "slides", "")
    return (
        getattr(model, "name", ""),
        f"slides {slides}" if slides[:1].isdigit() else slides,
        getattr(model, "task", ""),
    )


def build_model(name: str, out: Path, seed: int | None) -> int:
    """Train a reference model again; print its figures beside the shipped ones, and last where its weights are."""
    from audit.reference import rebuild

    _check_any(name)
    _tell("training from the recipe; this takes up to a few minutes")
    made = rebuild(name, out, seed=seed, say=_tell)
    if made.rows:
        from audit.reference import comparison_lines

        for line in comparison_lines(made.rows):
            say(line)
    say(relative(made.weights))
    return EXIT_PASS


def _check_any(name: str) -> None:
    """Check a name; one whose weights are not shipped yet can be built all the same."""
    from audit.reference import known_names

    names = known_names()
    if name not in names:
        raise _unknown(name, names)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def audit_model(name: str, out: Path | None, *, profile: Profile | None, seed: int | None, overwrite: bool) -> int:
    """Audit a reference model and return the verdict's exit code."""
    from audit import session
    from audit._cli.outcome import print_outcome
    from audit._cli.progress import shown_progress
    from audit._cli.runs import again

    check_name(name)
    folder = out or session.default_folder()
    with shown_progress() as progress:
        evidence = session.run_reference(
            name, out=folder, profile=profile, seed=seed, overwrite=overwrite, progress=progress,
            command=again("reference", "audit", name, profile=profile, seed=seed),
        )  # fmt: skip
    return print_outcome(evidence, folder)
