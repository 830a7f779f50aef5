"""Whether a machine of a cluster sees the files of the cohort, and the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.core import Cohort, SourceView
from audit.errors import AuditError, ReadError

_LOOKED_AT, _PATIENCE = 5, 60.0


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is seen of a few files, where the audit was started.

    Args:
        files: Suffix, size and sample of the content, by what the source is called and the position in it; empty where
            nothing lies in files.
    """

    files: Mapping[tuple[str, int], tuple[str, int, str]] = field(default_factory=dict)

    def unseen(self, cohort: Cohort) -> str:
        """Return that files are not seen here as they were seen there, "" where they are.

        A worker that does not see the images would set every case aside in earnest, and one that sees other images
        under the same names would measure those.

        Args:
            cohort: The same cases.
        """
        sources = dict(_sources(cohort))
        for (name, position), expected in self.files.items():
            try:
                got = _looked(sources[name], position)
            except (AuditError, OSError):
                return "the cohort's files are not seen there: use shared storage, or mount them at the same path"
            if got != expected:
                return "the cohort's files are others there than where the audit was started"
        return ""

    def gone(self, cohort: Cohort) -> bool:
        """Return whether none of the files is seen any more, as where a disk of the network has gone.

        One that goes by itself is a reason to set its case aside.
        """
        sources = dict(_sources(cohort))
        return bool(self.files) and not any(_is_there(sources[name], at) for name, at in self.files)


def sight_of(cohort: Cohort) -> Sight:
    """Return what is seen here of the files of a few cases."""
    found = {}
    for name, source in _sources(cohort):
        last = len(source) - 1
        for position in sorted({round(i * last / (_LOOKED_AT - 1)) for i in range(_LOOKED_AT)}) if last >= 0 else ():
            try:
                found[name, position] = _looked(source, position)
            except ReadError:
                # It went since the preflight, or no mask was drawn; that is for the reading to say.
                continue
    return Sight(files=found)


def _sources(cohort: Cohort) -> Iterator[tuple[str, Any]]:
    """Give images and masks that lie in files, by name."""
    named = [("images", cohort.images), ("masks", cohort.masks), ("regions", cohort.regions)]
    named += [(f"distractors {kind}", source) for kind, source in cohort.distractors.items()]
    named += [(f"split {split.name}", split.images) for split in cohort.others]
    if cohort.unverified is not None:
        named.append(("unverified", cohort.unverified.cohort.images))
    yield from ((name, source) for name, source in named if source is not None and _file(source, 0) is not None)


def _file(source: Any, position: int) -> tuple[Any, int] | None:
    """Return the source of files below views and masks, and the position there, None where there is none."""
    while isinstance(source, SourceView):
        if position >= len(source):
            return None
        source, position = source.source, int(source.rows[position])
    source = getattr(source, "source", source)
    return (source, position) if hasattr(source, "on_disk") and hasattr(source, "sample") else None


def _looked(source: Any, position: int) -> tuple[str, int, str]:
    below = _file(source, position)
    if below is None:
        raise ReadError("no file")
    suffix, size = below[0].on_disk(below[1])
    return suffix, size, below[0].sample(below[1])


def _is_there(source: Any, position: int) -> bool:
    from audit.cohorts import within

    below = _file(source, position)
    try:
        # A network disk that hangs is as good as gone.
        return below is not None and within(_PATIENCE, below[0].on_disk, below[1]) is not None
    except ReadError:
        return False
