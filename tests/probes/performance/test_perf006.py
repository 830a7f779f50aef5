"""PERF006 holds the associations of the automatic reading against those of the reference."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from audit.core import MISSING_LEVEL, Attribute, AttributeSpec, NotApplicable
from audit.probes.performance import AssociationParity
from audit.probes.performance._associations import _statistics, _Sums, determinants
from audit.stats._kernel import patient_weights
from audit.testing import attribute, check_probe, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the measurements by metric, attribute and level."""
    found = {}
    for m in AssociationParity().run(ctx):
        key = (m.metric, *(m.condition[k] for k in ("attribute", "parameter") if k in m.condition))
        assert key not in found
        found[key] = m
    return found


def number(name, values, role="covariate"):
    """Return a numeric attribute."""
    spec = AttributeSpec(name=name, role=role)
    return Attribute(spec=spec, levels=np.asarray(values).astype(str), numbers=np.asarray(values, dtype=float))


def study(rng, read, *, n=500, per_patient=1, determinants=6):
    """Return a context: a count that follows some determinants, and what `read` makes of count and determinants."""
    owner = np.repeat(np.arange(n), per_patient)
    facts = rng.normal(size=(n, determinants))
    effect = np.linspace(0, 0.5, determinants)
    count = 10 + 3 * (facts @ effect + rng.normal(size=n))[owner] + rng.normal(0, 0.5, n * per_patient)
    attributes = [number(f"d{j}", facts[owner, j]) for j in range(determinants)]
    cohort = small_cohort(count, attributes=attributes, classes=(), patients=owner)
    return saved_context(
        read(count, facts[owner], rng), cohort, task="regression", output="value", operating_point=None
    )


def healthy(count, facts, rng):
    """Return a right reading with noise."""
    return count + rng.normal(0, 1.0, len(count))


def diluted(count, facts, rng):
    """Return a reading that is drawn to its mean."""
    return 10 + 0.5 * (count - 10) + rng.normal(0, 1.0, len(count))


def leaning(count, facts, rng):
    """Return a reading that also follows the first determinant, which the count does not."""
    return healthy(count, facts, rng) + 1.2 * facts[:, 0]


def test_keeps_the_protocol():
    """It completes for a real value, a probability and a volume."""
    assert {"regression", "segmentation", "binary, saved"} <= set(check_probe(AssociationParity))


def test_slopes_are_those_of_least_squares():
    """Each slope is statsmodels' on standardised numbers to 1e-9; the interval is near its cluster sandwich, 15 %."""
    ctx = study(np.random.default_rng(1), leaning, n=300, per_patient=2)
    found, target = run(ctx), np.asarray(ctx.clean.targets)
    x = ctx.cohort.attributes["d5"].numbers
    design = sm.add_constant((x - x.mean()) / x.std())
    for metric, values in (
        ("slope_reference", target),
        ("slope_automatic", ctx.clean.scores),
        ("slope_difference", ctx.clean.scores - target),
    ):
        fit = sm.OLS(values / target.std(), design).fit(
            cov_type="cluster", cov_kwds={"groups": ctx.cohort.patients}, use_t=True
        )
        m = found[metric, "d5"]
        assert m.value == pytest.approx(fit.params[1], abs=1e-9)
        low, high = fit.conf_int()[1]
        assert m.high - m.low == pytest.approx(high - low, rel=0.15)
    sizes = [abs(found[f"slope_{k}", "d5"].value) for k in ("automatic", "reference")]
    assert found["slope_excess", "d5"].value == pytest.approx(sizes[0] - sizes[1], abs=1e-9)


def test_a_level_is_held_against_the_others():
    """Of two levels one row: the difference of the two means in standard deviations of the reference, to 1e-9."""
    rng = np.random.default_rng(2)
    target, female = rng.normal(50, 8, 200), np.arange(200) % 2 == 0
    predicted = target + rng.normal(0, 2, 200) + 3.0 * female
    cohort = small_cohort(target, attributes=[attribute("sex", np.where(female, "f", "m"), "protected")], classes=())
    found = run(saved_context(predicted, cohort, task="regression", output="value", operating_point=None))
    m = found["slope_difference", "sex", "m"]
    error = predicted - target
    assert m.value == pytest.approx((error[~female].mean() - error[female].mean()) / target.std(), abs=1e-9)
    assert m.high < -0.2
    assert ("slope_difference", "sex", "f") not in found


