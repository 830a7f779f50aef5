"""Whether two runs are about the same cases; whatever differs is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.core import Evidence, ModelCard, StoredPredictions


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One of two runs.

    Args:
        evidence: What was found out.
        card: The model's card.
        stored: What the model said of every case; None where that cannot be read.
        lacking: Why it cannot be read.
    """

    evidence: Evidence
    card: ModelCard
    stored: StoredPredictions | None
    lacking: str = ""


def why_not_paired(candidate: Side, baseline: Side) -> tuple[str, ...]:
    """Return every reason why two runs cannot be held against each other case by case; empty where they can.

    Args:
        candidate: The run that is judged.
        baseline: The run that it is held against.
    """
    return (*_declared(candidate, baseline), *_versions(candidate, baseline), *_cases(candidate, baseline))


def _declared(candidate: Side, baseline: Side) -> Iterator[str]:
    a, b = candidate.evidence, baseline.evidence
    if not a.cohort.get("digest") or a.cohort.get("digest") != b.cohort.get("digest"):
        said = f"{_short(b.cohort.get('digest'))} and {_short(a.cohort.get('digest'))}"
        yield f"The runs are on different cohorts: the digests of baseline and candidate are {said}."
    if not a.run.get("key_id") or a.run.get("key_id") != b.run.get("key_id"):
        yield (
            f"The pseudonyms were made with different keys ({_short(b.run.get('key_id'))} and "
            f"{_short(a.run.get('key_id'))}), so cases cannot be matched."
        )
    for key, words in (("seed", "seeds"), ("profile", "profiles")):
        if a.run.get(key) != b.run.get(key):
            said = f"{b.run.get(key)} in the baseline, {a.run.get(key)} in the candidate"
            yield f"The runs have different {words}: {said}."
    for key in ("task", "classes", "output"):
        mine, theirs = getattr(candidate.card, key), getattr(baseline.card, key)
        if mine != theirs and not (key == "output" and {mine, theirs} <= {"logits", "probabilities"}):
            yield f"The models differ in {key}: {_plain(theirs)} in the baseline, {_plain(mine)} in the candidate."
    if candidate.card.digest == baseline.card.digest:
        yield "Baseline and candidate are the same model, so there is nothing to compare."
    if _set_up(b):
        yield "The run of the baseline found a fault of its set-up, so its numbers are no baseline."


def _versions(candidate: Side, baseline: Side) -> Iterator[str]:
    theirs = {r.probe: r for r in baseline.evidence.results if r.state == "completed"}
    for r in candidate.evidence.results:
        other = theirs.get(r.probe)
        if other is None or r.state != "completed":
            continue
        if other.info.version != r.info.version:
            yield f"{r.probe} is of version {other.info.version} in the baseline, {r.info.version} in the candidate."


def _cases(candidate: Side, baseline: Side) -> Iterator[str]:
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        if side.stored is None:
            yield f"The stored predictions of the {name} cannot be used: {side.lacking or 'there are none'}."
    if candidate.stored is None or baseline.stored is None:
        return
    a, b = candidate.stored.clean, baseline.stored.clean
    mine, theirs = set(a.case.tolist()), set(b.case.tolist())
    if len(mine) != len(a) or len(theirs) != len(b):
        yield "A case stands twice in the stored predictions."
        return
    if candidate.evidence.run.get("key_id") != baseline.evidence.run.get("key_id"):
        # Under two keys every case has two names, and which of them were answered cannot be told.
        return
    # Whoever does not answer the hard cases must not look better for it.
    for name, only in (("candidate", theirs - mine), ("baseline", mine - theirs)):
        if only:
            what = f"{len(only)} case{'s' if len(only) > 1 else ''}"
            yield f"The {name} has no answer to {what} of {len(mine | theirs)} that the other answered."
    if mine != theirs:
        return
    order = aligned(candidate.stored, baseline.stored)
    same = [
        np.array_equal(a.patient, b.patient[order]), a.targets.shape == b.targets.shape
        and np.array_equal(a.targets, b.targets[order], equal_nan=a.targets.dtype.kind == "f"),
    ]  # fmt: skip
    if not all(same):
        yield "The stored predictions disagree on whose the cases are, or on their reference standard."
    if candidate.stored.outputs != baseline.stored.outputs:
        yield "The models give different outputs."


def aligned(candidate: StoredPredictions, baseline: StoredPredictions) -> np.ndarray:
    """Return (n,) the row of the baseline for each row of the candidate; both have the same cases."""
    where = {case: row for row, case in enumerate(baseline.clean.case.tolist())}
    return np.array([where[case] for case in candidate.clean.case.tolist()], dtype=np.int64)


def _set_up(evidence: Evidence) -> bool:
    checks = [r for r in evidence.results if r.info.family == "SETUP"]
    return any(m.value for r in checks for m in r.measurements if m.metric == "faults") or any(
        r.state == "error" for r in checks
    )


def about(side: Side) -> Mapping[str, Any]:
    """Return what a reader must know of a run to tell it from the other."""
    evidence = side.evidence
    return {
        "name": side.card.name, "version": side.card.version, "digest": side.card.digest,
        "evidence_digest": evidence.run.get("evidence_digest", ""), "outcome": evidence.verdict.label,
        "finished": evidence.run.get("finished", ""), "n": evidence.cohort.get("n", 0),
        "n_patients": evidence.cohort.get("n_patients", 0), "cohort": evidence.cohort.get("name", ""),
        "phantom": bool(evidence.model.get("phantom")),
        "operating_point": side.card.operating_point,
    }  # fmt: skip


def _short(text: Any) -> str:
    return str(text or "none")[:12]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
