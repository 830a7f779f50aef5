"""Packages that only some kinds of model need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from audit.errors import MissingExtraError


def require(package: str, extra: str) -> Any:
    """Return an imported package of an extra.

    Args:
        package: Import name, dotted where a submodule is meant.
        extra: The extra of this distribution that brings it.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        # A package that is there but lacks a dependency of its own is named as what is really absent.
        raise MissingExtraError(error.name or package, extra) from error
