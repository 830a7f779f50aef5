"""The code that this process has loaded and that no version names: what somebody is working on."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from pathlib import Path

import audit

_INSTALLED = {"site-packages", "dist-packages"}


def loaded() -> list[str]:
    """Return the content of every loaded module that is no part of an installed distribution, of Python, or of this.

    A package that is being worked on keeps its version, and a network may call functions of it.
    """
    return sorted(set(loaded_modules().values()))


def loaded_modules() -> dict[str, str]:
    """Return the same by the name of the module."""
    paths = sysconfig.get_paths()
    known = tuple(str(Path(paths[name]).resolve()) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    own = str(Path(audit.__file__).resolve().parent) + os.sep
    found = {}
    for name, module in sys.modules.copy().items():
        # Not asked of the module itself: some make what they are asked for.
        place = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(place, str):
            continue
        path = str(Path(place).resolve())
        if not path.startswith((*known, own)) and not _INSTALLED & set(Path(path).parts):
            try:
                found[name] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            except OSError:
                # A module that was made while the program runs, or comes out of an archive.
                continue
    return found
