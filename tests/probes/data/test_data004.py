"""DATA004 missing-not-at-random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.core import Measurement, NotApplicable, ProbeContext
from audit.probes.data import MissingNotAtRandom
from audit.testing import attribute, check_probe, saved_context, small_cohort, with_aside


def made(sick_missing: int, sick_present: int, *, wrong: int = 0, **options: Any) -> ProbeContext:
    """A hundred cases without sex and three hundred with; `wrong` of the former are decided wrongly."""
    target = np.zeros(400, dtype=np.int64)
    target[:sick_missing] = 1
    target[100 : 100 + sick_present] = 1
    score = np.where(target == 1, 0.9, 0.1)
    score[:wrong] = 1 - score[:wrong]
    sex = np.where(np.arange(400) < 100, "(missing)", np.where(np.arange(400) % 2, "F", "M"))
    cohort = small_cohort(target, attributes=(attribute("sex", sex, "protected"),))
    return saved_context(score, cohort, **options)


def differences(ctx: ProbeContext) -> dict[tuple[object, ...], Measurement]:
    """The differences by attribute, parameter and stratum."""
    return {
        (next(iter(m.subgroup), ""), m.condition["parameter"], m.condition.get("stratum", "")): m
        for m in MissingNotAtRandom().run(ctx)
        if m.metric == "outcome_difference"
    }


def test_disease_where_sex_is_missing_is_found() -> None:
    """0.60 of 100 without sex and 0.20 of 300 with: a difference of 0.40 whose interval is far from 0."""
    found = differences(made(60, 60))["sex", "prevalence", ""]
    assert found.value == pytest.approx(0.6 - 0.2)
    assert found.low is not None
    assert 0.27 < found.low < 0.31
    assert (found.n, found.n_patients) == (100, 100)
    assert found.direction == "zero"


def test_the_interval_is_that_of_two_independent_shares() -> None:
    """With one case a patient it agrees with Newcombe's interval of Wilson bounds, to 0.005 (t instead of z)."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    found = differences(made(60, 60))["sex", "prevalence", ""]
    low, high = confint_proportions_2indep(60, 100, 60, 300, method="newcomb")
    assert found.low == pytest.approx(low, abs=0.005)
    assert found.high == pytest.approx(high, abs=0.005)


def test_errors_where_sex_is_missing_are_found() -> None:
    """The model errs in 30 of 100 cases without sex and in none of the others."""
    found = differences(made(20, 60, wrong=30))["sex", "error rate", ""]
    assert found.value == pytest.approx(0.3)
    assert found.low is not None
    assert found.low > 0.2


def test_a_value_missing_at_random_is_silent() -> None:
    """The same share of disease and of errors on both sides: both intervals hold 0."""
    found = differences(made(20, 60))
    assert set(found) == {("sex", "prevalence", ""), ("sex", "error rate", "")}
    for m in found.values():
        assert m.value == pytest.approx(0)
        assert m.low is not None
        assert m.high is not None
        assert m.low < 0 < m.high


def test_the_share_without_a_value_is_given_for_every_attribute() -> None:
    """A quarter has no sex; age is complete and says so with 0 of 400."""
    ctx = made(20, 60)
    attributes = {**ctx.cohort.attributes, "age": attribute("age", ["old"] * 400, "covariate")}
    ctx = replace(ctx, cohort=replace(ctx.cohort, attributes=attributes))
    shares = {next(iter(m.subgroup)): m for m in MissingNotAtRandom().run(ctx) if m.metric == "share_missing"}
    assert {k: (m.value, m.k, m.n) for k, m in shares.items()} == {"sex": (0.25, 100, 400), "age": (0, 0, 400)}
    assert {k[0] for k in differences(ctx)} == {"sex"}


