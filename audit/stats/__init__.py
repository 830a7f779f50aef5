"""Intervals with patients as the unit of sampling: proportions, AUC, means, gaps, and the bootstrap for the rest."""

from audit.stats._attainable import best_proportion_low, patients_for_gap, smallest_detectable_gap
from audit.stats._auc import auc
from audit.stats._auc_pairs import auc_difference, mean_auc
from audit.stats._bootstrap import bootstrap, bootstrap_many
from audit.stats._calibration import CalibrationFit, brier, calibration
from audit.stats._chance import area_error, chance_of_calibrated, chance_of_equal_aucs, chance_of_equal_rates
from audit.stats._ece import ece
from audit.stats._gaps import auc_gap, mean_gap, proportion_gap
from audit.stats._kernel import Ranking, resampled_auc, resampled_sums
from audit.stats._means import mean, paired_difference
from audit.stats._permutation import equal_groups_p
from audit.stats._proportion import proportion
from audit.stats._shrinkage import shrunken_proportions
from audit.stats._simultaneous import simultaneous

__all__ = [
    "CalibrationFit", "Ranking", "area_error", "auc", "auc_difference", "auc_gap", "best_proportion_low", "bootstrap",
    "bootstrap_many", "brier", "calibration", "chance_of_calibrated", "chance_of_equal_aucs", "chance_of_equal_rates",
    "ece", "equal_groups_p", "mean", "mean_auc", "mean_gap", "paired_difference", "patients_for_gap", "proportion",
    "proportion_gap", "resampled_auc", "resampled_sums", "shrunken_proportions", "simultaneous",
    "smallest_detectable_gap",
]  # fmt: skip
