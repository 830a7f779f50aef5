"""The numbers of a run, made again from its stored predictions: no model, no images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from audit.core import Access, Evidence, Measurement, Probe, ProbeResult, Scalar, StoredPredictions
from audit.evidence import SUPPRESSED, Arrays
from audit.execution import Silent, run_probe
from audit.verification._figures import TOLERANCE, Kept, figure_faults
from audit.verification._rebuild import setting_of

_NEEDS_MORE = {
    "DATA001": "it looks at the ids of other splits",
    "SETUP001": "it asks the model",
}
# Beside the outputs these look at images, or at what lies in their files, where a cohort has any.
_ALSO_IMAGES = ("DATA006", "CONF003", "SHIFT003")
_NO_IMAGES = "the cohort has no images"
# These use the numbers behind declared bins, which copies of the predictions leave out.
_NUMBERS = ("PERF006", "CONF007", "DATA006")
# What is left of a copy without some attribute, or without levels of few patients.
_NO_ATTRIBUTE = ("SETUP003", "PERF001", "PERF002", "PERF008", "PERF009", "CAL001")
_MOST_NAMED = 8
Named = tuple[str, tuple[tuple[str, Scalar], ...], tuple[tuple[str, Scalar], ...]]


@dataclass(frozen=True, kw_only=True)
class Again:
    """What became of the numbers that were made again.

    Args:
        probes: Codes whose every number agrees.
        numbers: How many numbers these are, each with its interval.
        differing: Sentences on what does not agree, naming probe and metric.
        left_out: By code, why a completed probe's numbers were not made again.
        older: Codes of probes that this version measures otherwise, so that nothing holds their numbers.
    """

    probes: tuple[str, ...] = ()
    numbers: int = 0
    differing: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    older: tuple[str, ...] = ()


def make_again(
    evidence: Evidence, stored: StoredPredictions, probes: Sequence[type[Probe]], *, same_version: bool,
    watch: Callable[[str], None] | None = None, arrays: Arrays | None = None,
) -> Again:  # fmt: skip
    """Make the numbers of a run again and hold them against its evidence.

    Args:
        evidence: The run.
        stored: Its predictions.
        probes: The probes of this installation.
        same_version: Whether the run was made with this version, so that every probe is the one that measured.
        watch: Told of each probe before it runs.
        arrays: Reads the arrays of figures, which are then held against those made again.

    Raises:
        EvidenceError: Evidence and predictions do not fit together.
    """
    setting = setting_of(evidence, stored)
    by_code = {probe.info.code: probe for probe in probes}
    agreed: list[str] = []
    differing = list(_outputs(evidence, stored))
    left_out: dict[str, str] = {}
    older: list[str] = []
    numbers = 0
    copy = _Copy.of(evidence, stored)
    images = not any(_NO_IMAGES in r.reason for r in evidence.results)
    for result in evidence.results:
        if result.state not in ("completed", "not_applicable"):
            continue
        why = _why_not(result, by_code.get(result.probe), images=images)
        why = why or copy.why_not(result.probe)
        if why:
            # What is said not to apply leaves a rule without a number as well.
            if result.state == "completed" or any(r.probe == result.probe for r in evidence.policy.rules):
                left_out[result.probe] = why
            continue
        if watch is not None:
            watch(result.probe)
        kept = Kept()
        found = run_probe(by_code[result.probe], replace(setting, store=kept.store), Silent()).result
        faults = _differences(result, found, suppressed=copy.suppressed)
        if not faults and arrays is not None:
            faults = list(figure_faults(result, kept.artifacts, arrays))
        if faults and not same_version and result.info.version != found.info.version:
            left_out[result.probe] = f"{_older(result, found)}, which gives other numbers"
            older.append(result.probe)
            continue
        differing += faults
        if not faults and result.state == "completed":
            agreed.append(result.probe)
            numbers += len(result.measurements)
    return Again(
        probes=tuple(agreed), numbers=numbers, differing=tuple(differing), left_out=left_out, older=tuple(older)
    )


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """What a copy of stored predictions leaves out; nothing of it in the run's own folder."""

    numbers: tuple[str, ...]
    levels: tuple[str, ...]
    suppressed: bool

    @classmethod
    def of(cls, evidence: Evidence, stored: StoredPredictions) -> _Copy:
        def gone(prefix: str) -> tuple[str, ...]:
            return tuple(c.removeprefix(prefix) for c in stored.absent if c.startswith(prefix))

        return cls(numbers=gone("number."), levels=gone("attribute."), suppressed="suppressed_levels" in evidence.run)

    def why_not(self, code: str) -> str:
        """Return why a probe's numbers cannot be made from such a copy, empty where they can."""
        if self.numbers and code in _NUMBERS:
            return f"it needs the numbers of {', '.join(self.numbers)}, which this copy leaves out"
        if code in _NO_ATTRIBUTE:
            return ""
        if self.levels:
            return f"this copy leaves out {', '.join(self.levels)}"
        return "this copy leaves out levels of few patients" if self.suppressed else ""


