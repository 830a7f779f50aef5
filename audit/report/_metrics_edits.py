"""What the report calls the metrics of edited images."""

from __future__ import annotations

from collections.abc import Mapping

EDITS: Mapping[str, tuple[str, str]] = {
    "auc_without_evidence": (
        "AUC without the evidence",
        "AUC after the lesion of every case is filled, and as much of every control; what the model knows from "
        "elsewhere.",
    ),
    "control_shift": (
        "shift of controls by the fill",
        "Mean change of the score of controls when plain tissue is filled; near 0 the fill itself says nothing.",
    ),
    "auc_as_it_is": ("AUC as it is", "AUC of the same images untouched."),
    "auc_filled_elsewhere": (
        "AUC, filled elsewhere", "AUC when the same shapes are filled off the lesion; it should cost nothing.",
    ),
    "fill_trace_auc": (
        "trace of the fill",
        "AUC with which a small classifier tells filled from untouched controls; above 0.7 nothing is concluded.",
    ),
    "auc_without_evidence_by_dilation": (
        "AUC without the evidence, other dilation", "The same with masks that are dilated less or more.",
    ),
    "thumbnail_auc": ("AUC of a thumbnail", "AUC of a small model that sees an 8 x 8 thumbnail alone."),
    "thumbnail_correlation": (
        "follows a thumbnail",
        "Rank correlation of the score with that of the thumbnail model, within cases and within controls.",
    ),
    "border_auc": ("AUC of the border", "AUC of a small model that sees the border of the image alone."),
    "border_correlation": (
        "follows the border",
        "Rank correlation of the score with that of the border model, within cases and within controls.",
    ),
    "slope_without_evidence": (
        "slope without the evidence",
        "Slope of the answer on the reference value after the evidence is filled; 0: nothing is left to know.",
    ),
    "slope_as_it_is": ("slope as it is", "Slope of the answer on the reference value of the same images untouched."),
    "slope_filled_elsewhere": (
        "slope, filled elsewhere", "Slope when as much is filled elsewhere; it should cost nothing.",
    ),
    "output_after_erasing": ("answer after erasing", "Mean answer when the evidence is filled."),
    "volume_in_filled_region": (
        "marked in the filled region", "Share of the reference region that is still marked after it was filled.",
    ),
    "volume_before_filling": ("marked before filling", "Share of the reference region that is marked as it is."),
    "volume_filled_elsewhere": (
        "marked, filled elsewhere",
        "Share of the reference region that is marked when as much is filled elsewhere; it should cost nothing.",
    ),
    "flip_rate_excess": (
        "flips beyond the sham",
        "Share of cases that the marker turns minus the share that noise of the same energy turns.",
    ),
    "sham_flip_rate": ("flips by the sham", "Share of cases that noise of the same energy in the same place turns."),
    "score_change": ("change of the score", "Mean signed change of the score by the marker."),
    "sham_slope": ("slope of the sham", "Change of the answer for each piece of plain tissue handled like a lesion."),
    "response_rate": (
        "share that responds",
        "Share of cases whose score moves the right way further than the sham moves it; 0.5 is chance.",
    ),
    "sham_ratio": ("sham over lesion", "Slope of the sham over the slope of the lesion; 0 is right."),
    "plane_ratio": (
        "off the plane over in it",
        "Slope off the plane that was read over the slope in it; 1: the whole region counts, 0: that plane alone.",
    ),
    "slope_in_plane": ("slope in the plane", "Change of the answer for each lesion in the plane that was read."),
    "slope_off_plane": ("slope off the plane", "Change of the answer for each lesion off the plane that was read."),
    "detection_rate": (
        "inserted lesions found", "Share of the inserted lesions that the mask touches, less that of their shams.",
    ),
    "log_odds_slope": ("slope in log odds", "Change of the log odds for each lesion, less that of the sham."),
    "log_odds_sham_slope": ("sham slope in log odds", "Change of the log odds for each sham."),
    "specificity_ratio": (
        "distractor over lesion",
        "Slope on what only looks like a lesion over the slope on lesions; 0: told apart, 1: counted alike.",
    ),
    "distractor_false_positives": (
        "inserted distractors marked", "Share of the inserted distractors that the mask touches.",
    ),
    "lesion_slope": ("slope on lesions", "Change of the answer for each lesion, less that of the sham."),
    "distractor_slope": ("slope on distractors", "Change of the answer for each distractor, less that of the sham."),
}  # fmt: skip
# Names that other probes give to other things.
OF_EDITS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("CONF005", "flip_rate"): (
        "decisions that the marker changes",
        "Share of cases whose decision changes at any of the places where the marker is put.",
    ),
    ("CONF008", "slope"): (
        "change of the answer a lesion",
        "Change of the answer for each lesion put in or taken out, less that of the sham; of a segmentation the marked "
        "volume per volume of lesion.",
    ),
}
