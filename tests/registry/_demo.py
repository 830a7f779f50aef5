"""The demo's cohort and twins as files that a registry and its operator have: those of the example."""

from __future__ import annotations

import importlib.util
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "registry_gate"
NAME = "lesion-burden"
REGISTER = str(EXAMPLE / "register.py")


def write_rules(folder, *, per_label=700):
    """Write cases.csv with its images, audit.toml, policy.toml, lenient.toml and gate.toml."""
    spec = importlib.util.spec_from_file_location("registry_gate_rules", EXAMPLE / "rules.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write(folder, per_label)
