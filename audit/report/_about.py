"""What was audited, by what methods, and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.core import Evidence
from audit.evidence import SUPPRESSED
from audit.report._facts import attributes, cases, counted, first, ledger, mapping_of, patients, words_of
from audit.report._metrics import METRICS
from audit.report._numbers import number, whole
from audit.report._words import METHODS, capital, definition, listed, metric_name, plural

Pairs = tuple[tuple[str, str], ...]
_ACCESS = {
    "SAVED": "saved predictions only",
    "QUERY": "questions and answers",
    "GRADIENT": "gradients",
    "TRAINABLE": "gradients and training",
}


def short(digest: object) -> str:
    """Return the first sixteen characters of a digest in groups of four."""
    text = str(digest or "").removeprefix("sha256:")
    return " ".join(text[i : i + 4] for i in range(0, min(len(text), 16), 4))


def _kept(pairs: list[tuple[str, str]]) -> Pairs:
    return tuple((k, v) for k, v in pairs if v)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if _plain(v))
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value)
    return str(value)


def model_facts(evidence: Evidence) -> Pairs:
    """Return the model card as pairs of words."""
    m = evidence.model
    classes = words_of(m.get("classes"))
    point = _plain(m.get("operating_point"))
    source = str(m.get("operating_point_source") or "")
    return _kept([
        ("name", " ".join(x for x in (str(m.get("name") or ""), str(m.get("version") or "")) if x)),
        ("task", str(m.get("task") or "") + (f": {listed(list(classes))}" if classes else "")),
        ("answers with", str(m.get("output") or "").replace("_", " ")),
        ("loaded as", str(m.get("kind") or "")),
        ("access", _ACCESS.get(str(m.get("access")), str(m.get("access") or ""))),
        ("training recipe", _recipe(mapping_of(evidence.run.get("training")))),
        ("input", "" if m.get("kind") == "predictions" else _input(mapping_of(m.get("input")))),
        ("operating point", f"{point}, {source or 'source not declared'}" if point else "none declared"),
        ("digest", short(m.get("digest"))),
        ("remarks", " ".join(words_of(m.get("notes")))),
    ])  # fmt: skip


def _recipe(training: Mapping[str, Any]) -> str:
    if not training:
        return ""
    n, people = training.get("n"), training.get("n_patients")
    counts = f"{plural(int(n), 'case')} of {plural(int(people), 'patient')}" if n and people else "an unknown number"
    return f"{training.get('recipe') or 'not named'}, trained again on {training.get('name') or 'a cohort'}, {counts}"


def _parts(values: Any) -> tuple[str, ...]:
    return tuple(_plain(v) for v in values) if isinstance(values, (list, tuple)) else ()


def _input(spec: Mapping[str, Any]) -> str:
    size, modality = _parts(spec.get("size")), str(spec.get("modality") or "")
    parts = [modality.upper() if modality in ("ct", "mr", "us") else modality]
    if size:
        parts.append(" × ".join(size))
    if spec.get("channels"):
        parts.append(plural(int(spec["channels"]), "channel"))
    bounds = _parts(spec.get("range"))
    if len(bounds) == 2:
        parts.append(f"{spec.get('unit') or 'stored intensity'} {bounds[0]} to {bounds[1]}")
    return ", ".join(p for p in parts if p)


def ledger_text(evidence: Evidence) -> str:
    """Return the row ledger in one sentence, empty where the evidence has none."""
    rows = ledger(evidence)
    if rows is None:
        return ""
    if not rows.aside:
        return f"{whole(rows.read)} rows read, all used"
    reasons = "; ".join(f"{reason} ({whole(n)})" for reason, n in rows.set_aside)
    return f"{whole(rows.read)} rows read, {whole(rows.used)} used, {whole(rows.aside)} set aside: {reasons}"


def cohort_facts(evidence: Evidence) -> Pairs:
    """Return the cohort as pairs of words."""
    c = evidence.cohort
    n, people = cases(evidence), patients(evidence)
    sampling, reference = mapping_of(c.get("sampling")), mapping_of(c.get("reference"))
    targets = ", ".join(f"{name} {whole(k)}" for name, k, _ in counted(c.get("targets")) if k is not None)
    counted_as = "" if c.get("patient_declared", True) else " (not declared: each case counts as its own patient)"
    return _kept([
        ("name", str(c.get("name") or "")),
        ("cases", whole(n) if n is not None else ""),
        ("patients", (whole(people) if people is not None else "") + counted_as),
        ("rows", ledger_text(evidence)),
        ("cases by label", targets),
        *_beside(c),
        ("sampling", _plain(first(c, "design") or first(sampling, "design")) or "not declared"),
        ("reference standard", _plain(first(c, "reference_method") or first(reference, "method")) or "not declared"),
        ("provenance", _plain(c.get("provenance"))),
        ("digest", short(c.get("digest"))),
    ])  # fmt: skip


def _beside(c: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what stands beside the cases: events, comparators, readers, cases without answer or reference standard."""
    said = [
        ("events", _sized(mapping_of(c.get("events")))),
        ("declined by the model", _sized(mapping_of(c.get("ungradable")))),
    ]
    unverified = mapping_of(c.get("unverified"))
    unanswered = unverified.get("unanswered")
    tail = f", {whole(unanswered)} of them without an answer" if unanswered else ""
    said.append(("without reference standard", _sized(unverified) + tail if unverified else ""))
    for key, word in (("comparators", "comparators"), ("raters", "readers"), ("other_splits", "other splits")):
        rows = [mapping_of(row) for row in c.get(key) or ()]
        said.append((word, "; ".join(f"{row.get('name')}: {_sized(row)}" for row in rows)))
    return said


