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
}
