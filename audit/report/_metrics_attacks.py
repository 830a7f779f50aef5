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
}
