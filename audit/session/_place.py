"""A run that shall lie on shared storage: made here, copied there, its seal last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from audit.errors import InputError
from audit.evidence import SUMS
from audit.session._folder import CACHE, check_folder, is_ours
from audit.session._workers import Workers
from audit.storage import Location, Remote, join, locate, run_folder

if TYPE_CHECKING:
    from audit.execution import Progress
    from audit.session._run import Options, Run


def check_place(out: Location | str | None, *, overwrite: bool, resume: bool = False) -> Location | None:
    """Return where a run shall lie, after checking that it may be written there where that is a folder.

    Args:
        out: Path or URL; None for the default folder.
        overwrite: Whether a run that lies there may be replaced.
        resume: Whether a run that lies there may be taken up again.

    Raises:
        InputError: It may not.
    """
    place = None if out is None else locate(out)
    if isinstance(place, Path):
        check_folder(place, overwrite=overwrite, resume=resume)
    elif place is not None and not place.parent.path.strip("/"):
        raise InputError(
            "a run needs a folder of its own", expected=f"a name in the bucket, such as {place}/run1", got="the bucket",
            fix="name a folder in it",
        )  # fmt: skip
    return place


def audit_at(
    place: Location | None,
    options: Options,
    who: Workers,
    audit: Callable[[Options], Run],
    progress: Progress | None = None,
) -> Run:
    """Make a run in a folder, or in a temporary one that is copied to shared storage.

    What is worked out on the way to a run on shared storage is kept there, too, beside the run: another machine can
    then take it up.

    Args:
        place: Where the run shall lie.
        options: Seed, budget; `out`, `cache`, `executor` and `begin` are set here.
        who: Who works.
        audit: Makes the run in `out`.
        progress: Somebody who watches.

    Raises:
        InputError: Something lies there that may not be replaced, or another run is writing there.
        StorageError: The store does not answer, or does not let anybody write.
    """
    cache = join(place.parent, CACHE) if isinstance(place, Remote) else options.cache
    begun = Event()
    with (
        run_folder(
            place,
            overwrite=options.overwrite,
            ours=is_ours,
            last=SUMS,
            resume=options.resume,
            note=_unheard if progress is None else progress.note,
            begun=begun.is_set,
        ) as folder,
        who.opened() as executor,
    ):
        known = replace(options, out=folder, cache=cache, executor=executor, workers=who.count or 1, begin=begun.set)
        made = audit(known)
    return replace(made, folder=place) if isinstance(place, Remote) else made


def _unheard(text: str) -> None:
    del text
