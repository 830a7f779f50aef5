"""Whether the files that stand beside the images are the same at the end of a run as they were at its start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.core import Cohort, SourceView
from audit.errors import StorageError
from audit.execution import mark_or_once


def files_beside(cohort: Cohort) -> Mapping[str, str]:
    """Return a mark of masks and of other splits, by what they are called; those that lie in no files have none.

    Images are held against their own content each time that they are read; of these nobody takes a digest.

    Args:
        cohort: The cases as the manifest gives them.
    """
    return {name: mark_or_once(source) for name, source in _sources(cohort) if _in_files(source)}


def check_unchanged(before: Mapping[str, str], cohort: Cohort) -> None:
    """Check that no such file was changed, added or taken away since.

    Args:
        before: What `files_beside` gave at the start.
        cohort: The same cases.

    Raises:
        StorageError: One was, so that some probes may have seen the one content and some the other.
    """
    now = files_beside(cohort)
    changed = sorted(name for name in before if now.get(name) != before[name])
    if changed:
        raise StorageError(
            "files of the cohort changed while it was audited", expected="the same files from start to end",
            got=f"others among the {', '.join(changed)}",
            fix="run it again with --resume when nobody writes to the cohort",
        )  # fmt: skip


def _sources(cohort: Cohort) -> Iterator[tuple[str, Any]]:
    named = [("masks", cohort.masks), ("region masks", cohort.regions)]
    named += [(f"masks of {kind}", source) for kind, source in cohort.distractors.items()]
    named += [(f"images of the split {split.name}", split.images) for split in cohort.others]
    yield from ((name, source) for name, source in named if source is not None)


def _in_files(source: Any) -> bool:
    while isinstance(source, SourceView):
        source = source.source
    return hasattr(getattr(source, "source", source), "on_disk")
