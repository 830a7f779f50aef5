"""What a pack states more than once, held against each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from audit.errors import EvidenceError
from audit.evidence import DATED, EVIDENCE, FEW, FILES, from_plain, policy_to_plain
from audit.pack._against import BASELINE
from audit.pack._read import MANIFEST, RUN, SUMS, Pack, parse_sums, read_json

POLICY = "policy.json"
_PREDICTIONS, _REPORT = "predictions.parquet", "report.html"


def stated_faults(pack: Pack) -> tuple[str, ...]:
    """Return a sentence for each file of a pack that does not fit its other files.

    Args:
        pack: A pack whose bytes are those that its SHA256SUMS lists.
    """
    try:
        return (*_run(pack), *_baseline(pack), *_about(pack), *_documents(pack))
    except (EvidenceError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        text = error.problem if isinstance(error, EvidenceError) else f"{type(error).__name__}: {error}"
        return (f"{MANIFEST}: cannot be held against the other files: {text[:120]}",)


def _run(pack: Pack) -> Iterator[str]:
    """Yield the files of the run that are not those which the run sealed, but for what pack.json accounts for."""
    held = {k: v for k, v in pack.run_files().items() if k != SUMS}
    sealed = parse_sums(pack.files[RUN + SUMS])
    derived = {str(f["path"]): str(f["sha256_in_run"]) for f in pack.manifest["derived"]}
    small = bool(pack.manifest["min_cell"])
    reasons = {DATED, FEW} if small else {DATED}
    left = {
        str(f["path"]): str(f["sha256_in_run"]) for f in pack.manifest["left_out"]
        if str(f["path"]).startswith("artifacts/") and f["why"] in reasons
    }  # fmt: skip
    if not small:
        # Only a pack without small cells has another verdict sheet than its run, and only one without figures that hold
        # dates another report.
        derived = {k: v for k, v in derived.items() if k == _PREDICTIONS or (left and k == _REPORT)}
    for name in sorted(held.keys() - sealed.keys()):
        yield f"{RUN}{name}: not a file of the run"
    for name in sorted(n for n in held.keys() & sealed.keys() if n not in FILES and not n.startswith("artifacts/")):
        # Whoever makes the list anew may list anything; a reader takes what lies in the run for what it wrote.
        yield f"{RUN}{name}: no file that a run writes"
    for name in sorted(sealed.keys() - held.keys()):
        if left.get(name) != sealed[name]:
            yield f"{RUN}{name}: absent"
    for name in sorted(held.keys() & sealed.keys()):
        same = hashlib.sha256(held[name]).hexdigest() == sealed[name]
        if not same and derived.get(name) != sealed[name]:
            yield f"{RUN}{name}: not what the run sealed"


def _baseline(pack: Pack) -> Iterator[str]:
    """Yield the files of the baseline that are not those which its run sealed, but for what pack.json accounts for."""
    held = {n.removeprefix(BASELINE): data for n, data in pack.files.items() if n.startswith(BASELINE)}
    if not held:
        return
    sealed = parse_sums(held.pop(SUMS))
    for name in sorted(held.keys() - {EVIDENCE, _PREDICTIONS}):
        yield f"{BASELINE}{name}: no file that a pack takes of a baseline"
    derived = {str(f["path"]): str(f["sha256_in_run"]) for f in pack.manifest["baseline_derived"]}
    if not pack.manifest["min_cell"]:
        derived = {k: v for k, v in derived.items() if k == _PREDICTIONS}
    for name, data in sorted(held.items()):
        if hashlib.sha256(data).hexdigest() != sealed.get(name) and derived.get(name) != sealed.get(name, ""):
            yield f"{BASELINE}{name}: not what the run of the baseline sealed"


def _about(pack: Pack) -> Iterator[str]:
    values = read_json(pack.files[RUN + EVIDENCE])
    evidence = from_plain(values)
    run: Mapping[str, Any] = evidence.run
    wanted = {
        "version": run.get("version"), "outcome": evidence.verdict.outcome, "policy_digest": evidence.policy.digest,
        "evidence_digest": run.get("evidence_digest"), "model_digest": evidence.model.get("digest"),
        "cohort_digest": evidence.cohort.get("digest"), "min_cell": int(run.get("min_cell") or 0),
    }  # fmt: skip
    for key, value in wanted.items():
        if pack.manifest.get(key) != value:
            yield f"{MANIFEST}: names another {key.replace('_', ' ')} than {RUN}{EVIDENCE}"
    if ("suppressed_levels" in run) != bool(run.get("min_cell")):
        yield f"{RUN}{EVIDENCE}: leaves cells out, and does not say below how many patients"
    if read_json(pack.files[POLICY]) != json.loads(json.dumps(policy_to_plain(evidence.policy))):
        yield f"{POLICY}: not the policy of {RUN}{EVIDENCE}"


def _documents(pack: Pack) -> Iterator[str]:
    named = {str(d["path"]) for d in pack.manifest["documents"]}
    there = {name for name in pack.files if name.startswith("documents/")}
    for name in sorted(named ^ there):
        yield f"{name}: absent" if name in named else f"{name}: not a document that {MANIFEST} names"
