"""Gives memory that is free back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Give pages that hold nothing any more back to the system, where the C library can.

    A probe frees arrays of many sizes. glibc keeps what lies between those that stay, and over forty probes a process
    would come to hold a tenth more than it uses.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        # Another C library, or a system that does not load one by no name.
        return None
