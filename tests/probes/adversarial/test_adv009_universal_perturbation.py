"""ADV009: one perturbation turns the other patients of a vulnerable model, not those of a sturdy one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.adversarial.adv009_universal_perturbation import UniversalPerturbation
from audit.testing import check_probe, context, head
from tests.probes.adversarial.attacked import BUDGET, HEADLINE, known, linear, measured, of, only, verdict


def test_a_linear_model_falls_as_far_as_the_closed_form() -> None:
    """One perturbation is as good for a linear model as one for each case: each side stands by its margins alone."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 36)
    ctx, _ = linear(w, n=120)
    given = list(UniversalPerturbation().run(ctx))
    first = of(given, "robust_sensitivity")[0]
    assert 0 < first.n < 120
    for row in of(given, "robust_sensitivity") + of(given, "robust_specificity"):
        if float(row.condition["epsilon"]) >= 8 / 255:
            assert row.value == 0.0
    largest = only(given, "robust_accuracy", epsilon=float(f"{16 / 255:.6g}"))
    assert largest.value is not None
    assert largest.value < 0.65


def test_a_vulnerable_network_falls_on_other_patients() -> None:
    """An undefended network: each side falls to its own perturbation on patients that it was not fitted on."""
    given = measured(UniversalPerturbation, "undefended")
    for metric in ("robust_sensitivity", "robust_specificity"):
        row = only(given, metric, **HEADLINE)
        assert row.high is not None
        assert row.high < 0.5


def test_a_case_is_right_only_under_every_perturbation() -> None:
    """What was fitted to one side counts for all: the accuracy is that of both sides, and no size helps a case."""
    given = measured(UniversalPerturbation, "undefended")
    row = only(given, "robust_accuracy", **HEADLINE)
    sides = [only(given, m, **HEADLINE) for m in ("robust_sensitivity", "robust_specificity")]
    right = sum((side.value or 0.0) * side.n for side in sides)
    assert row.value == pytest.approx(right / row.n, abs=1e-9)
    assert row.high is not None
    assert row.high < 0.5
    every = [m.value or 0.0 for m in of(given, "robust_accuracy")]
    assert every == sorted(every, reverse=True)
    assert verdict(UniversalPerturbation, known("undefended")) != "PASS"


def test_a_sturdy_network_stays_silent() -> None:
    """A network trained on attacked images stands, with a lower bound that a limit of 0.7 passes."""
    given = measured(UniversalPerturbation, "adversarially-trained")
    row = only(given, "robust_accuracy", **HEADLINE)
    assert row.low is not None
    assert row.low > 0.7


@pytest.mark.parametrize(
    "name", ["argmax-inside", "detached-branch", "reversed-gradient", "dropout-on", "clamped-and-live"]
)
def test_a_hidden_gradient_cannot_pass(name: str) -> None:
    """Where the fit is misled the lower side is 0."""
    row = only(measured(UniversalPerturbation, name), "robust_accuracy", **HEADLINE)
    assert row.low == 0.0
    assert "upper bound only" in row.method


def test_patients_of_the_fit_are_not_judged() -> None:
    """Half of the patients are fitted on, and all cases of a patient are on one side."""
    ctx, _ = linear(np.ones(36), n=80)
    ctx = replace(ctx, cohort=replace(ctx.cohort, patients=np.arange(80) // 4))
    given = list(UniversalPerturbation().run(ctx))
    row = only(given, "robust_accuracy", **HEADLINE)
    assert (row.n, row.n_patients) == (40, 10)
    checks, kept = ctx.sink.artifacts
    assert checks.name == "attack_certificate"
    assert kept.name == "universal_perturbation"
    assert kept.meta["fitted"] == kept.meta["judged"] == 40
    assert np.abs(kept.arrays["perturbation"]).max() <= float(row.condition["epsilon"]) * (1 + 1e-6)


def test_each_class_has_a_perturbation_of_its_own() -> None:
    """For several classes the sensitivity of each is that under a perturbation fitted to it."""
    model, cohort = head("multiclass", np.random.default_rng(0), n=40)
    given = list(UniversalPerturbation().run(context(model, cohort, budget=BUDGET)))
    for name in model.card.classes:
        assert len(of(given, "robust_sensitivity", **{"class": name}, **HEADLINE)) == 1


def test_few_patients_are_not_applicable() -> None:
    """Nine patients cannot be halved with any sense."""
    ctx, _ = linear(np.ones(36), n=18)
    ctx = replace(ctx, cohort=replace(ctx.cohort, patients=np.arange(18) // 2))
    with pytest.raises(NotApplicable, match="9 patients are too few"):
        list(UniversalPerturbation().run(ctx))


def test_it_conforms() -> None:
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(UniversalPerturbation, {"undefended": lambda: known("undefended", n=24)}) == ("undefended",)
