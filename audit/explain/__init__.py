"""Attributions, by captum or by asking, and whether they can be believed: each against controls."""

from audit.explain._attribution import Maps, attribute
from audit.explain._attribution_gradients import PATH_STEPS
from audit.explain._cascade import Likeness, compare, compare_with, corrected, over_steps, pooled
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
from audit.explain._methods import BY_GRADIENT, BY_HOOK, BY_QUERY, DEFAULTS, METHODS, OWN_MAP, chosen, methods_for
from audit.explain._own import OwnMap, own_map_of
from audit.explain._queries import Queries
from audit.explain._randomised import Redrawn, cascade, draws, redrawn
from audit.explain._similarity import RANKS, STRUCTURES, Prepared, alike

__all__ = [
    "BY_GRADIENT", "BY_HOOK", "BY_QUERY", "CONTROLS", "DEFAULTS", "METHODS", "OWN_MAP", "PATH_STEPS", "RANKS",
    "STRUCTURES", "UNTRAINED", "Explained", "Likeness", "Maps", "OwnMap", "Prepared", "Queries", "Redrawn",
    "advantage", "alike", "area", "attribute", "blurred", "cascade", "chosen", "compare", "compare_with",
    "control_maps", "controls_of", "corrected", "curves", "draws", "explained_by", "flat", "fractions",
    "methods_for", "over_steps", "own_map_of", "plain_name", "pooled", "ranks", "redrawn", "untrained",
    "untrained_control",
]  # fmt: skip
