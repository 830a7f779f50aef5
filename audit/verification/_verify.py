"""Whether a run or a pack is what it was when it was made."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import audit
from audit.core import Evidence, Finding, Probe
from audit.errors import EvidenceError, PolicyError
from audit.evidence import (
    EVIDENCE,
    SUMS,
    Arrays,
    evidence_digest,
    from_plain,
    junit,
    loader,
    read_predictions,
    sarif,
    summary,
    suppress,
)
from audit.judge import decide, judge
from audit.verification._again import Again, make_again
from audit.verification._files import Fault, folder_faults, read_bounded
from audit.verification._left_out import left_out
from audit.verification._report import report_differs
from audit.verification._stated import artifact_faults, count_faults, listed_faults, log_faults, pass_faults

PREDICTIONS, LOG, REPORT = "predictions.parquet", "log.jsonl", "report.html"
_SHARED: Mapping[str, Callable[[Evidence], str]] = {"junit.xml": junit, "audit.sarif": sarif, "summary.md": summary}
HELD = (EVIDENCE, SUMS, LOG, REPORT, *_SHARED)
"""Files that are held against what the evidence says."""
Watch = Callable[[str], None]
_OTHER_LEFT_OUT = (
    "Cells of few patients are left out: that what PASSes does was checked for each rule none of whose numbers is left "
    "out, and that no number in sight FAILs under one that says PASS. Whether another status is the right one was not."
)


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
    """

    faults: tuple[Fault, ...] = ()
    label: str = ""
    files: int = 0
    again: Again | None = None
    not_again: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def intact(self) -> bool:
        """Whether nothing was changed."""
        return not self.faults

    @property
    def exit_code(self) -> int:
        """0 intact, 1 changed."""
        return 0 if self.intact else 1


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
    found = verify_content(held, stored if stored.is_file() else None, probes, count, watch, arrays=loader(folder))
    more = [] if LOG in held else [Fault(file=LOG, what="absent")]
    if "suppressed_levels" in _values(held.get(EVIDENCE, b"")).get("run", {}):
        more.append(Fault(file=EVIDENCE, what="leaves cells out, as only a pack does: it is not what a run wrote"))
    return replace(found, faults=(*found.faults, *more))


def verify_content(
    held: Mapping[str, bytes], stored: Path | bytes | None, probes: Sequence[type[Probe]], files: int,
    watch: Watch | None = None, *, arrays: Arrays | None = None,
) -> Checked:  # fmt: skip
    """Check what files say, once their bytes were found to be those that were sealed.

    Args:
        held: Bytes of evidence.json and, where they are there, of what was made from it.
        stored: predictions.parquet, its bytes, or None.
        probes: The probes of this installation.
        files: Number of files that were checked byte for byte.
        watch: Told of each probe before its numbers are made again.
        arrays: Reads the arrays of figures, for the report; without it the report's text is not checked.

    Raises:
        EvidenceError: evidence.json is no evidence, or of a newer version.
    """
    values = _values(held.get(EVIDENCE, b""))
    evidence = from_plain(values)
    same = evidence.run.get("version") == audit.__version__
    faults = [*_digest_faults(values, evidence), *_policy_faults(evidence)]
    notes: list[str] = []
    if "suppressed_levels" in evidence.run:
        found, said = _left_out_faults(evidence) if same else (_pass_faults(evidence), _OTHER_LEFT_OUT)
        faults += found
        notes.append(said)
        faults += _shared_faults(evidence, held) if same else []
    elif same:
        faults += _verdict_faults(evidence)
        faults += _shared_faults(evidence, held)
        if arrays is not None and REPORT in held and report_differs(evidence, arrays, held[REPORT]):
            faults.append(Fault(file=REPORT, what="does not say what evidence.json says"))
    else:
        faults += _pass_faults(evidence)
        notes.append(
            f"The run was made with imaging-audit {evidence.run.get('version')}, this is {audit.__version__}: whether "
            "all of its findings follow from its numbers was not checked, only that what PASSes does."
        )
    if LOG in held:
        # Whatever version made it: a run states its policy, its outcome and its times in both.
        faults += [Fault(file=LOG, what=text) for text in log_faults(evidence, held[LOG])]
    if SUMS in held:
        faults += [Fault(file=name, what=what) for name, what in artifact_faults(evidence, held[SUMS])]
    if same:
        faults += _faults(listed_faults(evidence, [p.info.code for p in probes]))
    if stored is None:
        return Checked(
            faults=(*faults, Fault(file=PREDICTIONS, what="absent")), label=evidence.verdict.label, files=files,
            not_again="there are no stored predictions", notes=tuple(notes),
        )  # fmt: skip
    try:
        table = read_predictions(stored)
        again = make_again(evidence, table, probes, same_version=same, watch=watch)
        faults += _faults(count_faults(evidence, table))
    except EvidenceError as error:
        if same:
            faults.append(Fault(file=PREDICTIONS, what=f"{error.problem}: {error.got or error.expected}"))
        return Checked(
            faults=tuple(faults), label=evidence.verdict.label, files=files, not_again=error.problem, notes=tuple(notes)
        )
    faults += [Fault(file=EVIDENCE, what=text) for text in again.differing]
    why = "" if again.numbers else "none of its numbers can be made from stored predictions alone"
    return Checked(
        faults=tuple(faults), label=evidence.verdict.label, files=files, again=again, not_again=why, notes=tuple(notes)
    )


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


