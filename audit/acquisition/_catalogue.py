"""All knobs by name, and those that are tried where nothing is declared."""

from __future__ import annotations

from collections.abc import Mapping

from audit.acquisition import _ct, _ct_also, _microscopy, _mr, _mr_kspace, _photo, _us, _xray, _xray_display
from audit.acquisition._change import Knob

_FAMILIES = (_ct, _ct_also, _mr, _mr_kspace, _xray, _xray_display, _us, _photo, _microscopy)
KNOBS: Mapping[str, Knob] = {knob.name: knob for family in _FAMILIES for knob in family.KNOBS}


def knobs_of(modality: str, *, standard: bool = False) -> tuple[Knob, ...]:
    """Return the knobs of a modality.

    Args:
        modality: One of `audit.core.MODALITIES`.
        standard: Only those that are tried where nothing is declared.
    """
    return tuple(k for k in KNOBS.values() if k.modality == modality and (k.standard or not standard))
