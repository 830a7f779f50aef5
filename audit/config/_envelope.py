"""What can be wrong between `[envelope]` of audit.toml and the knobs that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.config._faults import one_line, shown, unknown
from audit.errors import ConfigError


def is_number(value: object) -> bool:
    """Tell whether a value of a TOML file is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def envelope_faults(raw: Mapping[str, Any]) -> list[ConfigError]:
    """Return what is wrong between `[envelope]` and the knobs that there are."""
    declared = raw.get("envelope")
    knobs = declared.get("knobs") if isinstance(declared, Mapping) else None
    model = raw.get("model")
    given = model.get("input") if isinstance(model, Mapping) else None
    modality = given.get("modality") if isinstance(given, Mapping) else None
    if not isinstance(knobs, Mapping):
        return []
    return [fault for name, spec in knobs.items() for fault in _knob(str(name), spec, modality)]


def _knob(name: str, spec: Any, modality: object) -> Iterator[ConfigError]:
    from audit.acquisition import KNOBS

    mine = sorted(k.name for k in KNOBS.values() if k.modality == modality) or sorted(KNOBS)
    where = f"envelope.knobs.{one_line(name)}"
    if name not in KNOBS:
        yield unknown("envelope.knobs", name, mine, noun="knob")
        return
    knob = KNOBS[name]
    if modality is None or not isinstance(modality, str):
        yield ConfigError(
            f"{where}: no modality is declared", expected=f'modality = "{knob.modality}" in [model.input]', got="none",
            fix="declare the modality",
        )  # fmt: skip
    elif knob.modality != modality:
        yield ConfigError(
            f"{where}: of another modality", expected=f"a knob of '{one_line(modality)}'", got=f"'{knob.modality}'",
            fix="take it out, or correct modality in [model.input]",
        )  # fmt: skip
    ends = spec.get("range") if isinstance(spec, Mapping) else None
    if not (isinstance(ends, list) and len(ends) == 2 and all(is_number(v) for v in ends)):
        return
    if not knob.least <= ends[0] <= 0 <= ends[1] <= knob.most:
        way = f", since {knob.one_way}" if knob.one_way else ""
        yield ConfigError(
            f"{where}.range: not a range of this knob", got=shown(ends),
            expected=f"two numbers from {knob.least:g} to {knob.most:g} {knob.unit} with 0 among them{way}",
            fix="correct the range; 0 is the acquisition of the cohort itself",
        )  # fmt: skip
    beyond = spec.get("undiagnostic_beyond")
    if is_number(beyond) and beyond < max(-ends[0], ends[1]):
        yield ConfigError(
            f"{where}.undiagnostic_beyond: inside the range in clinical use", got=shown(beyond),
            expected=f"at least {max(-ends[0], ends[1]):g}", fix="correct one of them",
        )  # fmt: skip