def _outputs(evidence: Evidence, stored: StoredPredictions) -> list[str]:
    """Return what is wrong between the evidence and the outputs that it rests on."""
    said = evidence.model.get("predictions_digest")
    found = hashlib.sha256(np.ascontiguousarray(stored.clean.raw).tobytes()).hexdigest()
    faults = []
    if said is not None and said != found:
        faults.append("predictions.parquet does not hold the outputs whose digest evidence.json states")
    if evidence.cohort.get("n") != len(stored.clean):
        faults.append(f"predictions.parquet has {len(stored.clean)} cases, evidence.json {evidence.cohort.get('n')}")
    return faults


def _why_not(result: ProbeResult, probe: type[Probe] | None, *, images: bool) -> str:
    """Return why a result is not made again, empty where it is."""
    code = result.probe
    if probe is None:
        return "it is not among the probes of this suite"
    if probe.info.access is not Access.SAVED or "images" in probe.info.needs:
        return "it needs the model or the images"
    if images and code in _ALSO_IMAGES:
        return "it looks at the images, too"
    return _NEEDS_MORE.get(code, "")


def _older(said: ProbeResult, found: ProbeResult) -> str:
    return f"it was measured by version {said.info.version} of the probe, here is {found.info.version}"


def _differences(said: ProbeResult, found: ProbeResult, *, suppressed: bool) -> list[str]:
    code = said.probe
    if said.info.version > found.info.version:
        return [f"{code}: evidence.json states version {said.info.version}, this suite has {found.info.version}"]
    if said.state != found.state:
        return [f"{code}: evidence.json states {said.state}, the stored predictions give {found.state}"]
    if said.seed != found.seed:
        return [f"{code}: evidence.json states another seed than the run's seed gives"]
    mine, theirs = _by_name(said.measurements), _by_name(found.measurements)
    faults = [f"{code}: {_words(k)}: in evidence.json, not from the stored predictions" for k in mine.keys() - theirs]
    faults += [f"{code}: {_words(k)}: from the stored predictions, not in evidence.json" for k in theirs.keys() - mine]
    for key in mine.keys() & theirs.keys():
        if suppressed and any(m.method == SUPPRESSED for m in mine[key]):
            continue
        why = "numbers more than once" if len(mine[key]) != len(theirs[key]) else ""
        why = why or next(
            (w for a, b in zip(mine[key], theirs[key], strict=True) if (w := _differ(a, b, words=not suppressed))), ""
        )
        if why:
            faults.append(f"{code}: {_words(key)}: {why}")
    faults.sort()
    more = len(faults) - _MOST_NAMED
    return faults[:_MOST_NAMED] + ([f"{code}: and {more} more"] if more > 0 else [])


def _by_name(measurements: Sequence[Measurement]) -> dict[Named, list[Measurement]]:
    found: dict[Named, list[Measurement]] = {}
    for m in measurements:
        where = tuple((k, v) for k, v in m.condition.items() if k != "n_rest" or m.method != SUPPRESSED)
        found.setdefault((m.metric, tuple(m.subgroup.items()), where), []).append(m)
    return found


def _words(key: Named) -> str:
    metric, subgroup, condition = key
    where = ", ".join(f"{k} {v}" for k, v in (*subgroup, *condition) if k != "n_rest")
    return f"{metric} ({where})" if where else metric


def _differ(said: Measurement, found: Measurement, *, words: bool) -> str:
    """Return the first thing in which two measurements differ, empty where they agree."""
    for name in ("value", "low", "high", "k"):
        a, b = getattr(said, name), getattr(found, name)
        if not _near(a, b):
            return f"{name} {_number(a)} in evidence.json, {_number(b)} from the stored predictions"
    for name in ("n", "n_patients", "method", "unit", "direction", "level", "contrast"):
        a, b = getattr(said, name), getattr(found, name)
        if a != b and (words or name != "method"):
            return f"{name} {a} in evidence.json, {b} from the stored predictions"
    if bool(said.missing) != bool(found.missing):
        return "missing in one of the two"
    rungs = zip(said.curve, found.curve, strict=False)
    if len(said.curve) != len(found.curve) or not all(_near(x, y) for a, b in rungs for x, y in zip(a, b, strict=True)):
        return "another curve of bounds"
    mine, theirs = said.simultaneous or (None, None), found.simultaneous or (None, None)
    return "" if _near(mine[0], theirs[0]) and _near(mine[1], theirs[1]) else "another simultaneous interval"


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _number(x: float | None) -> str:
    return "none" if x is None else f"{x:.6g}"
