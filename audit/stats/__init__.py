"""Intervals with patients as the unit of sampling: proportions, AUC, means, gaps, and the bootstrap for the rest."""

from audit.stats._association import association, association_p
from audit.stats._attainable import best_proportion_low, patients_for_gap, smallest_detectable_gap
from audit.stats._auc import auc
from audit.stats._auc_fall import opened_by_fall
from audit.stats._auc_pairs import auc_difference, mean_auc
from audit.stats._betting import SequentialState, SequentialTest, betting_interval
from audit.stats._bootstrap import bootstrap, bootstrap_many
from audit.stats._calibration import CalibrationFit, brier, calibration
from audit.stats._chance import area_error, chance_of_calibrated, chance_of_equal_aucs, chance_of_equal_rates
from audit.stats._ece import ece
from audit.stats._equivalence import Shown, equivalence, non_inferiority, p_above, p_below
from audit.stats._fieller import ratio_of_means
from audit.stats._froc import RATES, Marks, froc_curve, froc_sensitivity
from audit.stats._gaps import auc_gap, mean_gap, proportion_gap
from audit.stats._groups import GroupRanking, GroupSums
from audit.stats._horizon import CALIBRATION as CALIBRATION_AT_HORIZON
from audit.stats._horizon import Followed, calibration_at_horizon, observed_risk, ranking_at_horizon
from audit.stats._horizon_benefit import BENEFIT as BENEFIT_AT_HORIZON
from audit.stats._horizon_benefit import benefit_at_horizon
from audit.stats._horizon_pairs import auc_difference_at_horizon
from audit.stats._icc import icc
from audit.stats._kappa import AbsoluteIcc, Kappa, Measure, NearnessOfNumbers, agreement
from audit.stats._kernel import Ranking, resampled_auc, resampled_sums
from audit.stats._limits import limit_of_agreement
from audit.stats._means import mean, paired_difference
from audit.stats._median import median
from audit.stats._parts import GapParts, gap_parts
from audit.stats._permutation import equal_groups_p
from audit.stats._proportion import proportion
from audit.stats._rate_pairs import rate_difference
from audit.stats._readers import RANDOM_FROM, Faced, Panel, agreement_difference, by_reader
from audit.stats._repeats import (
    REPEATABILITY,
    Repeats,
    between_patient_sd,
    repeat_icc,
    within_patient_cv,
    within_patient_sd,
)
from audit.stats._selective import SelectiveRisk, selective_risk
from audit.stats._sequential import RESERVE, Drawn, gap_so_far, mean_so_far, share_so_far
from audit.stats._shrinkage import shrunken_proportions
from audit.stats._simultaneous import simultaneous
from audit.stats._sparse import SparseSums
from audit.stats._strata import gaps_within
from audit.stats._strata_auc import stratified_auc, stratified_auc_difference
from audit.stats._survival import kaplan_meier
from audit.stats._trainings import over_trainings

__all__ = [
    "BENEFIT_AT_HORIZON", "CALIBRATION_AT_HORIZON", "RANDOM_FROM", "RATES", "REPEATABILITY", "RESERVE",
    "AbsoluteIcc", "CalibrationFit", "Drawn", "Faced", "Followed", "GapParts", "GroupRanking", "GroupSums", "Kappa",
    "Marks", "Measure", "NearnessOfNumbers", "Panel", "Ranking", "Repeats", "SelectiveRisk", "SequentialState",
    "SequentialTest", "Shown", "SparseSums", "agreement", "agreement_difference", "area_error", "association",
    "association_p", "auc", "auc_difference", "auc_difference_at_horizon", "auc_gap", "benefit_at_horizon",
    "best_proportion_low", "betting_interval", "between_patient_sd", "bootstrap", "bootstrap_many", "brier",
    "by_reader", "calibration", "calibration_at_horizon", "chance_of_calibrated", "chance_of_equal_aucs",
    "chance_of_equal_rates", "ece", "equal_groups_p", "equivalence", "froc_curve", "froc_sensitivity", "gap_parts",
    "gap_so_far", "gaps_within", "icc", "kaplan_meier", "limit_of_agreement", "mean", "mean_auc", "mean_gap",
    "mean_so_far", "median", "non_inferiority", "observed_risk", "opened_by_fall", "over_trainings", "p_above",
    "p_below", "paired_difference", "patients_for_gap", "proportion", "proportion_gap", "ranking_at_horizon",
    "rate_difference", "ratio_of_means", "repeat_icc", "resampled_auc", "resampled_sums", "selective_risk",
    "share_so_far", "shrunken_proportions", "simultaneous", "smallest_detectable_gap", "stratified_auc",
    "stratified_auc_difference", "within_patient_cv", "within_patient_sd",
]  # fmt: skip
