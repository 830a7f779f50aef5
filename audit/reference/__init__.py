"""Reference models: small models of ours that the suite ships and audits.

What is here is a phantom: simulated images of which everything is known, because it was planted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.reference._catalogue import Rebuilt, ReferenceModel, build, is_twin, known_names, list_models, rebuild
from audit.reference._compare import lines as comparison_lines
from audit.reference._folders import audit_folder, check_audit_folder, write_audit

if TYPE_CHECKING:
    from audit.reference._demo import DemoBundle, assemble, demo_cohort, demo_policy, load_demo
    from audit.reference._net import lesion_net
    from audit.reference._texture import linear_recipe, neighbours_recipe

__all__ = [
    "DemoBundle",
    "Rebuilt",
    "ReferenceModel",
    "assemble",
    "audit_folder",
    "build",
    "check_audit_folder",
    "comparison_lines",
    "demo_cohort",
    "demo_policy",
    "is_twin",
    "known_names",
    "lesion_net",
    "linear_recipe",
    "list_models",
    "load_demo",
    "neighbours_recipe",
    "rebuild",
    "write_audit",
]

_LATER = {
    **dict.fromkeys(("linear_recipe", "neighbours_recipe"), "_texture"),
    "lesion_net": "_net",
    **dict.fromkeys(("DemoBundle", "assemble", "demo_cohort", "demo_policy", "load_demo"), "_demo"),
}


def __getattr__(name: str) -> Any:
    """Load the demo when it is asked for: a list of models needs neither numpy nor torch."""
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"audit.reference.{_LATER[name]}"), name)
