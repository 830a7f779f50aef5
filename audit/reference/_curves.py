"""Training-size curves and grids: one file a cell, gathered into one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from audit.errors import InputError
from audit.reference import _systems


def measure_curves(name: str, folder: Path, into: Path, *, say: Callable[[str], None]) -> Path:
    """Measure what is not there yet of a system's curves, and gather it.

    Args:
        name: A system that has curves.
        folder: For the cells, one JSON file each; what is there already is not done again.
        into: Folder for the gathered file.
        say: Is told what is being done.

    Returns:
        NAME.json in `into`: every cell, with its seed and what it measured.

    Raises:
        InputError: There is no such system, or it has no curves.
    """
    system = _systems.all_systems().get(name)
    if system is None or not system.curves:
        having = [s.name for s in _systems.all_systems().values() if s.curves]
        raise InputError(
            f"no curves of '{name}'", expected=f"one of {', '.join(having)}", got=name, fix="name one of these"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _systems.recipe_of(system).curves(name, folder, say=say)
    cells = [{"cell": p.stem, **json.loads(p.read_text(encoding="utf-8"))} for p in sorted(folder.glob("*.json"))]
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"{name}.json"
    content = {"name": name, "measures": system.curves, "phantom": True, "cells": cells}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path
