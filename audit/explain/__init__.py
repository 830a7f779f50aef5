"""Attributions by captum, and whether they are faithful: deletion and insertion against controls."""

from audit.explain._attribution import METHODS, PATH_STEPS, Maps, attribute
from audit.explain._explained import Explained, explained_by
from audit.explain._faithfulness import (
    CONTROLS,
    advantage,
    area,
    blurred,
    control_maps,
    curves,
    flat,
    fractions,
    ranks,
)

__all__ = [
    "CONTROLS", "METHODS", "PATH_STEPS", "Explained", "Maps", "advantage", "area", "attribute", "blurred",
    "control_maps", "curves", "explained_by", "flat", "fractions", "ranks",
]  # fmt: skip
