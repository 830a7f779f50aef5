"""What the report calls the metrics beside robust numbers: what a change looks like, and who broke what."""

from __future__ import annotations

from collections.abc import Mapping

ATTACKS: Mapping[str, tuple[str, str]] = {
    "robust_accuracy_gap": (
        "gap in accuracy under attack",
        "Accuracy under attack of the level minus that of all others; below 0 the level is worse off.",
    ),
    "winning_share": (
        "share broken first",
        "Share of the overturned cases that this way of attacking broke first.",
    ),
    "visibility_psnr": (
        "visibility, PSNR",
        "Peak signal-to-noise ratio of attacked to original images; the lower, the plainer the change.",
    ),
    "visibility_ssim": (
        "visibility, SSIM",
        "Structural similarity of attacked to original images; 1: no difference.",
    ),
    "epsilon_over_noise_sd": (
        "size over noise",
        "Size of the change as a multiple of the noise measured in this cohort; above 1 it shows.",
    ),
    "certificate_deterministic": (
        "certificate: same answer twice", "Share of cases whose answer is the same when asked again; must be 1.",
    ),
    "certificate_repeat": (
        "certificate: same answer twice", "Share of cases whose answer is the same when asked again; must be 1.",
    ),
    "certificate_bound": (
        "certificate: size and range kept",
        "Share of worst images that keep to size, range and region, as they are and in whole stored steps; must be 1.",
    ),
    "certificate_chance": (
        "certificate: better than one answer for all",
        "Lower bound of the clean share right less that of the best constant answer; must be above 0.",
    ),
    "certificate_finite_difference": (
        "certificate: gradients predict small changes",
        "Share of cases whose gradient, or its estimate, predicts small changes of the answer.",
    ),
    "certificate_path": (
        "certificate: gradients add up between answers",
        "Share of pairs of cases of different answers between which the gradients add up to the difference; a low "
        "share means that the answer turns where no gradient shows it.",
    ),
    "certificate_one_step": (
        "certificate: one step breaks no more",
        "Share of cases that a single step breaks and the search alone does not; a high share means that the search is "
        "weak.",
    ),
    "certificate_query": (
        "certificate: asking alone breaks no more",
        "Share of cases that stand under the attack and fall to one that only asks; a high share "
        "means masked gradients.",
    ),
    "certificate_response": (
        "certificate: the search lowers the margin",
        "Share of right cases whose margin the search lowers at the headline size.",
    ),
    "certificate_queries": (
        "certificate: enough questions",
        "Share of a sample that falls to twice the questions only; a high share means that the "
        "search stopped too early.",
    ),
    "control_accuracy": (
        "accuracy under the control",
        "Share of cases that are answered right both as they are and under a control of the same size.",
    ),
    "control_difference": (
        "control minus attack",
        "Share right under the control minus that under the attack; near 0 the model breaks under any change.",
    ),
    "median_minimal_perturbation": (
        "median smallest change that turns an answer",
        "Half of the cases turn under a change of this size or less; 0 where the answer is wrong without any.",
    ),
    "median_minimal_perturbation_right": (
        "median smallest change that turns a right answer",
        "Half of the cases that are right without an attack turn under a change of this size or less.",
    ),
    "unbroken": (
        "share that nothing turned", "Share of cases that stand under every change that was tried, up to the largest.",
    ),
    "miss_rate": (
        "share missed under attack",
        "Share of cases with the finding that are missed as they are or when the attack hides it.",
    ),
    "false_alarm_rate": (
        "false alarms under attack",
        "Share of cases without the finding that show it as they are or when the attack plants it.",
    ),
    "certificate_surrogate": (
        "certificate: the attack works where it is made",
        "Share of cases right on the surrogate that stand on it at the largest size; must be at most 0.5.",
    ),
    "certificate_agreement": (
        "certificate: the surrogate decides alike",
        "How much more often model and surrogate decide alike than by chance (kappa); must be at least 0.6.",
    ),
}  # fmt: skip
