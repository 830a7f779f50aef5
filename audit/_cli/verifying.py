"""`audit verify`: what was changed, and which numbers were made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.progress import shown_progress
from audit._cli.shell import say
from audit.storage import Location

if TYPE_CHECKING:
    from audit.verification import Again, Checked

_NAMED = 40


def verify_run(path: Location, key: Path | None) -> int:
    """Check a run or a pack, say what was found, and return 0 where it is intact, 1 where it was changed.

    3 where nothing was found changed, but what another version wrote was not all made again and nobody signed it.
    """
    from audit import session

    with shown_progress() as progress:
        checked = session.verify(path, key=key, watch=lambda code: progress.start(code, "made again", 0, 0))
    for line in lines(checked, path.resolve().name if isinstance(path, Path) else path.name):
        say(line)
    return checked.exit_code


def lines(checked: Checked, name: str) -> list[str]:
    """Return what is said of a check, the answer first.

    Args:
        checked: What was found.
        name: What the run or pack is called.
    """
    count = len(checked.faults)
    head = f"CHANGED  {name}: {count} fault{'s' if count != 1 else ''}" if count else f"{intact(checked)}  {name}"
    said = [head, *(f"  {fault}" for fault in checked.faults[:_NAMED])]
    if count > _NAMED:
        said.append(f"  and {count - _NAMED} more")
    said.append(f"  bytes     {checked.files} files held against SHA256SUMS")
    if checked.label:
        said.append(f"  verdict   {checked.label}, as it was when the run was made")
    said.append(f"  numbers   {numbers(checked)}")
    if checked.again is not None:
        said += left_out(checked.again)
    return said + [f"  note      {note}" for note in checked.notes]


def intact(checked: Checked) -> str:
    """Return the word for what shows no fault, with what was not held against anything."""
    open_ = (*checked.not_made, *checked.untold)
    if not open_:
        return "INTACT"
    names = ", ".join(open_[:-1]) + (" and " if len(open_) > 1 else "") + open_[-1]
    return f"INTACT, {names} not made again"


def left_out(again: Again) -> list[str]:
    """Return one line a reason why numbers were not made again, with the probes that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for code, why in again.left_out.items():
        by_reason.setdefault(why, []).append(code)
    return [f"            not of {', '.join(codes)}: {why}" for why, codes in by_reason.items()]


def numbers(checked: Checked) -> str:
    """Return one sentence on the numbers that were made again."""
    again: Again | None = checked.again
    if again is None or checked.not_again:
        return f"none was made again: {checked.not_again or 'nothing was read'}"
    from audit.verification import TOLERANCE

    return (
        f"{again.numbers} numbers of {len(again.probes)} probes made again from the stored predictions, "
        f"equal to within {TOLERANCE:g}"
    )
