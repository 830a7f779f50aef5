"""The published JSON Schema of evidence.json."""

from __future__ import annotations

from typing import Any

from audit.core import LADDER, SCHEMA_VERSION, STATUSES

_NUMBER_OR_NULL = {"type": ["number", "null"]}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_RUNGS = ", ".join(f"{x:g}" for x in LADDER)
_SCALARS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}


def _closed(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [k for k in properties if k not in optional],
        "additionalProperties": False,
    }


_LIMIT = {
    "type": "object",
    "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
    "minProperties": 1,
    "additionalProperties": False,
}
_COMPARISON = _closed(
    {
        "id": {"type": "string"},
        "metric": {"type": "string"},
        "margin": {"type": "number", "minimum": 0},
        "where": _SCALARS,
        "min_patients": {"type": "integer", "minimum": 0},
        "blocking": {"type": "boolean"},
        "rationale": {"type": "string"},
        "margin_source": {"type": "string"},
    }
)
_WAIVER = _closed(
    {
        "rule": {"type": "string"},
        "owner": {"type": "string"},
        "reason": {"type": "string"},
        "expires": {"type": "string", "format": "date"},
    }
)
_MEASUREMENT = _closed(
    {
        "metric": {"type": "string"},
        "value": _NUMBER_OR_NULL,
        "low": _NUMBER_OR_NULL,
        "high": _NUMBER_OR_NULL,
        "level": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1},
        "curve": {
            "description": f"[one-sided level, low, high] at {_RUNGS} and (1 - confidence) / 2",
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
        },
        "method": {"type": "string"},
        "k": _NUMBER_OR_NULL,
        "n": {"type": "integer", "minimum": 0},
        "n_patients": {"type": "integer", "minimum": 0},
        "unit": {"type": "string"},
        "direction": {"enum": ["higher", "lower", "zero", "none"]},
        "subgroup": _SCALARS,
        "condition": _SCALARS,
        "missing": {"type": ["string", "null"]},
        "simultaneous": {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "contrast": {"type": ["string", "null"]},
        "planned": {
            "description": "patients that there were to look at, where the probe could stop before all of them",
            "type": "integer",
            "minimum": 0,
        },
    },
    optional=("simultaneous", "contrast", "planned"),
)
_ARTIFACT = _closed(
    {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "file": {"type": "string", "pattern": "^artifacts/[0-9a-f]{64}\\.npz$"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "columns": _TEXTS,
        "meta": _SCALARS,
        "pixels": {"type": "boolean"},
    }
)
_RESULT = _closed(
    {
        "probe": {"type": "string", "pattern": "^[A-Z]+[0-9]{3}$"},
        "version": {"type": "integer", "minimum": 1},
        "state": {"enum": ["completed", "not_applicable", "error", "not_run"]},
        "reason": {"type": "string"},
        "measurements": {"type": "array", "items": _MEASUREMENT},
        "artifacts": {"type": "array", "items": _ARTIFACT},
        "seed": {"type": "integer"},
        "seconds": {"type": "number"},
        "selected": {"type": "boolean"},
        "name": {"type": "string"},
        "family": {"type": "string"},
        "tasks": _TEXTS,
        "access": {"enum": ["SAVED", "QUERY", "GRADIENT", "TRAINABLE"]},
        "needs": _TEXTS,
        "metrics": _TEXTS,
        "descriptive": _TEXTS,
        "at_prevalence": _TEXTS,
        "title": {"type": "string"},
        "question": {"type": "string"},
        "method": {"type": "string"},
        "limits": {"type": "string"},
        "references": _TEXTS,
        "doc_url": {"type": "string"},
        "since": {"type": "string"},
        "last": {"type": "boolean"},
        "self_check": {"type": "boolean"},
    },
    optional=("selected", "last", "self_check", "descriptive", "at_prevalence"),
)
_FINDING = _closed(
    {
        "rule": {"type": "string"},
        "probe": {"type": "string"},
        "metric": {"type": "string"},
        "status": {"enum": list(STATUSES)},
        "headline": {"type": "string", "minLength": 1},
        "limit": _LIMIT,
        "measurements": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "decisive": {"type": ["integer", "null"]},
        "blocking": {"type": "boolean"},
        "waiver": {"anyOf": [_WAIVER, {"type": "null"}]},
        "waiver_expired": {"anyOf": [_WAIVER, {"type": "null"}]},
        "allowed": {"type": "boolean"},
        "patients_needed": {"type": ["integer", "null"]},
        "settled_distance": _NUMBER_OR_NULL,
        "lacking": {"type": "string"},
        "holm_level": _NUMBER_OR_NULL,
        "rationale": {"type": "string"},
        "margin_source": {"type": "string"},
        "patients_spent": {"type": "integer", "minimum": 0},
        "patients_saved": {"type": "integer", "minimum": 0},
    },
    optional=("settled_distance", "patients_spent", "patients_saved"),
)
_RULE = _closed(
    {
        "id": {"type": "string"},
        "probe": {"type": "string"},
        "metric": {"type": "string"},
        "limit": _LIMIT,
        "where": _SCALARS,
        "min_patients": {"type": "integer", "minimum": 0},
        "blocking": {"type": "boolean"},
        "rationale": {"type": "string"},
        "margin_source": {"type": "string"},
        "sequential": {"const": True},
    },
    optional=("sequential",),
)
_FAMILY_KEYS: dict[str, Any] = {
    "policy_digest": {"type": "string"},
    "before_results": {"type": "boolean"},
    "alpha": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.25},
    "attributes": {"type": "object", "additionalProperties": _TEXTS},
    "declared": {
        "type": "array",
        "items": _closed(
            {
                "rule": {"type": "string"},
                "probe": {"type": "string"},
                "metric": {"type": "string"},
                "side": {"enum": ["min", "max"]},
                "subgroup": _SCALARS,
            }
        ),
    },
    "used": {"type": ["integer", "null"], "minimum": 0},
    "by_rule": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    "built": {"type": ["integer", "null"], "minimum": 0},
    "undeclared": _TEXTS,
    "sequential": {
        "description": "one-sided level of a FAIL of each rule that lets its probe stop early, fixed before the run",
        "type": "object",
        "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
    },
}
# Empty in evidence that was written before families were declared.
_FAMILY = _closed(_FAMILY_KEYS, optional=tuple(_FAMILY_KEYS))


