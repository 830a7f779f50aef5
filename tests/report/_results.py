"""Synthetic results: every state, over all nine families; every number is invented."""

from __future__ import annotations

import numpy as np

from audit.core import COUNT, Access, Measurement, ProbeResult, contrast_key
from tests.report._build import artifact, info, measured


def _gaps(attribute: str, levels: dict[str, tuple[float, float, int]], metric: str) -> list[Measurement]:
    names = list(levels)
    key = contrast_key(attribute, names, metric) if len(names) == 2 else None
    return [
        measured(
            metric,
            v,
            half,
            n=n,
            bounds=(-1, 1),
            method="MOVER of Wilson, effective n",
            subgroup={attribute: level},
            condition={"n_rest": 800 - n},
            simultaneous=(v - 1.3 * half, v + 1.3 * half),
            contrast=key,
        )
        for level, (v, half, n) in levels.items()
    ]


def _data_and_setup() -> tuple[ProbeResult, ...]:
    return (
        ProbeResult(
            info=info("DATA003", "cases-lost", "Cases lost", "Did every row of the manifest count?", "share_set_aside"),
            state="completed",
            measurements=(measured("share_set_aside", 14 / 1280, n=1280, k=14, method=COUNT),),
        ),
        *(
            ProbeResult(
                info=info(f"SETUP00{i}", name, title, question, "faults"),
                state="completed",
                measurements=(measured("faults", 0, n=64, method=COUNT),),
            )
            for i, name, title, question in (
                (1, "output-kind", "Output kind", "Does it answer in the way that was declared?"),
                (2, "not-deterministic", "Determinism", "Does it give the same answer twice?"),
                (3, "label-order", "Label order", "Is the order of the labels right?"),
            )
        ),
        ProbeResult(
            info=info("SETUP004", "golden-batch", "Golden batch", "Does it reproduce its known answers?", "faults"),
            state="not_applicable",
            reason="no golden batch is declared",
        ),
    )


def _performance() -> tuple[ProbeResult, ...]:
    return (
        ProbeResult(
            info=info(
                "PERF001",
                "headline-performance",
                "Headline performance",
                "How good is it on this cohort?",
                "auc",
                "sensitivity",
                "specificity",
                "ppv",
                "accuracy",
            ),
            state="completed",
            artifacts=(
                artifact("roc_curve", "ROC curve", "fpr", "tpr"),
                artifact("score_distribution", "Scores by reference standard"),
            ),
            measurements=(
                measured("auc", 0.912, 0.02, method="Obuchowski, logit scale, t", n=1266, patients=800),
                measured("sensitivity", 342 / 400, 0.036, n=400, k=342),
                measured("specificity", 741 / 866, 0.026, n=866, k=741, patients=520),
                measured("ppv", None, missing="no prevalence is declared"),
                measured("accuracy", 1083 / 1266, 0.02, n=1266, k=1083, patients=800),
            ),
        ),
        ProbeResult(
            info=info(
                "CAL001",
                "miscalibration",
                "Miscalibration",
                "Can its probabilities be taken at their word?",
                "slope",
                "intercept",
                "ece",
            ),
            state="completed",
            artifacts=(artifact("reliability_curve", "Reliability curve"),),
            measurements=(
                measured("slope", 0.93, 0.11, bounds=(-9, 9), method="cluster sandwich, t"),
                measured("intercept", -0.08, 0.19, bounds=(-9, 9), method="cluster sandwich, t"),
                measured("ece", 0.021, 0.014, method="patient bootstrap of the debiased square"),
            ),
        ),
    )


def _fairness(attribute: str, many: int) -> tuple[ProbeResult, ...]:
    site = {f"hospital {i:02d}": (0.08 * np.sin(i), 0.05 + 0.002 * i, 12 + i) for i in range(many)}
    gaps = _gaps(attribute, {"female": (-0.142, 0.058, 390), "male": (0.142, 0.058, 410)}, "sensitivity_gap")
    gaps += _gaps(
        "age",
        {"[0, 40)": (0.02, 0.09, 120), "[40, 60)": (0.01, 0.07, 380), "[60, 120]": (-0.05, 0.08, 300)},
        "sensitivity_gap",
    )
    gaps.append(
        measured(
            "sensitivity_gap",
            None,
            n=3,
            subgroup={"age": "(missing)"},
            missing="3 patients with a positive case, 5 are needed",
        )
    )
    gaps += _gaps(attribute, {"female": (0.01, 0.04, 400), "male": (-0.01, 0.04, 400)}, "specificity_gap")
    gaps += _gaps("hospital", dict(site), "sensitivity_gap") if site else []
    return (
        ProbeResult(
            info=info(
                "FAIR001",
                "operating-point-gap",
                "Gap at the operating point",
                "Does it miss more in one group of patients than in the rest?",
                "sensitivity_gap",
                "specificity_gap",
                "sensitivity",
            ),
            state="completed",
            artifacts=(
                artifact(
                    "subgroup_test",
                    f"Are all levels of {attribute} equal in sensitivity?",
                    "n_patients",
                    attribute=attribute,
                    p=0.012,
                    levels="female|male",
                ),
            ),
            measurements=tuple(gaps),
        ),
    )