def test_cases_set_aside_are_compared_by_their_reference() -> None:
    """Of 40 cases that were set aside 30 are positive, of 400 used 80: 0.75 minus 0.20."""
    ctx = made(20, 60)
    lost = with_aside(ctx.cohort, reasons=["damaged"] * 40, targets=np.arange(40) < 30)
    found = differences(saved_context(ctx.clean.raw, lost))["", "prevalence", "set aside"]
    assert found.value == pytest.approx(0.55)
    assert found.n == 40
    unknown = with_aside(ctx.cohort, reasons=["damaged"] * 40)
    assert all(key[2] == "" for key in differences(saved_context(ctx.clean.raw, unknown)))


def test_without_a_threshold_there_is_no_error_rate() -> None:
    """The prevalence is there, and the error rate says what it lacks."""
    found = differences(made(60, 60, operating_point=None))
    assert found["sex", "prevalence", ""].value == pytest.approx(0.4)
    assert found["sex", "error rate", ""].missing == "no operating point is declared"


def test_four_patients_without_a_value_have_no_number() -> None:
    """Too few to say anything, and never 0."""
    sex = np.where(np.arange(100) < 4, "(missing)", "F")
    cohort = small_cohort(np.arange(100) % 2, attributes=(attribute("sex", sex, "protected"),))
    found = differences(saved_context(np.linspace(0, 1, 100), cohort))["sex", "prevalence", ""]
    assert found.value is None
    assert "4 patients" in (found.missing or "")


def test_nothing_missing_is_not_applicable() -> None:
    """Where every cell is filled and nobody was left out there is nothing to compare."""
    cohort = small_cohort(np.arange(50) % 2, attributes=(attribute("sex", ["F", "M"] * 25, "protected"),))
    with pytest.raises(NotApplicable, match="no attribute has an empty cell"):
        list(MissingNotAtRandom().run(saved_context(np.linspace(0, 1, 50), cohort)))


def test_a_real_value_and_its_error_are_compared() -> None:
    """Mean reference 70 against 60, mean absolute error 5 against 2, worked by hand."""
    rng = np.random.default_rng(0)
    gone = np.arange(200) < 50
    target = np.where(gone, 70.0, 60.0) + np.tile([-1.0, 1.0], 100)
    off = np.where(gone, 5.0, 2.0) * rng.choice([-1, 1], 200) + np.tile([-0.5, 0.5], 100)
    site = attribute("site", np.where(gone, "(missing)", "north"), "protocol")
    ctx = saved_context(
        target + off, small_cohort(target, attributes=(site,), classes=()), task="regression", output="value",
        operating_point=None,
    )  # fmt: skip
    found = differences(ctx)
    assert found["site", "mean reference", ""].value == pytest.approx(10)
    assert found["site", "mean absolute error", ""].value == pytest.approx(
        np.abs(off[gone]).mean() - np.abs(off[~gone]).mean()
    )


def test_cases_set_aside_of_other_tasks() -> None:
    """Findings of a multilabel task and classes of a multiclass one are compared one by one."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (60, 2))
    lost = with_aside(small_cohort(labels, classes=("a", "b")), reasons=["x"] * 10, targets=np.tile([1, 0], (10, 1)))
    ctx = saved_context(np.where(labels, 3.0, -3.0), lost, task="multilabel", output="logits")
    by_class = {m.condition["class"]: m.value for m in MissingNotAtRandom().run(ctx)}
    assert by_class["a"] == pytest.approx(1 - labels[:, 0].mean())
    assert by_class["b"] == pytest.approx(-labels[:, 1].mean())
    classes = np.arange(60) % 3
    lost = with_aside(small_cohort(classes, classes=("x", "y", "z")), reasons=["x"] * 9, targets=np.full(9, 2))
    ctx = saved_context(np.eye(3)[classes], lost, task="multiclass", operating_point=None)
    by_class = {m.condition["class"]: m.value for m in MissingNotAtRandom().run(ctx)}
    assert by_class == pytest.approx({"x": -1 / 3, "y": -1 / 3, "z": 2 / 3})


def test_it_keeps_the_protocol() -> None:
    """It completes where cells are empty."""
    assert "binary, empty cells" in check_probe(MissingNotAtRandom)
