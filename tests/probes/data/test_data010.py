"""DATA010 partial-verification."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.core import Levels, Measurement, NotApplicable, ProbeContext
from audit.probes.data import PartialVerification
from audit.probes.data._verification import Verified, by_decision, by_score, corrected, worst_and_best
from audit.testing import attribute, check_probe, saved_context, small_cohort, with_unverified

LEVELS = Levels()
# By decision: cases, verified, diseased among the verified.
HAND = {True: (100, 80, 60), False: (900, 90, 3)}


def of_table(table: dict[bool, tuple[int, int, int]]) -> Verified:
    """Cases of a table, each another patient."""
    parts = [
        (np.full(n, decided), np.arange(n) < seen, np.arange(n) < ill) for decided, (n, seen, ill) in table.items()
    ]
    decisions, verified, labels = (np.concatenate([p[i] for p in parts]) for i in range(3))
    n = len(decisions)
    return Verified(
        decisions=decisions, scores=np.where(decisions, 0.8, 0.2), verified=verified, labels=labels,
        patients=np.arange(n),
    )  # fmt: skip


def made(seed: int = 0, *, referred: bool = True, n: int = 3000, **options: Any) -> tuple[ProbeContext, float, float]:
    """A cohort of which those called positive, or a random half, are verified; with the true two rates."""
    rng = np.random.default_rng(seed)
    sick = rng.random(n) < 0.2
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + np.where(sick, 1.2, -1.2))))
    chance = np.where(score >= 0.5, 0.9, 0.15) if referred else np.full(n, 0.5)
    seen = rng.random(n) < chance
    sex = np.array(["female", "male"])[rng.integers(0, 2, n)]
    cohort = small_cohort(sick[seen].astype(int), attributes=(attribute("sex", sex[seen], "protected"),))
    cohort = with_unverified(cohort, int((~seen).sum()), attributes={"sex": sex[~seen]})
    ctx = saved_context(score[seen], cohort, unverified_raw=score[~seen], **options)
    called = score >= 0.5
    return ctx, float(called[sick].mean()), float((~called[~sick]).mean())


def rows(ctx: ProbeContext) -> dict[tuple[object, ...], Measurement]:
    """All measurements by metric, condition and subgroup."""
    return {(m.metric, *m.condition.values(), *m.subgroup.values()): m for m in PartialVerification().run(ctx)}


def test_the_correction_is_worked_by_hand() -> None:
    """75 of the 100 called positive are diseased and 30 of the 900 called negative: 75/105 and 870/895."""
    cases = of_table(HAND)
    sensitivity, specificity = corrected(cases, by_decision(cases), LEVELS)
    assert sensitivity.value == pytest.approx(75 / 105, abs=1e-12)
    assert specificity.value == pytest.approx(870 / 895, abs=1e-12)
    assert (sensitivity.n, sensitivity.n_patients) == (1000, 1000)


def test_the_interval_agrees_with_the_published_variance() -> None:
    """Begg and Greenes' variance of the logit of sensitivity, worked by hand; the half-width agrees to 10 %."""
    table = {True: (400, 300, 210), False: (1600, 400, 40)}
    cases = of_table(table)
    sensitivity, _ = corrected(cases, by_decision(cases), LEVELS)
    a, b, share = 210 / 300, 40 / 400, 0.2
    p = share * a / (share * a + 0.8 * b)
    # logit p = log(share / (1 - share)) + log a - log b, three independent binomials.
    variance = 1 / (2000 * share * 0.8) + (1 - a) / (300 * a) + (1 - b) / (400 * b)
    half = 1.96 * p * (1 - p) * np.sqrt(variance)
    assert sensitivity.value == pytest.approx(p)
    bounds = sensitivity.bounds(0.025)
    assert bounds is not None
    assert (bounds[1] - bounds[0]) / 2 == pytest.approx(half, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("patients, prevalence, seen, images", [(300, 0.3, (0.9, 0.3), 1), (200, 0.3, (0.9, 0.3), 3)])
def test_coverage_by_simulation(patients: int, prevalence: float, seen: tuple[float, float], images: int) -> None:
    """Verified by decision alone: each bound of each rate misses the truth in at most 4 % of 600 cohorts (2.5 %)."""
    from scipy.stats import norm

    rng = np.random.default_rng([patients, images])
    truth = norm.cdf(1.0), norm.cdf(1.4)
    missed = np.zeros((2, 2))
    for _ in range(600):
        owner = np.repeat(np.arange(patients), images)
        sick = (rng.random(patients) < prevalence)[owner]
        own = rng.normal(size=patients)[owner] * (0.7 if images > 1 else 0.0)
        z = own + rng.normal(size=len(owner)) * (np.sqrt(0.51) if images > 1 else 1.0)
        decided = np.where(sick, z < 1.0, z > 1.4)
        verified = rng.random(len(owner)) < np.where(decided, *seen)
        cases = Verified(
            decisions=decided, scores=np.where(decided, 0.8, 0.2), verified=verified, labels=sick & verified,
            patients=owner,
        )  # fmt: skip
        for k, found in enumerate(corrected(cases, by_decision(cases), LEVELS)):
            bounds = found.bounds(0.025)
            assert bounds is not None
            missed[k] += bounds[0] > truth[k], bounds[1] < truth[k]
    assert (missed / 600).max() <= 0.04


def test_the_bounds_are_worked_by_hand() -> None:
    """Of 20 + 810 unverified cases the worst and the best are counted one by one."""
    bounds = worst_and_best(of_table(HAND), LEVELS)
    assert {k: (e.k, e.n) for k, e in bounds.items()} == {
        "sensitivity_bound_low": (60, 63 + 810),
        "sensitivity_bound_high": (60 + 20, 63 + 20),
        "specificity_bound_low": (87, 107 + 20),
        "specificity_bound_high": (87 + 810, 107 + 810),
    }


def test_verification_that_follows_the_decision_is_found() -> None:
    """The score tells who was verified; the naive sensitivity is far too high and the corrected one right."""
    ctx, sensitivity, specificity = made()
    found = rows(ctx)
    assert (found["verification_auc",].low or 0) > 0.8
    view = ctx.clean.views[0]
    assert view.decisions is not None
    naive = float(view.decisions[view.labels].mean())
    assert naive > sensitivity + 0.05
    for given in ("given the decision", "given the score"):
        for metric, truth in (("sensitivity_corrected", sensitivity), ("specificity_corrected", specificity)):
            m = found[metric, given]
            assert m.low is not None
            assert m.high is not None
            assert m.low < truth < m.high
            assert m.high < 0.95
    assert (found["sensitivity_bound_low",].value or 0) < sensitivity < (found["sensitivity_bound_high",].value or 0)


def test_verification_at_random_is_silent() -> None:
    """Half verified by a draw: the score does not tell, sexes do not differ, and nothing is corrected away."""
    ctx, _, _ = made(referred=False)
    found = rows(ctx)
    area, gap = found["verification_auc",], found["verification_gap", "female"]
    assert area.low is not None
    assert area.high is not None
    assert area.low < 0.5 < area.high
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < 0 < gap.high
    view = ctx.clean.views[0]
    assert view.decisions is not None
    naive = float(view.decisions[view.labels].mean())
    assert found["sensitivity_corrected", "given the decision"].value == pytest.approx(naive, abs=0.01)


def test_a_sex_that_is_verified_less_is_found() -> None:
    """Three of four women and a quarter of the men: a gap of 0.5, one contrast seen from two sides."""
    sex = np.array(["female"] * 90 + ["male"] * 30)
    cohort = small_cohort(np.arange(120) % 2, attributes=(attribute("sex", sex, "protected"),))
    cohort = with_unverified(cohort, 120, attributes={"sex": ["female"] * 30 + ["male"] * 90})
    found = rows(saved_context(np.linspace(0, 1, 120), cohort, unverified_raw=np.linspace(0, 1, 120)))
    women, men = found["verification_gap", "female"], found["verification_gap", "male"]
    assert women.value == pytest.approx(0.5)
    assert women.low is not None
    assert women.low > 0.35
    assert women.contrast == men.contrast
    assert found["share_unverified",].value == pytest.approx(0.5)
    assert found["faults", "reference standard not obtained"].value == 120


def test_rates_are_given_by_source() -> None:
    """Nine of ten under histology, one of two under follow-up; neither is pooled."""
    target = np.concatenate([np.ones(50), np.ones(50), np.zeros(20)]).astype(int)
    score = np.concatenate([np.arange(50) < 45, np.arange(50) < 25, np.zeros(20)]) * 0.9
    source = np.array(["histology"] * 50 + ["follow-up"] * 70)
    found = rows(saved_context(score, small_cohort(target, reference_levels=source, reference_method="how")))
    assert found["sensitivity", "histology"].value == pytest.approx(0.9)
    assert found["sensitivity", "follow-up"].value == pytest.approx(0.5)
    assert found["specificity", "follow-up"].n == 20
    assert "no cases" in (found["specificity", "histology"].missing or "")
    assert found["faults", "another source than most"].value == 50
    assert not any(key[0].endswith("corrected") for key in found)


def test_a_decision_that_was_never_verified_has_no_correction() -> None:
    """Where nobody called negative was looked at, sensitivity is unknown; the bounds say from where to where."""
    table = {True: (100, 80, 60), False: (300, 0, 0)}
    cases = of_table(table)
    found = corrected(cases, by_decision(cases), LEVELS)
    assert [e.value for e in found] == [None, None]
    bounds = worst_and_best(cases, LEVELS)
    assert bounds["sensitivity_bound_low"].value == pytest.approx(60 / 360)
    assert bounds["sensitivity_bound_high"].value == pytest.approx(1)
    assert by_score(cases) is None


def test_without_answers_or_threshold_there_is_no_rate() -> None:
    """Each missing number says what it lacks."""
    ctx, _, _ = made(n=400, operating_point=None)
    found = rows(ctx)
    assert found["sensitivity_bound_low",].missing == "no operating point is declared"
    assert found["verification_auc",].value is not None
    silent = saved_context(ctx.clean.raw, ctx.cohort)
    assert rows(silent)["sensitivity_corrected",].missing == "the model answered none of the unverified cases"


def test_a_fully_verified_cohort_is_not_applicable() -> None:
    """Nothing is declared unverified and there is one source."""
    with pytest.raises(NotApplicable, match="no case is declared"):
        list(PartialVerification().run(saved_context(np.linspace(0, 1, 20), small_cohort(np.arange(20) % 2))))


def test_the_table_is_kept() -> None:
    """Cases, verified and diseased by decision stand behind the figure."""
    ctx, _, _ = made(n=400)
    list(PartialVerification().run(ctx))
    (table,) = ctx.sink.artifacts
    assert table.name == "verification_by_decision"
    assert int(table.arrays["cases"].sum()) == 400
    assert int(table.arrays["verified"].sum()) == len(ctx.cohort)


def test_it_keeps_the_protocol() -> None:
    """It completes for one question and for several."""
    labels = np.random.default_rng(0).integers(0, 2, (80, 2))
    many = with_unverified(small_cohort(labels, classes=("x", "y")), 40)

    def several() -> ProbeContext:
        raw = np.random.default_rng(1).random((40, 2))
        return saved_context(0.2 + 0.6 * labels, many, task="multilabel", unverified_raw=raw)

    contexts = {"binary": lambda: made(n=400)[0], "multilabel": several}
    assert check_probe(PartialVerification, contexts) == ("binary", "multilabel")


def test_the_share_of_a_class_at_worst_is_worked_by_hand() -> None:
    """Ten unverified cases beside 30 ill and 60 well: 10/40 and 10/70 at worst; women, six beside 15 ill, 6/21."""
    target = np.repeat([1, 0], [30, 60])
    sex = np.where(np.arange(90) % 2, "female", "male")
    cohort = small_cohort(target, attributes=(attribute("sex", sex, "protected"),))
    cohort = with_unverified(cohort, 10, attributes={"sex": np.repeat(["female", "male"], [6, 4])})
    found = rows(saved_context(target * 0.9, cohort, unverified_raw=np.full(10, 0.1)))
    for key, (k, n) in {
        ("positive",): (10, 40), ("negative",): (10, 70), ("positive", "female"): (6, 21),
        ("negative", "male"): (4, 34),
    }.items():  # fmt: skip
        row = found["share_unverified_of_class", *key]
        assert (row.value, row.k, row.n) == (pytest.approx(k / n, abs=1e-12), k, n)


def test_a_source_that_follows_the_decision_is_associated_with_it() -> None:
    """Biopsy above the threshold, follow-up below: V near 1; sources by turns have V of 0 after the correction."""
    target = np.arange(200) // 100
    score = np.where(np.arange(200) % 10 == 0, 1 - target, target) * 0.8 + 0.1
    follows = np.where(score >= 0.5, "biopsy", "follow-up")
    turns = np.where(np.arange(200) // 5 % 2 == 0, "biopsy", "follow-up")
    bound, free = (
        rows(saved_context(score, small_cohort(target, reference_levels=s, reference_method="how")))
        for s in (follows, turns)
    )
    assert (bound["source_association", "decision"].value or 0) > 0.95
    assert (bound["source_association", "class"].value or 0) > 0.7
    assert free["source_association", "decision"].value == pytest.approx(0, abs=0.05)
