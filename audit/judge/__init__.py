"""Rules to findings, findings to verdict: pure functions of the evidence, without a model, a cohort or torch."""

from audit.core import worst_first
from audit.judge._decide import NOTHING_BLOCKS, decide
from audit.judge._family import Family, count_family, declare, family_values
from audit.judge._judge import judge
from audit.judge._match import epsilon_value, matches
from audit.judge._needed import out_of_reach, settled_distance
from audit.judge._numbers import MINUS, decimals_for, figures, number, whole
from audit.judge._plain import check_words, fault_words, unit_name, unit_words
from audit.judge._sequential import Settling, fail_levels, stops
from audit.judge._words import headline, interval, metric_words, patients, place

__all__ = [
    "MINUS",
    "NOTHING_BLOCKS",
    "Family",
    "Settling",
    "check_words",
    "count_family",
    "decide",
    "decimals_for",
    "declare",
    "epsilon_value",
    "fail_levels",
    "family_values",
    "fault_words",
    "figures",
    "headline",
    "interval",
    "judge",
    "matches",
    "metric_words",
    "number",
    "out_of_reach",
    "patients",
    "place",
    "settled_distance",
    "stops",
    "unit_name",
    "unit_words",
    "whole",
    "worst_first",
]
