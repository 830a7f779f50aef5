"""Audits a medical-imaging model before it is released: PASS, FAIL or INCONCLUSIVE, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.core import Evidence as Evidence
    from audit.session import gate as gate
    from audit.session import load_cohort as load_cohort
    from audit.session import load_model as load_model
    from audit.session import run as run
    from audit.session import scores as scores
    from audit.session import verify as verify

__version__ = "0.1.0"
__all__ = ["Evidence", "__version__", "gate", "load_cohort", "load_model", "run", "scores", "verify"]

_WHERE = {
    "Evidence": "audit.core",
    "gate": "audit.session",
    "load_cohort": "audit.session",
    "load_model": "audit.session",
    "run": "audit.session",
    "scores": "audit.session",
    "verify": "audit.session",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)