def _sized(row: Mapping[str, Any]) -> str:
    """Return cases and patients in words; a row without counts has too few to be shared."""
    if not row:
        return ""
    n, people = row.get("n"), row.get("n_patients")
    if n is None:
        return "too few to be shared"
    return " ".join(x for x in (plural(int(n), "case"), _people(people, int(n))) if x)


def _people(patients: int | None, n: int | None) -> str:
    return "" if patients is None or patients == n else f"({plural(patients, 'patient')})"


def attribute_facts(evidence: Evidence) -> tuple[tuple[str, str, str, str], ...]:
    """Return name, roles, levels with counts, and remark of each attribute."""
    out = []
    for a in attributes(evidence):
        levels = ", ".join(
            " ".join(x for x in (name, whole(n) if n is not None else "", _people(p, n)) if x)
            for name, n, p in a.levels
        )
        out.append((a.name, listed(list(a.roles)) or "none", levels or "levels not listed", a.note))
    return tuple(out)


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """How to run the audit again, and what it ran on."""

    command: str
    facts: Pairs
    versions: Pairs
    digests: Pairs
    probes: tuple[tuple[str, str, str], ...]


def reproduction(evidence: Evidence) -> Reproduction:
    """Return the command, the seed and everything that the numbers depend on."""
    run = evidence.run
    command = run.get("command")
    text = shlex.join(str(c) for c in command) if isinstance(command, (list, tuple)) else str(command or "")
    if not text:
        text = f"audit run audit.toml --profile {run.get('profile', 'standard')} --seed {run.get('seed', 1)}"
    return Reproduction(
        command=text,
        facts=_kept([
            ("seed", _plain(run.get("seed"))), ("profile", _plain(run.get("profile"))),
            ("started", _plain(first(run, "started", "start", "time"))),
            ("budget", _budget(mapping_of(run.get("budget")))),
        ]),
        versions=_versions(run),
        digests=_kept([
            ("model", str(evidence.model.get("digest") or "")), ("cohort", str(evidence.cohort.get("digest") or "")),
            ("predictions", str(evidence.model.get("predictions_digest") or "")), ("policy", evidence.policy.digest),
            ("configuration", str(run.get("config_digest") or "")), ("evidence", str(run.get("evidence_digest") or "")),
        ]),
        probes=tuple((r.probe, str(r.info.version), str(r.seed)) for r in evidence.results),
    )  # fmt: skip


def _budget(budget: Mapping[str, Any]) -> str:
    shown = ((str(k).replace("_", " "), "all" if v is None else _plain(v)) for k, v in budget.items() if k != "profile")
    return ", ".join(f"{k} {v}" for k, v in shown)


def _versions(run: Mapping[str, Any]) -> Pairs:
    machine = mapping_of(run.get("machine"))
    packages = mapping_of(first(machine, "packages") or run.get("versions"))
    own = [("imaging-audit", _plain(run.get("version"))), ("Python", _plain(machine.get("python")))]
    return _kept([*own, *((str(k), _plain(v)) for k, v in packages.items())])


@dataclass(frozen=True, kw_only=True)
class Methods:
    """What stands behind the numbers."""

    confidence: str
    intervals: tuple[tuple[str, int, str], ...]
    glossary: tuple[tuple[str, str], ...]
    references: tuple[tuple[str, str], ...]
    statement: str
    early: tuple[tuple[str, int, int], ...] = ()


def _early(evidence: Evidence) -> tuple[tuple[str, int, int], ...]:
    """Return the probes that could stop early, each with the patients looked at and those saved."""
    found: dict[str, tuple[int, int]] = {}
    for f in evidence.findings:
        if f.patients_spent is not None and f.patients_saved is not None:
            found[f.probe] = max(found.get(f.probe, (0, 0)), (f.patients_spent, f.patients_saved))
    return tuple((probe, *counts) for probe, counts in found.items())


def _together(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the methods without what their intervals were widened for, which differs from number to number."""
    out: dict[str, int] = {}
    for name, n in counts.items():
        base = name.partition(", widened to hold")[0]
        out[base] = out.get(base, 0) + n
    return {name: n for name, n in out.items() if name not in ("none", SUPPRESSED)}


def methods(evidence: Evidence) -> Methods:
    """Return the interval methods, the definitions and the references that this audit used."""
    counts: dict[str, int] = {}
    metrics: dict[str, None] = {}
    for result in evidence.results:
        for m in result.measurements:
            counts[m.method] = counts.get(m.method, 0) + 1
            metrics[m.metric] = None
    glossary = tuple((capital(metric_name(m)), definition(m)) for m in METRICS if m in metrics)
    cited: dict[str, list[str]] = {}
    for result in evidence.results:
        for reference in result.info.references:
            cited.setdefault(reference, []).append(result.probe)
    references = tuple((", ".join(dict.fromkeys(codes)), reference) for reference, codes in cited.items())
    use = mapping_of(evidence.run.get("intended_use") or evidence.model.get("intended_use"))
    return Methods(
        confidence=number(evidence.policy.confidence * 100),
        intervals=tuple((name, n, METHODS.get(name, "")) for name, n in sorted(_together(counts).items())),
        glossary=glossary, references=references, statement=_plain(use.get("statement")), early=_early(evidence),
    )  # fmt: skip
