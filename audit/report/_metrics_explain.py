"""What the report calls the metrics of the explanation family, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

EXPLAIN: Mapping[str, tuple[str, str]] = {
    "deletion_advantage": (
        "deletion advantage",
        "How much faster the answer falls when the pixels named by the explanation go first than under the "
        "best control; above 0 is better.",
    ),
    "insertion_advantage": (
        "insertion advantage",
        "How much faster the answer rises when the pixels named by the explanation come first than under the "
        "best control; above 0 is better.",
    ),
    "ranking_advantage": (
        "ranking advantage",
        "How much more it matters whether the most or the least relevant pixels go first than under the best "
        "control; above 0 is better.",
    ),
    "deletion_advantage_by_class": (
        "deletion advantage by class",
        "Deletion advantage on the cases of one class alone.",
    ),
    "insertion_advantage_by_class": (
        "insertion advantage by class",
        "Insertion advantage on the cases of one class alone.",
    ),
    "deletion_advantage_mean_fill": (
        "deletion advantage, mean fill",
        "Deletion advantage where removed pixels take the mean of the image: a check that the fill does not decide.",
    ),
    "largest_fall": (
        "largest fall",
        "How far the score of the decision falls at most as pixels are replaced, whatever the order; near 0 nothing "
        "can be said about any explanation. Mean over cases.",
    ),
    "selftest_deletion": (
        "self-test of deletion",
        "Deletion advantage of true maps, of models whose important pixels are known; above 0 or else deletion "
        "does not count here.",
    ),
    "selftest_insertion": (
        "self-test of insertion",
        "Insertion advantage of true maps, of models whose important pixels are known; above 0 or else insertion "
        "does not count here.",
    ),
    "infidelity": (
        "infidelity",
        "Share of the change of the answer, when the image is perturbed, that the explanation does not foretell: 0 is "
        "all foretold, 1 is nothing.",
    ),
    "infidelity_advantage": (
        "infidelity advantage",
        "Infidelity of the best control minus that of the explanation; above 0 is better.",
    ),
    "selftest_infidelity": (
        "self-test of infidelity",
        "Infidelity advantage of true maps, of models whose important pixels are known; above 0 or else infidelity "
        "does not count here.",
    ),
    "completeness_error": (
        "completeness error",
        "Relative distance between the sum of an attribution and the change of the answer that it has to explain; "
        "median over cases.",
    ),
    "similarity_after_randomisation": (
        "similarity after randomisation",
        "How alike explanations stay when the network's layers are drawn again, mean over the steps: 1 is a map made "
        "twice, 0 maps of other patients and other weights. High: the map does not depend on what was learnt.",
    ),
    "absolute_similarity_after_randomisation": (
        "absolute similarity after randomisation",
        "The same of absolute values, where a factor of the image remains whatever the weights are.",
    ),
    "structural_similarity_after_randomisation": (
        "structural similarity after randomisation",
        "The same by structural similarity, signed or absolute, scaled by the largest value or by the second moment.",
    ),
    "similarity_after_all_layers": (
        "similarity after all layers",
        "Similarity after randomisation once no layer is left that was learnt.",
    ),
    "similarity_after_one_layer": (
        "similarity after one step",
        "Similarity after randomisation of the layers of a single step, all others as learnt.",
    ),
    "similarity_after_random_labels": (
        "similarity after random labels",
        "How alike explanations are to those of a model that the recipe trained on shuffled labels, on the same scale.",
    ),
    "localisation_advantage": (
        "localisation advantage",
        "Share of a case's lesions that the explanation finds with few false marks, minus that of the best control; "
        "above 0 is better. Where a sound explanation misses the lesions, see CONF005 for what is put where it looks.",
    ),
    "pointing_advantage": (
        "pointing advantage",
        "Share of cases whose highest peak hits a lesion, minus that of the best control; above 0 is better.",
    ),
    "mass_advantage": (
        "relevance mass advantage",
        "Share of the relevance that lies inside lesions, minus that of the best control; above 0 is better.",
    ),
    "froc_area": (
        "FROC area",
        "Mean share of lesions found at 1/8 to 8 false marks a case, one threshold for all; mind the controls' beside "
        "it.",
    ),
    "pointing_game": ("pointing game", "Share of cases whose highest peak hits a lesion; mind chance beside it."),
    "relevance_mass": (
        "relevance mass",
        "Share of what speaks for the finding that lies inside lesions; mind chance beside it.",
    ),
    "relevance_distance": (
        "distance of the relevance",
        "Distance of the highest peak of the explanation from the nearest lesion; median over cases.",
    ),
    "relevance_in_region": (
        "relevance in one region",
        "Share of what speaks for the finding that lies in the named ninth of the image, the largest of all.",
    ),
    "localisation_advantage_when_correct": (
        "localisation advantage, found cases",
        "Localisation advantage on the positive cases that the model found.",
    ),
    "froc_area_when_correct": ("FROC area, found cases", "FROC area on the positive cases that the model found."),
    "pointing_game_when_correct": (
        "pointing game, found cases",
        "Pointing game on the positive cases that the model found.",
    ),
    "relevance_mass_when_correct": (
        "relevance mass, found cases",
        "Relevance mass on the positive cases that the model found.",
    ),
    "control_froc_area": ("FROC area of a control", "FROC area of a map that has learnt nothing."),
    "control_pointing_game": (
        "pointing game of a control",
        "Share of cases whose highest peak hits a lesion, of a map that has learnt nothing; chance in closed form.",
    ),
    "control_relevance_mass": (
        "relevance mass of a control",
        "Share inside lesions of a map that has learnt nothing; chance is the lesions' share of the organ.",
    ),
    "selftest_localisation": (
        "self-test of localisation",
        "Localisation advantage of the lesion masks themselves; above 0 or else localisation does not count here.",
    ),
    "max_sensitivity": (
        "largest sensitivity",
        "How far an explanation moves, relative to its length, under noise of the cohort's own size; the largest of a "
        "few draws, mean over cases. 0: it stays.",
    ),
    "stability_advantage": (
        "stability advantage",
        "Sensitivity of the closest control that follows the image, minus that of the explanation; above 0 it moves "
        "less.",
    ),
    "control_max_sensitivity": (
        "largest sensitivity of a control",
        "How far a map that has learnt nothing moves under the same noise.",
    ),
    "faithfulness_gap": (
        "faithfulness gap",
        "How well explanations of the subgroup show what the model uses, minus those of all others; below 0 they show "
        "less.",
    ),
    "localisation_gap": (
        "localisation gap",
        "Share of lesions that explanations of the subgroup find, minus that of all others; below 0 they find fewer.",
    ),
    "control_faithfulness_gap": (
        "faithfulness gap of a control",
        "The same of the closest control: where it has a gap, the images differ.",
    ),
}
