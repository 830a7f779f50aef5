"""Whether a run or a pack is what it was when it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import audit
from audit.core import Evidence, Probe
from audit.errors import EvidenceError
from audit.evidence import (
    EVIDENCE,
    FILES,
    SUMS,
    Arrays,
    evidence_digest,
    from_plain,
    loader,
    read_predictions,
)
from audit.verification._again import Again, make_again
from audit.verification._beside import HELD, LOG, held_beside, outcome_faults
from audit.verification._figures import array_faults
from audit.verification._files import Fault, folder_faults, read_bounded
from audit.verification._form import column_faults, form_faults
from audit.verification._judged import judged_again, said_of_evidence
from audit.verification._stated import artifact_faults, count_faults, listed_faults, log_faults

PREDICTIONS = "predictions.parquet"
_MOST_NAMED = 8
Watch = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found.

    Args:
        faults: Everything that is not as it was written; empty: intact.
        label: The verdict that the evidence states, "" where it could not be read.
        files: Number of files whose bytes were held against their digest.
        again: What became of the numbers that were made again from the stored predictions; None where none was.
        not_again: Why no number was made again, "" where some were.
        notes: What else a reader should know.
        not_made: What was not made again though the version that made it can, so that nothing is known but its digest.
        untold: What nobody can make again, whatever version: a browser's pages, statuses of rules that rest on numbers
            that are left out.
        signed: Whether a signature over every file holds by the key that was given.
    """

    faults: tuple[Fault, ...] = ()
    label: str = ""
    files: int = 0
    again: Again | None = None
    not_again: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)
    not_made: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    signed: bool = False

    @property
    def intact(self) -> bool:
        """Whether nothing was found changed; `not_made` says what was not looked at."""
        return not self.faults

    @property
    def exit_code(self) -> int:
        """0 intact, 1 changed, 3 nothing found changed, but not all of what can be made again was, nor is it signed."""
        if not self.intact:
            return 1
        return 0 if self.signed or not self.not_made else 3


