"""Paths as the user sees them."""

from __future__ import annotations

import os
from pathlib import Path


def relative(path: Path) -> str:
    """Return a path as seen from the current folder."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
