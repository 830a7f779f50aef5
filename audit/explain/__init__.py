"""Attributions, by captum or by asking, and whether they can be believed: each against controls."""

from audit.explain._attribution import Maps, attribute
from audit.explain._attribution_gradients import PATH_STEPS
from audit.explain._cascade import Likeness, compare, compare_with, corrected, over_steps, pooled
from audit.explain._controls import (
    CONTROLS,
    UNTRAINED,
    control_maps,
    controls_of,
    has_weights,
    plain_name,
    untrained,
    untrained_control,
)
from audit.explain._explained import Explained, explained_by
from audit.explain._faithfulness import Paired, advantage, area, curves, fractions, ranks
from audit.explain._fills import BLUR, FILLS, LINEAR, MEAN, Fill, blurred, flat, make_fill
from audit.explain._imputation import imputed
from audit.explain._infidelity import LOCAL, PERTURBATIONS, collect_infidelity, foretold, infidelity, shares_moved
from audit.explain._localised import (
    Chance,
    Grid,
    Lesions,
    Marked,
    Peaks,
    chance,
    grid,
    lesions,
    marked,
    mass,
    peaks,
    region_name,
    smoothed,
    thirds,
)
from audit.explain._methods import BY_GRADIENT, BY_HOOK, BY_QUERY, DEFAULTS, METHODS, OWN_MAP, chosen, methods_for
from audit.explain._own import OwnMap, own_map_of
from audit.explain._queries import Queries
from audit.explain._randomised import Redrawn, cascade, draws, redrawn
from audit.explain._selftest import NO_DETAIL, Known, known_support, selftest_curves, selftest_scores, stands
from audit.explain._similarity import RANKS, STRUCTURES, Prepared, alike
from audit.explain._stability import noisy, relative_change

__all__ = [
    "BLUR", "BY_GRADIENT", "BY_HOOK", "BY_QUERY", "CONTROLS", "DEFAULTS", "FILLS", "LINEAR", "LOCAL", "MEAN",
    "METHODS", "NO_DETAIL", "OWN_MAP", "PATH_STEPS", "PERTURBATIONS", "RANKS", "STRUCTURES", "UNTRAINED", "Chance",
    "Explained", "Fill", "Grid", "Known", "Lesions", "Likeness", "Maps", "Marked", "OwnMap", "Paired", "Peaks",
    "Prepared", "Queries", "Redrawn", "advantage", "alike", "area", "attribute", "blurred", "cascade", "chance",
    "chosen", "collect_infidelity", "compare", "compare_with", "control_maps", "controls_of", "corrected", "curves",
    "draws", "explained_by", "flat", "foretold", "fractions", "grid", "has_weights", "imputed", "infidelity",
    "known_support", "lesions", "make_fill", "marked", "mass", "methods_for", "noisy", "over_steps", "own_map_of",
    "peaks", "plain_name", "pooled", "ranks", "redrawn", "region_name", "relative_change", "selftest_curves",
    "selftest_scores", "shares_moved", "smoothed", "stands", "thirds", "untrained", "untrained_control",
]  # fmt: skip
