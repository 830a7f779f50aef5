"""One way to write a value as JSON, so that equal values have equal digests."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

# Most values by far, of which nothing else need be asked.
_PLAIN = frozenset({str, int, float, bool, type(None)})

SPARSE = {"sparse": True}
"""Metadata of a field that is left out where it has its default: what knows nothing of it keeps its JSON and digest."""


def plain(value: Any) -> Any:
    """Return dataclasses, mappings, tuples, dates and numpy scalars as plain JSON types.

    Raises:
        TypeError: A value has no JSON form.
    """
    if type(value) in _PLAIN:
        return value
    if type(value) is dict:
        return {str(k): plain(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(given) for f in dataclasses.fields(value) if not _left_out(f, given := getattr(value, f.name))
        }
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [plain(v) for v in items]
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "item"):
        return plain(value.item())
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _left_out(field: dataclasses.Field[Any], value: Any) -> bool:
    return bool(field.metadata) and "sparse" in field.metadata and value == field.default


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, no spaces and finite numbers only.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Return the sha256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