def evidence_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of evidence.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imaging-audit evidence",
        "description": "What an audit found out. The digest covers everything but `run` and `results[].seconds`.",
        **_closed(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "run": {"type": "object"},
                "model": {"type": "object"},
                "cohort": {"type": "object"},
                "policy": _closed(
                    {
                        "name": {"type": "string"},
                        "confidence": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1},
                        "not_applicable": _closed({"allow": _TEXTS}),
                        "rules": {"type": "array", "items": _RULE},
                        "waivers": {"type": "array", "items": _WAIVER},
                        "comparisons": {"type": "array", "items": _COMPARISON},
                        "digest": {"type": "string"},
                        "source": {"type": "string"},
                    },
                    optional=("comparisons",),
                ),
                "results": {"type": "array", "items": _RESULT},
                "findings": {"type": "array", "items": _FINDING},
                "verdict": _closed(
                    {
                        "outcome": {"enum": ["PASS", "FAIL", "INCONCLUSIVE"]},
                        "exit_code": {"enum": [0, 1, 3]},
                        "label": {"type": "string"},
                        "blocking": _TEXTS,
                        "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                        "reasons": _TEXTS,
                        "waivers": _TEXTS,
                        "notes": _TEXTS,
                    },
                    optional=("notes",),
                ),
                "not_tested": {
                    "type": "array",
                    "items": _closed(
                        {"what": {"type": "string"}, "why": {"type": "string"}, "probe": {"type": "string"}}
                    ),
                },
                "family": _FAMILY,
            },
            optional=("family",),
        ),
    }
