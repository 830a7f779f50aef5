"""How the pack's own files of data are written."""

from __future__ import annotations

import json
from typing import Any

from audit.core import plain

_DIGITS = 8


def json_bytes(values: Any) -> bytes:
    """Return values as JSON, in one form only.

    Args:
        values: Plain values, or dataclasses of them.
    """
    return (json.dumps(plain(values), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def rounded(values: Any) -> Any:
    """Return plain values with numbers of eight significant digits, in which two machines that compute them agree."""
    found = plain(values)
    if isinstance(found, dict):
        return {k: rounded(v) for k, v in found.items()}
    if isinstance(found, list):
        return [rounded(v) for v in found]
    return float(f"{found:.{_DIGITS}g}") if isinstance(found, float) else found