def verify_folder(folder: Path, probes: Sequence[type[Probe]], watch: Watch | None = None) -> Checked:
    """Check a run's folder: every byte, the digest inside, the verdict, and the numbers.

    Args:
        folder: The run's folder; nothing in it is changed.
        probes: The probes of this installation.
        watch: Told of each probe before its numbers are made again.

    Raises:
        EvidenceError: There is no finished run to check, or it is of a newer version.
    """
    faults = folder_faults(folder)
    count = sum(1 for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    if faults:
        # What is known to be changed is not read further: its numbers would say nothing.
        why = "files were changed, so nothing in them was read"
        return Checked(faults=faults, files=count, not_again=why)
    held = {name: read_bounded(folder / name) for name in HELD if (folder / name).is_file()}
    stored = folder / PREDICTIONS
    found = verify_content(
        held, stored if stored.is_file() else None, probes, count, watch, arrays=loader(folder), run=True
    )
    more = _unlike_a_run(folder)
    if "suppressed_levels" in _values(held.get(EVIDENCE, b"")).get("run", {}):
        more.append(Fault(file=EVIDENCE, what="leaves cells out, as only a pack does: it is not what a run wrote"))
    return replace(found, faults=(*found.faults, *more))


def _unlike_a_run(folder: Path) -> list[Fault]:
    """Return the files of a run that are absent, and those that no run writes: whoever lists may list any."""
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    faults = [Fault(file=n, what="absent") for n in FILES if n not in names and n != PREDICTIONS]
    more = sorted(n for n in names - {*FILES, SUMS} if not n.startswith("artifacts/"))
    return faults + [Fault(file=n, what="no file that a run writes") for n in more]


def verify_content(
    held: Mapping[str, bytes], stored: Path | bytes | None, probes: Sequence[type[Probe]], files: int,
    watch: Watch | None = None, *, arrays: Arrays | None = None, run: bool = False,
) -> Checked:  # fmt: skip
    """Check what files say, once their bytes were found to be those that were sealed.

    Args:
        held: Bytes of evidence.json and, where they are there, of what was made from it.
        stored: predictions.parquet, its bytes, or None.
        probes: The probes of this installation.
        files: Number of files that were checked byte for byte.
        watch: Told of each probe before its numbers are made again.
        arrays: Reads the arrays of figures; without it neither they nor the report's text are checked.
        run: Whether these are the files of a run's own folder, of which nothing is left out.

    Raises:
        EvidenceError: evidence.json is no evidence, or of a newer version.
    """
    values = _values(held.get(EVIDENCE, b""))
    evidence = from_plain(values)
    same = evidence.run.get("version") == audit.__version__
    faults = [*_digest_faults(values, evidence), *_policy_faults(evidence)]
    judged = judged_again(evidence, same=same)
    faults += judged.faults
    notes, not_made, untold = list(judged.notes), list(judged.not_made), _statuses(len(judged.untold))
    beside = held_beside(evidence, held, arrays)
    notes += beside.unseen
    not_made += ["the script of its figures"] if beside.unseen else []
    if same:
        faults += beside.faults
    else:
        faults += outcome_faults(evidence, held)
        not_made += sorted({fault.file for fault in beside.faults})
    if LOG in held:
        # Whatever version made it: a run states its policy, its outcome and its times in both.
        faults += [Fault(file=LOG, what=text) for text in log_faults(evidence, held[LOG])]
    if SUMS in held:
        faults += [Fault(file=name, what=what) for name, what in artifact_faults(evidence, held[SUMS])]
    if same:
        faults += said_of_evidence(listed_faults(evidence, [p.info.code for p in probes]))
        faults += said_of_evidence(islice(form_faults(values, evidence, probes), _MOST_NAMED))
    if arrays is not None:
        faults += said_of_evidence(array_faults(evidence, arrays))
    if stored is None:
        return Checked(
            faults=(*faults, Fault(file=PREDICTIONS, what="absent")), label=evidence.verdict.label, files=files,
            not_again="there are no stored predictions", notes=tuple(notes), not_made=tuple(not_made), untold=untold,
        )  # fmt: skip
    try:
        table = read_predictions(stored)
        again = make_again(evidence, table, probes, same_version=same, watch=watch, arrays=arrays)
        faults += said_of_evidence(count_faults(evidence, table))
        if same:
            faults += [Fault(file=PREDICTIONS, what=text) for text in column_faults(evidence, table, run=run)]
    except EvidenceError as error:
        if same:
            faults.append(Fault(file=PREDICTIONS, what=f"{error.problem}: {error.got or error.expected}"))
        return Checked(
            faults=tuple(faults), label=evidence.verdict.label, files=files, not_again=error.problem,
            notes=tuple(notes), not_made=(*not_made, "numbers"), untold=untold,
        )  # fmt: skip
    faults += [Fault(file=EVIDENCE, what=text) for text in again.differing]
    why = "" if again.numbers else "none of its numbers can be made from stored predictions alone"
    not_made += [f"numbers of {', '.join(again.older)}"] if again.older else []
    return Checked(
        faults=tuple(faults), label=evidence.verdict.label, files=files, again=again, not_again=why,
        notes=tuple(notes), not_made=tuple(not_made), untold=untold,
    )  # fmt: skip


def _statuses(count: int) -> tuple[str, ...]:
    return (f"the status of {count} rule{'s' if count > 1 else ''}",) if count else ()


def _values(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(
            "evidence.json cannot be read", expected="JSON with finite numbers", got=str(error)[:120],
            fix="take the folder from where it was made",
        ) from error  # fmt: skip
    if not isinstance(values, dict):
        raise EvidenceError("evidence.json cannot be read", expected="an object", got=type(values).__name__)
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object none of whose names stands twice: a reader who takes the first would see another verdict."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no finite number")


def _digest_faults(values: Mapping[str, Any], evidence: Evidence) -> list[Fault]:
    try:
        found = evidence_digest(values)
    except (KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"has no digest: {type(error).__name__}: {error}"[:160])]
    stated = evidence.run.get("evidence_digest")
    if stated == found:
        return []
    return [Fault(file=EVIDENCE, what=f"states the digest {str(stated)[:16]}, its content has {found[:16]}")]


def _policy_faults(evidence: Evidence) -> list[Fault]:
    """Return whether the policy's digest is another than its content's; what was agreed on is known by it."""
    found = replace(evidence.policy, digest="").digest
    if found == evidence.policy.digest:
        return []
    said = f"states the digest {evidence.policy.digest[:16]} of its policy, whose content has {found[:16]}"
    return [Fault(file=EVIDENCE, what=said)]