def _faults(texts: Iterable[str]) -> list[Fault]:
    try:
        return [Fault(file=EVIDENCE, what=text) for text in texts]
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"cannot be held against itself: {error}"[:160])]


def _pass_faults(evidence: Evidence) -> list[Fault]:
    try:
        return _faults(pass_faults(evidence, _judged(evidence), _range(evidence)))
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"cannot be judged again: {error}"[:160])]


def _left_out_faults(evidence: Evidence) -> tuple[list[Fault], str]:
    """Return what cannot be of a copy without small cells, and a sentence on what nobody can tell from it."""
    try:
        found = left_out(evidence, _day(evidence), _range(evidence))
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"cannot be judged again: {error}"[:160])], _OTHER_LEFT_OUT
    said = "Cells of few patients are left out; each rule all of whose numbers are in sight was judged again."
    if found.untold:
        said += (
            f" {len(found.untold)} of {len(evidence.policy.rules)} rest on numbers that are left out as well, and for "
            f"these only what is in sight was: {', '.join(found.untold)}."
        )
    return _faults(found.faults), said


def _judged(evidence: Evidence) -> tuple[Finding, ...]:
    return judge(evidence.results, evidence.policy, today=_day(evidence), input_range=_range(evidence))


def _range(evidence: Evidence) -> tuple[float, float] | None:
    span = (evidence.model.get("input") or {}).get("range")
    return None if span is None else (float(span[0]), float(span[1]))


def _verdict_faults(evidence: Evidence) -> list[Fault]:
    """Return where findings and verdict are not what the measurements give under the policy on the day of the run."""
    try:
        findings = _judged(evidence)
        verdict = decide(findings, evidence.results, evidence.policy, evidence.model)
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        return [Fault(file=EVIDENCE, what=f"cannot be judged again: {error}"[:160])]
    said = {f.rule: f for f in evidence.findings}
    faults = [
        Fault(file=EVIDENCE, what=f"rule '{f.rule}' says {_status(said.get(f.rule))}, its numbers say {f.status}")
        for f in findings
        if said.get(f.rule) != f
    ]
    faults += [
        Fault(file=EVIDENCE, what=f"a finding of rule '{r}', which the policy does not have")
        for r in said.keys() - {f.rule for f in findings}
    ]
    if verdict != evidence.verdict:
        text = f"states {evidence.verdict.label}, its findings give {verdict.label}"
        faults.append(Fault(file=EVIDENCE, what=text if verdict.label != evidence.verdict.label else
                            "states other reasons for its verdict than its findings give"))  # fmt: skip
    return faults


def _status(finding: Any) -> str:
    return "nothing" if finding is None else str(finding.status)


def _day(evidence: Evidence) -> dt.date:
    """Return the day (UTC) on which the run was judged."""
    moment = dt.datetime.fromisoformat(str(evidence.run.get("finished") or evidence.run["started"]))
    return moment.astimezone(dt.UTC).date()


def _shared_faults(evidence: Evidence, held: Mapping[str, bytes]) -> list[Fault]:
    """Return the files for other programs that do not say what the evidence says."""
    shared = suppress(evidence, int(evidence.run.get("min_cell", 0)))
    return [
        Fault(file=name, what="does not say what evidence.json says")
        for name, write in _SHARED.items()
        if name in held and write(shared).encode() != held[name]
    ]
