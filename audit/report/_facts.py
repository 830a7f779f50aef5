"""What the report reads of the evidence's free-form parts: model, cohort, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.core import Evidence, Measurement
from audit.report._words import listed


def first(mapping: Mapping[str, Any], *keys: str) -> Any:
    """Return the first value that is there and not empty, else None."""
    for key in keys:
        value = mapping.get(key)
        if value is not None and value != "" and value != () and value != []:
            return value
    return None


def mapping_of(value: Any) -> Mapping[str, Any]:
    """Return a mapping, an empty one where it is something else."""
    return value if isinstance(value, Mapping) else {}


def words_of(value: Any) -> tuple[str, ...]:
    """Return a text or a sequence of texts as texts."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(v) for v in value) if isinstance(value, Sequence) else ()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The row ledger."""

    read: int
    used: int
    set_aside: tuple[tuple[str, int], ...]

    @property
    def aside(self) -> int:
        """Rows set aside in all."""
        return sum(n for _, n in self.set_aside)


@dataclass(frozen=True, kw_only=True)
class AttributeFacts:
    """One attribute of the cohort with its levels."""

    name: str
    roles: tuple[str, ...]
    note: str
    levels: tuple[tuple[str, int | None, int | None], ...]


def ledger(evidence: Evidence) -> Rows | None:
    """Return the row ledger, None where the evidence has none."""
    raw = mapping_of(evidence.cohort.get("ledger"))
    if "read" not in raw or "used" not in raw:
        return None
    aside = mapping_of(raw.get("set_aside"))
    return Rows(
        read=int(raw["read"]), used=int(raw["used"]),
        set_aside=tuple(sorted(((str(k), int(v)) for k, v in aside.items()), key=lambda kv: (-kv[1], kv[0]))),
    )  # fmt: skip


def cases(evidence: Evidence) -> int | None:
    """Return how many cases were used."""
    rows = ledger(evidence)
    raw = first(evidence.cohort, "n_cases", "cases", "n")
    return int(raw) if isinstance(raw, int) else rows.used if rows else None


def patients(evidence: Evidence) -> int | None:
    """Return how many patients were used."""
    raw = first(evidence.cohort, "n_patients", "patients")
    return raw if isinstance(raw, int) else None


def phantom(evidence: Evidence) -> bool:
    """Tell whether the numbers come from simulated cases."""
    return bool(evidence.cohort.get("phantom") or evidence.model.get("phantom"))


def attributes(evidence: Evidence) -> tuple[AttributeFacts, ...]:
    """Return the cohort's attributes with roles and counts."""
    raw = evidence.cohort.get("attributes")
    pairs: list[tuple[str, Mapping[str, Any]]] = []
    if isinstance(raw, Mapping):
        pairs = [(str(k), mapping_of(v)) for k, v in raw.items()]
    elif isinstance(raw, Sequence) and not isinstance(raw, str):
        pairs = [(str(mapping_of(v).get("name", "")), mapping_of(v)) for v in raw]
    return tuple(_attribute(name, facts) for name, facts in pairs)


def _attribute(name: str, facts: Mapping[str, Any]) -> AttributeFacts:
    spec = {**mapping_of(facts.get("spec")), **facts}
    roles = (*words_of(spec.get("role")), *words_of(spec.get("roles")), *words_of(spec.get("also")))
    notes = [words_of(spec.get(k)) for k in ("reason", "recorded_by")]
    note = "; ".join(w for group in notes for w in group)
    if spec.get("unit"):
        note = f"in {spec['unit']}" + (f"; {note}" if note else "")
    levels = first(spec, "levels", "counts")
    return AttributeFacts(name=name, roles=tuple(dict.fromkeys(roles)), note=note, levels=counted(levels))


def counted(raw: Any) -> tuple[tuple[str, int | None, int | None], ...]:
    """Return names with their cases and patients, from a mapping or from a list of rows."""
    if isinstance(raw, Mapping):
        rows = [(str(k), v) for k, v in raw.items()]
    elif isinstance(raw, Sequence) and not isinstance(raw, str):
        rows = [(str(first(mapping_of(v), "level", "class", "name") or v), v) for v in raw]
    else:
        rows = []
    return tuple((name, *_counts(value)) for name, value in rows)


def _counts(value: Any) -> tuple[int | None, int | None]:
    facts = mapping_of(value)
    if facts:
        return _int(first(facts, "n", "cases", "n_cases")), _int(first(facts, "n_patients", "patients"))
    return _int(value), None


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def confounder_names(evidence: Evidence) -> str:
    """Return the declared confounders as `sex and protocol`, or a word for them."""
    names = [a.name for a in attributes(evidence) if "confounder" in a.roles]
    return listed(names) if names else "its confounders"


def class_words(evidence: Evidence) -> tuple[str, str]:
    """Return the words for a negative and a positive case of a binary task."""
    classes = words_of(evidence.model.get("classes"))
    return (classes[0], classes[1]) if len(classes) == 2 else ("negative", "positive")


def headline_rate(evidence: Evidence) -> Measurement | None:
    """Return the sensitivity of the whole cohort: the clinical fact of the first screen."""
    result = evidence.result("PERF001")
    if result is None:
        return None
    for metric in ("sensitivity", "auc", "dice", "mae"):
        for m in result.measurements:
            if m.metric == metric and m.value is not None and not m.subgroup:
                return m
    return None
