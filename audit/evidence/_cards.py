"""What the evidence says of the model and of its use, typed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from audit.core import Access, InputSpec, IntendedUse, ModelCard, Prevalence
from audit.errors import EvidenceError


def card_of(values: Mapping[str, Any]) -> ModelCard:
    """Return the model's card as the evidence holds it under `model`.

    Raises:
        EvidenceError: A part is absent or of another type.
    """
    try:
        known = _kept(ModelCard, values)
        known["access"] = Access[values["access"]]
        known["input"] = InputSpec(**_kept(InputSpec, values.get("input") or {}))
        return ModelCard(**known)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(
            "the evidence does not describe its model", expected="a model's card",
            got=f"{type(error).__name__}: {error}"[:120], fix="run the audit again",
        ) from error  # fmt: skip


def use_of(values: Mapping[str, Any]) -> IntendedUse:
    """Return the declared use as the evidence holds it under `run.intended_use`.

    Raises:
        EvidenceError: A part is of another type.
    """
    try:
        known = _kept(IntendedUse, values)
        if known.get("prevalence") is not None:
            known["prevalence"] = Prevalence(**_kept(Prevalence, known["prevalence"]))
        return IntendedUse(**known)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(
            "the evidence does not describe the intended use", expected="a declared use",
            got=f"{type(error).__name__}: {error}"[:120], fix="run the audit again",
        ) from error  # fmt: skip


def _kept(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a type has fields for, lists as tuples; an older or newer card may have others."""
    names = {f.name for f in fields(kind)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in names}
