"""The systems of the lecture: each is a package below `audit.reference.systems`, found by being there."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from audit.reference import systems as _package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.reference._system import Recipe, System

SHIPPED_SEED = 1
"""Of a system whose figures do not say their seed yet, and of the cohorts of the audits."""


@functools.cache
def all_systems() -> Mapping[str, System]:
    """Return every system by name, in the order of the lecture; nothing heavy is loaded.

    Raises:
        ValueError: Two systems have one name, or a system names another package than its own.
    """
    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(_package.__path__):
        for one in getattr(importlib.import_module(f"{_package.__name__}.{module.name}"), "SYSTEMS", ()):
            if one.name in found or one.package != module.name:
                raise ValueError(f"{module.name}: '{one.name}' is taken, or names the package '{one.package}'")
            found[one.name] = one
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: _place(item[1]))))


def _place(system: System) -> tuple[int, str]:
    digits = system.slides.replace("-", " ").replace(",", " ").split()
    return int(digits[0]) if digits and digits[0].isdigit() else 0, system.package


def folder_of(system: System) -> Path:
    """Return the folder with recipe, weights, card and templates."""
    return Path(str(files(_package))) / system.package


def weights_of(system: System) -> Path:
    """Return the file of the shipped weights, there or not."""
    return folder_of(system) / f"{system.name}.safetensors"


def figures_of(system: System) -> Path:
    """Return the file of the shipped figures, there or not."""
    return folder_of(system) / f"{system.name}.figures.json"


def recipe_of(system: System) -> Recipe:
    """Return how a system is trained and audited; loads what that needs."""
    return cast("Recipe", importlib.import_module(f"{_package.__name__}.{system.package}.recipe"))