def test_three_levels_give_three_rows():
    """With three levels each is held against the others; empty cells are in none of them."""
    rng = np.random.default_rng(3)
    site = np.array(["a", "b", "c", "(missing)"])[np.arange(200) % 4]
    target = rng.normal(size=200)
    cohort = small_cohort(target, attributes=[attribute("site", site, "covariate")], classes=())
    found = run(saved_context(target + rng.normal(0, 0.3, 200), cohort, task="regression", output="value"))
    assert {k[2] for k in found if k[0] == "slope_difference"} == {"a", "b", "c"}
    assert found["slope_difference", "site", "a"].n == 150


def test_planted_leaning_is_caught():
    """An association that the reference has not: difference and excess are wholly above 0, at the joint level too."""
    found = run(study(np.random.default_rng(4), leaning))
    assert found["slope_difference", "d0"].simultaneous[0] > 0.1
    assert found["slope_excess", "d0"].simultaneous[0] > 0.1
    assert found["slope_difference", "d3"].simultaneous[0] < 0 < found["slope_difference", "d3"].simultaneous[1]


def test_planted_dilution_is_caught():
    """A reading drawn to its mean halves every association: the ratio is 0.5, the strongest differs wholly."""
    found = run(study(np.random.default_rng(5), diluted))
    assert found["slope_ratio",].high < 0.7
    assert found["slope_ratio",].low < 0.5 < found["slope_ratio",].high
    assert found["slope_difference", "d5"].high < 0
    assert found["slope_excess", "d5"].high < 0


def test_silent_on_a_healthy_reading():
    """Noise alone changes no association: every joint interval holds 0 and lies within 0.15, the ratio holds 1."""
    found = run(study(np.random.default_rng(6), healthy))
    for j in range(6):
        low, high = found["slope_difference", f"d{j}"].simultaneous
        assert -0.15 < low < 0 < high < 0.15
    assert found["slope_ratio",].low < 1 < found["slope_ratio",].high


def test_probabilities_stand_against_labels():
    """A model that reads the marker of sex has a slope on sex that the labels have not; the healthy one has none."""
    cohort = tiny_cohort(np.random.default_rng(7), n=800)
    sick = run(context(planted("leans-on-sex"), cohort))["slope_difference", "sex", "male"]
    fine = run(context(planted(), cohort))["slope_difference", "sex", "male"]
    assert sick.low > 0.3
    assert fine.low < 0 < fine.high < 0.2


