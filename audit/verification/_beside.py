"""The files of a run that are made from its evidence, made again and held against it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.core import Evidence
from audit.evidence import EVIDENCE, SUMS, Arrays, junit, sarif, summary, suppress
from audit.verification._files import Fault
from audit.verification._report import SAYS, compare_report

LOG, REPORT = "log.jsonl", "report.html"
_SHARED: Mapping[str, Callable[[Evidence], str]] = {"junit.xml": junit, "audit.sarif": sarif, "summary.md": summary}
HELD = (EVIDENCE, SUMS, LOG, REPORT, *_SHARED)
"""Files that are held against what the evidence says."""


_WORD = re.compile(rb'<p class="word"><span class="mark ([A-Z_]+)">([A-Z_]+)')
_HEADING = re.compile(rb"# ([A-Z]+)")


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What became of the files beside the evidence.

    Args:
        faults: Each file that is not what this version makes of the evidence.
        unseen: Sentences on what of them could not be compared.
    """

    faults: tuple[Fault, ...]
    unseen: tuple[str, ...]


def held_beside(evidence: Evidence, held: Mapping[str, bytes], arrays: Arrays | None) -> Beside:
    """Make report, summary and the files for other programs again.

    Args:
        evidence: The run, or a copy of it without small cells.
        held: Bytes of what was made from it.
        arrays: Reads the arrays of figures; None: the report is not made again.
    """
    shared = suppress(evidence, int(evidence.run.get("min_cell", 0)))
    faults = [
        Fault(file=name, what=SAYS)
        for name, write in _SHARED.items()
        if name in held and write(shared).encode() != held[name]
    ]
    if arrays is None or REPORT not in held:
        return Beside(faults=tuple(faults), unseen=())
    found = compare_report(evidence, arrays, held[REPORT])
    if found.fault:
        faults.append(Fault(file=REPORT, what=found.fault))
    return Beside(faults=tuple(faults), unseen=(found.unseen,) if found.unseen else ())


def outcome_faults(evidence: Evidence, held: Mapping[str, bytes]) -> list[Fault]:
    """Return the files that state another outcome than the evidence, where they can be told to state one.

    For files of another version, whose other words nobody here can make again.

    Args:
        evidence: The run, or a copy of it without small cells.
        held: Bytes of what was made from it.
    """
    said = {
        REPORT: [word for pair in _WORD.findall(held.get(REPORT, b"")) for word in pair],
        "summary.md": _HEADING.findall(held.get("summary.md", b"").partition(b"\n")[0]),
        "audit.sarif": _of_sarif(held.get("audit.sarif", b"")),
    }
    outcome = evidence.verdict.outcome.encode()
    return [
        Fault(file=name, what=f"states {word.decode()}, evidence.json {evidence.verdict.outcome}")
        for name, words in said.items() for word in sorted(set(words) - {outcome})
    ]  # fmt: skip


def _of_sarif(data: bytes) -> list[bytes]:
    try:
        return [str(run["properties"]["outcome"]).encode() for run in json.loads(data)["runs"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
