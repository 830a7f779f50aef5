"""The files of a run as a pack may hold them: no dates, no raw numbers, and no small cells where that is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import Evidence, StoredArtifact
from audit.errors import InputError
from audit.evidence import (
    DATED,
    EVIDENCE,
    FEW,
    Arrays,
    Plain,
    evidence_digest,
    from_plain,
    held_loader,
    junit,
    loader,
    mask,
    names_one,
    sarif,
    summary,
    suppress,
    to_plain,
    withheld,
)
from audit.pack._anonymity import NOT_SHARED, Anonymity, measure, share_table, table_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREDICTIONS = "predictions.parquet"
_DATE = re.compile(r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}|(?:19|20)\d{2}[01]\d[0-3]\d)\b")
__all__ = ["NOT_SHARED", "PREDICTIONS", "Left", "Shared", "share_run"]


@dataclass(frozen=True, kw_only=True)
class Left:
    """A file of the run that is another or absent in the pack, and why."""

    path: str
    sha256_in_run: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What a pack holds of a run.

    Args:
        evidence: As shared.
        files: Bytes by path inside the run's folder, as shared.
        derived: Files that differ from the run's.
        left_out: Files that are absent.
        anonymity: How many patients share their attributes.
        dropped: Reason by column that was taken out of the predictions.
        least: Fewest patients of a cell; 0: small cells are in the pack.
        restricted: Why the pack must not be passed on freely; empty: it was suppressed throughout.
    """

    evidence: Evidence
    files: Mapping[str, bytes]
    derived: tuple[Left, ...]
    left_out: tuple[Left, ...]
    anonymity: Anonymity
    dropped: Mapping[str, str]
    least: int
    restricted: tuple[str, ...]


def share_run(folder: Path, evidence: Evidence, least: int) -> Shared:
    """Return a run as it may be passed on.

    Args:
        folder: The run's folder, checked before.
        evidence: What it holds.
        least: Fewest patients of a cell that is shared, on top of what the run asked for; 0 as the run asked.

    Raises:
        InputError: The run shows ids, or names dates as levels of an attribute.
    """
    if evidence.run.get("key_id") == Plain.key_id:
        raise InputError(
            "a pack holds no ids", expected="a run with pseudonyms", got="a run that was asked to show ids",
            fix="run the audit again without show_ids",
        )  # fmt: skip
    _refuse_dates(evidence)
    least = max(least, int(evidence.run.get("min_cell") or 0))
    shared = suppress(evidence, least)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    before = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    table, why = share_table(files[PREDICTIONS], shared, _is_date, least)
    files[PREDICTIONS] = table.data
    gone = _without_artifacts(folder, shared, files)
    reasons = {PREDICTIONS: "; ".join(why)}
    if least:
        shared = _own_digest(shared, files)
        reasons |= dict.fromkeys((EVIDENCE, "log.jsonl"), f"cells of fewer than {least} patients are left out")
        files["log.jsonl"] = _log(files["log.jsonl"], shared, least)
    if least or DATED in gone.values():
        reasons |= _write_again(files, gone, least)
    derived = tuple(
        Left(path=n, sha256_in_run=before[n], why=reasons.get(n, "")) for n in sorted(files)
        if hashlib.sha256(files[n]).hexdigest() != before[n]
    )  # fmt: skip
    left = tuple(Left(path=n, sha256_in_run=before[n], why=w) for n, w in sorted(gone.items()))
    return Shared(
        evidence=shared, files=files, derived=derived, left_out=left, least=least,
        anonymity=measure(table), dropped=table.dropped, restricted=_restricted(shared, least),
    )  # fmt: skip


def shared_again(
    evidence: Evidence, files: Mapping[str, bytes], dropped: Mapping[str, str], manifest: Mapping[str, Any]
) -> Shared:
    """Return what a pack holds of a run, from the pack.

    Args:
        evidence: As shared.
        files: Bytes by path inside the run's folder.
        dropped: Reason by column that was taken out of the predictions.
        manifest: The content of pack.json.
    """
    least = int(manifest["min_cell"])
    table = table_of(files[PREDICTIONS], evidence, dropped)
    derived, left = (tuple(Left(**f) for f in manifest[key]) for key in ("derived", "left_out"))
    return Shared(
        evidence=evidence,
        files=files,
        derived=derived,
        left_out=left,
        least=least,
        anonymity=measure(table),
        dropped=dropped,
        restricted=_restricted(evidence, least),
    )


