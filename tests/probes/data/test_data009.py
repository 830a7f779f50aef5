"""DATA009 unlike-intended-population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.core import IntendedUse, Measurement, NotApplicable, Prevalence, ProbeContext
from audit.probes.data import UnlikeIntendedPopulation
from audit.testing import attribute, check_probe, saved_context, small_cohort


def made(women: int, population: dict[str, dict[str, float]], *, sick: int = 50, **options: Any) -> ProbeContext:
    """Two hundred cases, some of them of women, some sick; ten without an age."""
    n = 200
    sex = np.where(np.arange(n) < women, "female", "male")
    age = np.where(np.arange(n) < 10, "(missing)", np.where(np.arange(n) % 2, "[0, 60)", "[60, 90]"))
    cohort = small_cohort(
        (np.arange(n) % 4 == 0) if sick == 50 else (np.arange(n) < sick).astype(int),
        attributes=(attribute("sex", sex, "protected"), attribute("age", age, "protected")),
        design=options.pop("design", ""),
    )  # fmt: skip
    use = IntendedUse(population=population, prevalence=options.pop("prevalence", None))
    return saved_context(np.linspace(0, 1, n), cohort, intended_use=use)


def rows(ctx: ProbeContext, metric: str) -> dict[tuple[object, ...], Measurement]:
    """Measurements of a metric by subgroup and condition."""
    return {
        (*m.subgroup.values(), *m.condition.values()): m
        for m in UnlikeIntendedPopulation().run(ctx)
        if m.metric == metric
    }


HALF = {"sex": {"female": 0.5, "male": 0.5}}


def test_too_few_women_are_found() -> None:
    """60 of 200 against one half: a difference of -0.20 with the exact interval of 0.30, shifted (to 0.0005)."""
    from statsmodels.stats.proportion import proportion_confint

    found = rows(made(60, HALF), "share_difference")
    low, high = proportion_confint(60, 200, method="beta")
    assert found["female",].value == pytest.approx(-0.2)
    assert found["female",].low == pytest.approx(low - 0.5, abs=5e-4)
    assert found["female",].high == pytest.approx(high - 0.5, abs=5e-4)
    assert found["male",].value == pytest.approx(0.2)


def test_a_cohort_like_the_population_is_silent() -> None:
    """One half against one half: intervals around 0 and no level too many or too few."""
    ctx = made(100, HALF)
    for m in rows(ctx, "share_difference").values():
        assert m.value == pytest.approx(0)
        assert m.low is not None
        assert m.high is not None
        assert m.low < 0 < m.high
    assert [m.value for m in rows(ctx, "faults").values()] == [0, 0]


def test_levels_that_are_absent_or_not_named_are_counted() -> None:
    """The old are declared and not there; the men are there and not declared, a share of 0."""
    ctx = made(100, {"sex": {"female": 1.0, "male": 0.0}, "age": {"[0, 60)": 0.4, "[60, 90]": 0.5, "[90, 110]": 0.1}})
    faults = {key: m.value for key, m in rows(ctx, "faults").items()}
    assert faults == {
        ("sex", "declared and absent"): 0, ("sex", "present and not declared"): 1,
        ("age", "declared and absent"): 1, ("age", "present and not declared"): 0,
    }  # fmt: skip
    absent = rows(ctx, "share_difference")["[90, 110]",]
    assert absent.value == pytest.approx(-0.1)
    assert absent.high is not None
    assert absent.high < 0


def test_cases_without_a_value_are_left_out_of_the_shares() -> None:
    """190 cases have an age, and the share is of these."""
    found = rows(made(100, {"age": {"[0, 60)": 0.5, "[60, 90]": 0.5}}), "share_difference")["[0, 60)",]
    assert found.n == 190
    assert found.value == pytest.approx(95 / 190 - 0.5)


def test_the_prevalence_is_compared() -> None:
    """A quarter against a declared tenth; the design of the cohort stands beside it."""
    ctx = made(100, {}, prevalence=Prevalence(value=0.1), design="case-control")
    ((key, m),) = rows(ctx, "prevalence_difference").items()
    assert key == ("case-control cohort",)
    assert m.value == pytest.approx(0.15)
    assert (m.n, m.n_patients) == (200, 200)


def test_a_declared_attribute_that_the_cohort_lacks_has_no_number() -> None:
    """It is named with its reason, never passed over."""
    found = rows(made(100, {"ward": {"icu": 1.0}}), "share_difference")
    assert found["icu",].missing == "the cohort has no such attribute"


def test_without_a_declaration_it_is_not_applicable() -> None:
    """A statement in words cannot be counted against."""
    with pytest.raises(NotApplicable, match="neither the population"):
        list(UnlikeIntendedPopulation().run(made(100, {})))


def test_shares_are_kept_for_the_figure() -> None:
    """Both shares of each level, side by side."""
    ctx = made(60, HALF)
    list(UnlikeIntendedPopulation().run(ctx))
    (table,) = ctx.sink.artifacts
    assert table.name == "population_shares"
    assert table.arrays["level"].tolist() == ["female", "male"]
    assert table.arrays["cohort"].tolist() == [0.3, 0.7]
    assert table.arrays["declared"].tolist() == [0.5, 0.5]


def test_it_keeps_the_protocol() -> None:
    """It completes with a population, and with a prevalence alone."""
    contexts = {
        "population": lambda: made(60, HALF),
        "prevalence": lambda: made(60, {}, prevalence=Prevalence(value=0.1)),
    }
    assert check_probe(UnlikeIntendedPopulation, contexts) == ("population", "prevalence")
