"""What code that is not ours may raise when it is used in a way that it was not written for."""

from __future__ import annotations

import copy

REFUSALS = (
    RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError, NotImplementedError,
    ArithmeticError, NameError, copy.Error,
)  # fmt: skip
"""A network that is copied, traced, run in another layout or precision, or an attack on a shape it does not know.

Each place that catches these falls back to the slower or more careful way, or says that it did not run; none goes on as
though nothing had happened.
"""
