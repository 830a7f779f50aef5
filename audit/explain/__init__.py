"""Attributions by captum, and whether they are faithful: deletion and insertion against controls."""

from audit.explain._attribution import METHODS, PATH_STEPS, Maps, attribute
from audit.explain._controls import (
    CONTROLS,
    UNTRAINED,
    control_maps,
    controls_of,
    plain_name,
    untrained,
    untrained_control,
)
from audit.explain._explained import Explained, explained_by
from audit.explain._faithfulness import advantage, area, curves, fractions, ranks
from audit.explain._fills import blurred, flat

__all__ = [
    "CONTROLS", "METHODS", "PATH_STEPS", "UNTRAINED", "Explained", "Maps", "advantage", "area", "attribute", "blurred",
    "control_maps", "controls_of", "curves", "explained_by", "flat", "fractions", "plain_name", "ranks", "untrained",
    "untrained_control",
]  # fmt: skip
