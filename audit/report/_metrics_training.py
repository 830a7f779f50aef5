"""What the report calls the metrics of probes that train again, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

TRAINING: Mapping[str, tuple[str, str]] = {
    "cases_to_target": (
        "training cases to the target",
        "Number of training cases at which the recipe reaches the declared performance.",
    ),
    "gain_of_doubling": (
        "gain of the last doubling",
        "Performance of the recipe with all training cases minus that with half of them; positive is better.",
    ),
    "recipe_minus_model": (
        "recipe against the audited model",
        "Performance of the recipe with all training cases minus that of the audited model; far from 0, the recipe is "
        "not the one that made it.",
    ),
    "auc_by_training": (
        "AUC by training and test data",
        "AUC of the recipe after training on biased or balanced data, on a cohort of biased or balanced composition.",
    ),
    "balancing_gain": (
        "gain of balanced training",
        "On balanced data, AUC after balanced training minus AUC after biased training.",
    ),
    "shift_by_training": (
        "score shift by training",
        "How well the score of the newly trained model tells the level from the rest among controls; 0.5: not at all.",
    ),
    "auc_by_share": (
        "AUC by share in training",
        "AUC within the level, or within all others, after training with so large a share of the level.",
    ),
    "transfer_gain": (
        "gain of transfer",
        "Performance on the protocol that was left out, with a few of its cases used in this way, minus that without "
        "any; positive is better.",
    ),
    "gain_over_target_only": (
        "gain over target cases alone",
        "Performance with other protocols used in this way minus that of the few target cases alone; below 0 the other "
        "protocols did harm.",
    ),
    "noise_cost": (
        "cost of label errors",
        "Performance after training on the labels as they are minus that after training with such errors; 0: forgiven.",
    ),
}

OF_TRAINING: Mapping[tuple[str, str], tuple[str, str]] = {
    ("PERF007", "performance"): (
        "performance by training size",
        "AUC, its mean over classes or cut points, or the mean absolute error, after training on so many cases.",
    ),
    ("SHIFT004", "performance"): (
        "performance on the protocol left out",
        "AUC, its mean over classes or cut points, or the mean absolute error, on cases of the protocol left out.",
    ),
    ("DATA011", "performance"): (
        "performance after label errors",
        "AUC, its mean over classes or cut points, or the mean absolute error, after training on labels with such "
        "errors.",
    ),
}