def _is_date(text: str) -> bool:
    return _DATE.search(text) is not None


def _refuse_dates(evidence: Evidence) -> None:
    named = {
        str(a["name"]) for a in evidence.cohort.get("attributes") or ()
        for row in a.get("levels") or () if _is_date(str(row.get("level", "")))
    }  # fmt: skip
    named |= {
        k for r in evidence.results for m in r.measurements for k, v in m.subgroup.items() if _is_date(str(v))
    }  # fmt: skip
    if named:
        raise InputError(
            "a pack holds no dates", expected="periods, for example 2025-Q1, or years",
            got=f"dates as levels of {', '.join(sorted(named))}",
            fix="replace the dates by periods in the manifest and run the audit again",
        )  # fmt: skip


def _restricted(evidence: Evidence, least: int) -> tuple[str, ...]:
    said = []
    if not least:
        said.append("small cells were not suppressed: neither --min-cell nor the run's own min_cell was given")
    if any(a.pixels for r in evidence.results for a in r.artifacts) and not evidence.cohort.get("phantom"):
        said.append("it holds image content, which the configuration asked for by name")
    return tuple(said)


def _without_artifacts(folder: Path, shared: Evidence, files: dict[str, bytes]) -> dict[str, str]:
    """Take out the arrays that may not be passed on, and return why by path."""
    load, gone = loader(folder), {}
    for stored in _stored(shared):
        arrays = load(stored)
        if withheld(stored, arrays, shared.run):
            gone[stored.file] = FEW
        elif any(_is_date(w) for w in _words(arrays.values())):
            gone[stored.file] = DATED
    for name in gone:
        files.pop(name, None)
    return gone


def _stored(evidence: Evidence) -> list[StoredArtifact]:
    return [a for r in evidence.results for a in r.artifacts]


def _words(arrays: Sequence[NDArray[np.generic]] | Any) -> list[str]:
    return [str(v) for a in arrays if a.dtype.kind in "US" for v in a.ravel()]


def _own_digest(shared: Evidence, files: dict[str, bytes]) -> Evidence:
    """Write the shared evidence with a digest of its own, and say what it was made from."""
    values = to_plain(shared)
    values["run"] |= {"derived_from": shared.run.get("evidence_digest")}
    values["run"]["evidence_digest"] = evidence_digest(values)
    text = json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    files[EVIDENCE] = (text + "\n").encode()
    from dataclasses import replace

    return replace(shared, run=values["run"])


def _log(data: bytes, shared: Evidence, least: int) -> bytes:
    few = [f"{a} {level}" for a, levels in shared.run.get("suppressed_levels", {}).items() for level in levels]
    lines = []
    for line in data.decode("utf-8", errors="replace").splitlines():
        event = json.loads(line)
        if names_one(str(event.get("text", "")), few):
            continue
        if "set_aside" in event:
            event["set_aside"] = dict(shared.cohort.get("ledger", {}).get("set_aside", {}))
        lines.append(json.dumps({k: _masked(v, least) for k, v in event.items()}, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode()


def _masked(value: Any, least: int) -> Any:
    return mask(value, least) if isinstance(value, str) else value


def _write_again(files: dict[str, bytes], gone: Mapping[str, str], least: int) -> dict[str, str]:
    """Write the report and the files for other programs from what is shared and nothing else, as whoever checks can."""
    from audit.report import render

    shared = from_plain(json.loads(files[EVIDENCE]))
    texts = {"report.html": render(shared, held_loader(files, gone))}
    if least:
        texts |= {"junit.xml": junit(shared), "audit.sarif": sarif(shared), "summary.md": summary(shared)}
    files.update({name: text.encode() for name, text in texts.items() if name in files})
    return dict.fromkeys(texts, f"written again without {'small cells' if least else 'figures that hold dates'}")


def shared_arrays(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Arrays:
    """Return a function that reads the arrays of figures from a pack, and knows those that it leaves out.

    Args:
        files: Bytes by path inside the run's folder.
        manifest: The content of pack.json.
    """
    return held_loader(files, {str(f["path"]): str(f["why"]) for f in manifest["left_out"]})