def _confounding(attribute: str) -> tuple[ProbeResult, ...]:
    return (
        ProbeResult(
            info=info(
                "CONF001",
                "balanced-resampling",
                "Balanced resampling",
                "Does it lean on a confounder?",
                "confounder_cost",
                "worst_cross_auc",
                "auc_drop",
            ),
            state="completed",
            artifacts=(
                artifact(
                    "stratum_matrix",
                    "AUC of cases of one level against controls of another",
                    "auc",
                    attribute="(joint)",
                    levels="female, A|female, B|male, A|male, B",
                ),
            ),
            measurements=(
                measured(
                    "confounder_cost",
                    0.031,
                    0.012,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": attribute},
                ),
                measured(
                    "confounder_cost",
                    0.004,
                    0.009,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "protocol"},
                ),
                measured(
                    "confounder_cost",
                    0.059,
                    0.017,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "(joint)"},
                ),
                measured(
                    "worst_cross_auc",
                    0.524,
                    0.07,
                    method="Obuchowski at the Bonferroni level",
                    condition={"attribute": "(joint)", "stratum": "cases male, B x controls male, A"},
                ),
                measured(
                    "auc_drop",
                    0.021,
                    0.01,
                    bounds=(-1, 1),
                    method="patient bootstrap",
                    condition={"attribute": "(joint)"},
                ),
            ),
        ),
    )


def _attacks() -> tuple[ProbeResult, ...]:
    epsilons = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    robust = [
        measured(
            metric,
            max(0.01, base * 0.72**i - 0.02),
            0.05,
            n=400,
            k=round(400 * max(0.01, base * 0.72**i - 0.02)),
            condition={"epsilon": e, "epsilon_unit": "grey level", "attack": "PGD, margin"},
        )
        for metric, base in (("robust_accuracy", 0.88), ("robust_sensitivity", 0.84))
        for i, e in enumerate(epsilons)
    ]
    robust += [
        measured("certificate_identity", 0, n=400, method=COUNT),
        measured("certificate_large_epsilon", 0.005, 0.008, n=400, k=2),
        measured("certificate_gradient", 1, n=400, k=400, method=COUNT),
    ]
    return (
        ProbeResult(
            info=info(
                "ADV001",
                "linf-evasion",
                "Evasion within a box",
                "How small a change of every pixel defeats it?",
                "robust_accuracy",
                "robust_sensitivity",
                "certificate_identity",
                "certificate_large_epsilon",
                "certificate_gradient",
                access=Access.GRADIENT,
            ),
            state="completed",
            measurements=tuple(robust),
            artifacts=(
                artifact(
                    "adversarial_examples",
                    "Phantom images, the same under attack, and the perturbation (mid grey: none)",
                    pixels=True,
                    epsilon=2.0,
                ),
                artifact("broken_curve", "Never stored"),
            ),
        ),
    )


def _explanations() -> tuple[ProbeResult, ...]:
    return (
        ProbeResult(
            info=info(
                "XAI001",
                "unfaithful-attribution",
                "Unfaithful attribution",
                "Do its explanations name the pixels that decide?",
                "deletion_advantage",
                access=Access.GRADIENT,
            ),
            state="completed",
            artifacts=(
                artifact("deletion_curve", "Deletion curve"),
                artifact("attribution_examples", "Explained phantom images", pixels=True),
            ),
            measurements=tuple(
                measured(
                    "deletion_advantage",
                    v,
                    0.05,
                    n=200,
                    bounds=(-1, 1),
                    method="paired t by patient",
                    condition={"attribution": a},
                )
                for a, v in (("integrated gradients", 0.13), ("saliency", 0.03), ("input x gradient", 0.06))
            ),
        ),
        ProbeResult(
            info=info(
                "XAI003",
                "mislocalised",
                "Mislocalised",
                "Do its explanations lie on the lesion?",
                "localisation_advantage",
            ),
            state="error",
            reason="RuntimeError: a layer was reused",
        ),
    )


def _shift() -> tuple[ProbeResult, ...]:
    return (
        ProbeResult(
            info=info(
                "SHIFT001",
                "protocol-matrix",
                "Protocol matrix",
                "Is it worse on one protocol than on the rest?",
                "auc_gap",
                "score_offset",
            ),
            state="completed",
            artifacts=(
                artifact("acme_numbers", "Numbers of a third party"),
                artifact("stratum_matrix", "A matrix that is none"),
                artifact("broken", "A cube of a third party"),
            ),
            measurements=(
                *_gaps("protocol", {"A": (0.004, 0.03, 420), "B": (-0.004, 0.03, 380)}, "auc_gap"),
                *_gaps("protocol", {"A": (0.12, 0.15, 420), "B": (-0.12, 0.15, 380)}, "score_offset"),
            ),
        ),
        ProbeResult(
            info=info(
                "SHIFT004",
                "leave-one-protocol-out",
                "Leave one protocol out",
                "Would it work on a protocol it never saw?",
                "transfer_gain",
            ),
            state="not_run",
            reason="the time budget was spent",
            selected=False,
        ),
    )


def results(attribute: str = "sex", many: int = 0) -> tuple[ProbeResult, ...]:
    """Return one result of every state, over all nine families."""
    return (
        *_data_and_setup(),
        *_performance(),
        *_fairness(attribute, many),
        *_confounding(attribute),
        *_attacks(),
        *_explanations(),
        *_shift(),
    )
