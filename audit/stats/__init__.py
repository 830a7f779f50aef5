"""Intervals with patients as the unit of sampling: proportions, AUC, means, gaps, and the bootstrap for the rest."""

from audit.stats._auc import auc
from audit.stats._bootstrap import bootstrap
from audit.stats._gaps import auc_gap, mean_gap, proportion_gap
from audit.stats._means import mean, paired_difference
from audit.stats._proportion import proportion
from audit.stats._simultaneous import simultaneous

__all__ = [
    "auc", "auc_gap", "bootstrap", "mean", "mean_gap", "paired_difference", "proportion", "proportion_gap",
    "simultaneous",
]  # fmt: skip
