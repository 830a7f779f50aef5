"""Measures of arrays, without intervals: curves for figures, masks, agreement."""

from audit.metrics._agreement import icc, weighted_kappa
from audit.metrics._fairlearn import DECIDED, DISPARITIES, FAIRLEARN, FAIRLEARN_PREFIX, RATES, VALUED, base_of
from audit.metrics._lesions import LesionCounts, lesion_counts
from audit.metrics._masks import dice, hd95, relative_volume_error, surface_dice
from audit.metrics._ranking import ReliabilityBins, RocCurve, reliability_bins, roc_curve
from audit.metrics._visibility import psnr, ssim

__all__ = [
    "DECIDED", "DISPARITIES", "FAIRLEARN", "FAIRLEARN_PREFIX", "RATES", "VALUED", "LesionCounts", "ReliabilityBins",
    "RocCurve", "base_of", "dice", "hd95", "icc", "lesion_counts", "psnr", "relative_volume_error", "reliability_bins",
    "roc_curve", "ssim", "surface_dice", "weighted_kappa",
]  # fmt: skip
