"""Whether evidence and stored predictions have the form that a run gives them, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.core import Evidence, Probe, StoredPredictions, reads_as_number
from audit.evidence import result_to_plain, to_plain

_NUMBER, _ATTRIBUTE = "number.", "attribute."
# A pack leaves out columns of many numbers without bins; with levels of cases that were set aside they may be more.
_MOST_LEVELS = 8


def form_faults(values: Mapping[str, Any], evidence: Evidence, probes: Sequence[type[Probe]]) -> Iterator[str]:
    """Yield what evidence.json states beside or otherwise than what was read of it, as other programs would read it.

    Args:
        values: The content of evidence.json, which this version wrote.
        evidence: What was read of it.
        probes: The probes of this installation.
    """
    again = to_plain(evidence)
    yield from _unlike(values, again, "")
    by_code = {p.info.code: p.info for p in probes}
    for result in evidence.results:
        info = by_code.get(result.probe)
        # Of the same version of the suite, so that what a probe is called and asks is known.
        if info is not None and result_to_plain(_with(result, info)) != result_to_plain(result):
            yield f"{result.probe}: describes the probe in other words than this version has"


def _with(result: Any, info: Any) -> Any:
    from dataclasses import replace

    return replace(result, info=info)


def _unlike(said: Any, read: Any, where: str) -> Iterator[str]:
    """Yield the first places in which two plain values differ."""
    if isinstance(said, Mapping) and isinstance(read, Mapping):
        for key in sorted(said.keys() | read.keys()):
            name = f"{where}.{key}" if where else str(key)
            if key not in read:
                yield f"{_shown(name)}: nothing that a run writes"
            elif key not in said:
                yield f"{_shown(name)}: absent"
            else:
                yield from _unlike(said[key], read[key], name)
    elif isinstance(said, list) and isinstance(read, list) and len(said) == len(read):
        for number, (one, other) in enumerate(zip(said, read, strict=True)):
            yield from _unlike(one, other, f"{where}[{number}]")
    elif said != read or isinstance(said, bool) != isinstance(read, bool):
        yield f"{_shown(where)}: states another thing than the rest of the file gives"


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:80]


def column_faults(evidence: Evidence, stored: StoredPredictions, *, run: bool) -> Iterator[str]:
    """Yield the columns of stored predictions that no run writes, and those that are absent without need.

    Whoever takes a column out takes away what the numbers of its attribute could be made again from.

    Args:
        evidence: The run, or a copy of it.
        stored: Its predictions.
        run: Whether they are those of a run's own folder, which never leaves a column out.
    """
    listed = {str(a["name"]): a for a in evidence.cohort.get("attributes") or ()}
    for name in stored.unknown:
        yield f"{_shown(name)}: a column that no run writes"
    held = {*stored.clean.levels, *stored.clean.numbers}
    for name in sorted(held - listed.keys()):
        yield f"{_shown(name)}: a column of an attribute that evidence.json does not have"
    for column in stored.absent:
        kind, _, name = column.partition(".")
        if run:
            yield f"{_shown(column)}: a column that is absent"
        elif "suppressed_levels" not in evidence.run and kind + "." == _ATTRIBUTE and _fit(listed.get(name)):
            yield f"{_shown(column)}: a column that is absent, though a pack with small cells holds it"
        elif kind + "." not in (_NUMBER, _ATTRIBUTE):
            yield f"{_shown(column)}: a column that is absent, which no pack leaves out"
    for name in sorted(listed.keys() - stored.clean.levels.keys() - {c.partition(".")[2] for c in stored.absent}):
        yield f"{_shown(_ATTRIBUTE + name)}: a column that is absent"


def _fit(attribute: Mapping[str, Any] | None) -> bool:
    """Tell whether a pack holds the column of an attribute: one with bins, or with few levels."""
    levels = [str(row.get("level")) for row in (attribute or {}).get("levels") or ()]
    numbers = [text for text in levels if not text.startswith("(")]
    return bool(levels) and not (len(levels) > _MOST_LEVELS and all(reads_as_number(text) for text in numbers))