def test_a_score_without_unit_has_no_slope_in_common():
    """Saved values of a binary task share no unit with labels: not applicable, with the reason."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[number("age", np.arange(40))])
    with pytest.raises(NotApplicable, match="no unit in common"):
        run(saved_context(np.linspace(0, 9, 40), cohort, output="value"))


def test_without_determinants_it_has_no_question():
    """A cohort with a protocol attribute alone has no determinant, and the reason names the roles."""
    cohort = small_cohort(np.arange(40) % 2, attributes=[attribute("scanner", ["A", "B"] * 20, "protocol")])
    with pytest.raises(NotApplicable, match="covariate, severity, protected"):
        run(saved_context(np.linspace(0, 1, 40), cohort))
    steady = small_cohort(np.arange(40) % 2, attributes=[attribute("sex", ["(missing)"] * 40, "protected")])
    with pytest.raises(NotApplicable, match="no value or one level only"):
        run(saved_context(np.linspace(0, 1, 40), steady))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(60, 7.0), "does not vary"), (np.where(np.arange(60) < 3, np.arange(60), np.nan), "fewer than 5"),
        (np.full(60, np.nan), "fewer than 5"),
    ],
)  # fmt: skip
def test_a_poor_determinant_is_missing(values, reason):
    """One that does not vary, or that few patients have, gives no slope and says why; the others are measured."""
    rng = np.random.default_rng(8)
    target = rng.normal(size=60)
    cohort = small_cohort(target, attributes=[number("poor", values), number("age", rng.normal(size=60))], classes=())
    found = run(saved_context(target + rng.normal(0, 0.1, 60), cohort, task="regression", output="value"))
    assert reason in found["slope_difference", "poor"].missing
    assert found["slope_difference", "age"].value is not None
    assert "1 determinant, fewer than the 3" in found["slope_ratio",].missing


def test_missing_determinants_leave_their_cases_out():
    """Ninety of 300 have no age: n is 210, and the slopes are those of the 210 alone, to 1e-9."""
    ctx = study(np.random.default_rng(9), leaning, n=300, determinants=1)
    holes = ctx.cohort.attributes["d0"].numbers.copy()
    holes[:90] = np.nan
    partly = replace(ctx, cohort=replace(ctx.cohort, attributes={"d0": number("d0", holes)}))
    rest = small_cohort(ctx.cohort.targets[90:], attributes=[number("d0", holes[90:])], classes=())
    alone = saved_context(ctx.clean.scores[90:], rest, task="regression", output="value", operating_point=None)
    m, other = run(partly)["slope_difference", "d0"], run(alone)["slope_difference", "d0"]
    scale = np.asarray(ctx.cohort.targets).std() / np.asarray(rest.targets).std()
    assert (m.n, m.n_patients) == (210, 210)
    assert m.value * scale == pytest.approx(other.value, abs=1e-9)


def test_figure_holds_every_determinant():
    """The arrays behind the figure are the measured slopes with their intervals."""
    ctx = study(np.random.default_rng(10), leaning)
    found = run(ctx)
    drawn = next(a for a in ctx.sink.artifacts if a.name == "association_parity")
    assert drawn.arrays["determinant"].tolist() == [f"d{j}" for j in range(6)]
    m = found["slope_automatic", "d4"]
    assert [drawn.arrays[f"automatic{end}"][4] for end in ("", "_low", "_high")] == [m.value, m.low, m.high]
    assert drawn.meta["slope_ratio"] == found["slope_ratio",].value


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "scans"), [(60, 3), (40, 1)])
def test_difference_misses_at_its_rate(patients, scans):
    """On 1,500 healthy cohorts of few patients neither bound is on the wrong side of 0 in more than 3.5 %."""
    rng, missed = np.random.default_rng(11), np.zeros(2)
    for _ in range(1500):
        ctx = study(rng, healthy, n=patients, per_patient=scans, determinants=2)
        m = run(ctx)["slope_difference", "d1"]
        missed += m.low > 0, m.high < 0
    assert (missed / 1500).max() <= 0.035


def test_resampled_slopes_are_those_of_repeated_patients():
    """Sums by patient give the slopes of least squares on literally repeated rows, to 1e-10, with cells missing."""
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(40), 3)[:110]
    count = rng.normal(10, 2, 110)
    reading = count + rng.normal(size=110)
    levels = np.where(rng.random(110) < 0.1, MISSING_LEVEL, rng.choice(["a", "b", "c"], 110))
    age = np.where(rng.random(110) < 0.1, np.nan, rng.normal(60, 9, 110))
    ward = Attribute(spec=AttributeSpec(name="ward", role="covariate"), levels=levels)
    number = Attribute(spec=AttributeSpec(name="age", role="covariate"), levels=age.astype(str), numbers=age)
    used = [d for a in (ward, number) for d in determinants(a, patients)]
    sums = _Sums(patients, used, (reading, count), np.ones(110, dtype=bool), float(np.std(count)))
    (weights,) = patient_weights(37, 5, np.random.default_rng(0), rows=5)
    found = _statistics(sums(weights))
    assert [d.name for d in used] == ["ward: a", "ward: b", "ward: c", "age"]
    for row, drawn in zip(found, weights, strict=True):
        again = np.repeat(np.arange(110), drawn[patients].astype(int))
        for i, d in enumerate(used):
            rows = again[d.known[again]]
            design = sm.add_constant(d.values[rows])
            slope = [sm.OLS(v[rows] / np.std(count), design).fit().params[1] for v in (count, reading)]
            assert row[4 * i : 4 * i + 2] == pytest.approx(slope, abs=1e-10)
