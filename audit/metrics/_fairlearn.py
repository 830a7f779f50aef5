"""Names of the metrics of fairlearn, and of scikit-learn as fairlearn takes them, that an audit can be asked for."""

from __future__ import annotations

FAIRLEARN_PREFIX = "fairlearn:"
RATES: tuple[str, ...] = (
    "true_positive_rate", "true_negative_rate", "false_positive_rate", "false_negative_rate", "selection_rate",
    "accuracy_score", "zero_one_loss", "recall_score", "precision_score",
)  # fmt: skip
DECIDED: tuple[str, ...] = (*RATES, "balanced_accuracy_score", "f1_score", "matthews_corrcoef")
SCORED: tuple[str, ...] = ("mean_prediction", "log_loss", "brier_score_loss", "roc_auc_score")
VALUED: tuple[str, ...] = ("mean_absolute_error", "mean_squared_error", "r2_score")
# One number for all levels together. The largest difference of several rates is above 0 in every sample.
DISPARITIES: tuple[str, ...] = (
    "accuracy_score_difference", "accuracy_score_group_min", "accuracy_score_ratio",
    "balanced_accuracy_score_group_min", "demographic_parity_difference", "demographic_parity_ratio",
    "equal_opportunity_difference", "equal_opportunity_ratio", "equalized_odds_difference", "equalized_odds_ratio",
    "f1_score_group_min", "false_negative_rate_difference", "false_negative_rate_ratio",
    "false_positive_rate_difference", "false_positive_rate_ratio", "log_loss_group_max",
    "mean_absolute_error_group_max", "mean_squared_error_group_max", "precision_score_group_min",
    "r2_score_group_min", "recall_score_group_min", "roc_auc_score_group_min", "selection_rate_difference",
    "selection_rate_ratio", "true_negative_rate_difference", "true_negative_rate_ratio",
    "true_positive_rate_difference", "true_positive_rate_ratio", "zero_one_loss_difference",
    "zero_one_loss_group_max", "zero_one_loss_ratio",
)  # fmt: skip
FAIRLEARN: tuple[str, ...] = (*DECIDED, *SCORED, *VALUED, *DISPARITIES)
_BASE = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
_ENDS = ("_difference", "_ratio", "_group_min", "_group_max")


def base_of(name: str) -> tuple[tuple[str, ...], str]:
    """Return the metrics that a name is made of, and how levels are put together, "" for a plain metric.

    Args:
        name: One of `FAIRLEARN`, for example "equalized_odds_difference".
    """
    if name not in DISPARITIES:
        return (name,), ""
    end = next(e for e in _ENDS if name.endswith(e))
    stem = name.removesuffix(end)
    return _BASE.get(stem, (stem,)), end.removeprefix("_")
