"""A model among readers, against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from audit.core import Levels
from audit.metrics import icc as icc_value
from audit.stats import AbsoluteIcc, Kappa, NearnessOfNumbers, Panel, agreement_difference, by_reader
from audit.stats._readers import _shares

LEVELS = Levels()


def panel(n: int = 120, readers: int = 3, *, noise: float = 0.5, seed: int = 0, shift: float = 0.0, per: int = 1):
    """Return a panel of grades 0..3 of a latent severity, the model with its own noise."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n)
    cuts = [-0.7, 0, 0.7]
    read = np.digitize(latent[:, None] + 0.5 * rng.normal(size=(n, readers)), cuts).astype(float)
    model = np.digitize(latent + shift + noise * rng.normal(size=n), cuts)
    return Panel(
        model=model, readers=read, patients=np.arange(n) // per, measure=Kappa(categories=4), consensus="median"
    )


def plain(found: Panel) -> float:
    """Return model minus readers with three readers and medians, by scikit-learn on cases counted twice."""
    gaps = []
    for r in range(3):
        others = np.delete(found.readers, r, axis=1).astype(int)
        # A median between two grades is half of each: each case counts twice, once with each of the two readings.
        low, high = others.min(axis=1), others.max(axis=1)
        pairs = [
            cohen_kappa_score(np.tile(a, 2), np.concatenate([low, high]), weights="quadratic")
            for a in (found.model, found.readers[:, r].astype(int))
        ]
        gaps.append(pairs[0] - pairs[1])
    return float(np.mean(gaps))


def test_the_difference_is_that_of_a_plain_computation():
    """Three readers: mean over readers of the model's kappa minus the reader's with the other two, to 1e-12."""
    found = panel()
    given = agreement_difference(found, LEVELS)
    assert given.value == pytest.approx(plain(found), abs=1e-12)
    assert (given.n, given.n_patients) == (120, 120)
    assert "these and no others" in given.method


def test_a_tie_is_shared():
    """Majority of 0, 0, 1 is 0; of 0, 1 half of each; of 0, 1, 2 a third. Median of 0, 3 is half of each end."""
    readings = np.array([[0, 0, 1], [0, 1, np.nan], [0, 1, 2]])
    votes = _shares(readings, 4, "majority")
    np.testing.assert_allclose(votes, [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0]])
    middle = _shares(np.array([[0, 3, np.nan], [0, 1, 3], [2, 2, np.nan]]), 4, "median")
    np.testing.assert_allclose(middle, [[0.5, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize(("n", "share"), [(99, 0.25), (100, 0.4), (299, 0.4), (300, 0.6), (999, 0.6), (1000, 1.0)])
def test_rungs_are_stricter_with_fewer_patients(n: int, share: float):
    """The bound of a level is that of 0.25 (0.4, 0.6) of the level below 100 (300, 1000) patients, to 1e-9."""
    from audit.stats import _readers as own

    found = panel(n, seed=2)
    given = agreement_difference(found, LEVELS)
    sides = own._sides(found, np.ones(n, bool), own.Patients.of(found.patients))
    down, up = own._arms(sides, True, np.array([share * 0.025]))
    assert given.bounds(0.025) == pytest.approx((given.value - down[0], given.value + up[0]), abs=1e-9)


def test_a_rare_answer_counts_as_few_patients():
    """Of 400 patients 14 with a positive reading carry no number; 16 count as 64 and carry the strictest rungs."""
    rng = np.random.default_rng(0)

    def rare(positive: int) -> Panel:
        read = np.zeros((400, 3))
        read[:positive] = rng.random((positive, 3)) < 0.8
        read[:positive, 0] = 1
        model = np.where(np.arange(400) < positive, rng.random(400) < 0.8, 0)
        return Panel(
            model=model, readers=read, patients=np.arange(400), measure=Kappa(categories=2, weights="none"),
            consensus="majority",
        )  # fmt: skip

    missing = agreement_difference(rare(14), LEVELS).missing
    assert missing == "14 patients with a reading other than the commonest; a comparison with readers needs 15"
    from audit.stats import _readers as own

    found = rare(16)
    given = agreement_difference(found, LEVELS)
    sides = own._sides(found, np.ones(400, bool), own.Patients.of(found.patients))
    down, _ = own._arms(sides, True, np.array([0.25 * 0.025]))
    assert given.bounds(0.025)[0] == pytest.approx(given.value - down[0], abs=1e-9)


def test_59_patients_carry_no_number():
    """Under 60 patients there is no number, with more cases than that as well."""
    assert "59 patients" in agreement_difference(panel(59), LEVELS).missing
    assert "60 patients on" in agreement_difference(panel(177, per=3), LEVELS).missing
    assert agreement_difference(panel(60), LEVELS).value is not None


def test_five_readers_stand_for_others():
    """With five readers their own variance widens the interval, unless they are said to be fixed."""
    found = panel(readers=5)
    sample, fixed = agreement_difference(found, LEVELS), agreement_difference(found, LEVELS, random_readers=False)
    assert sample.value == fixed.value
    assert sample.bounds(0.025)[0] < fixed.bounds(0.025)[0]
    assert "a sample of readers" in sample.method


def test_a_model_like_the_readers_differs_by_nothing():
    """Equal noise: 0 is inside; a noisy model is wholly below, a model without noise wholly above."""
    low, high = agreement_difference(panel(400), LEVELS).bounds(0.025)
    assert low < 0 < high
    assert agreement_difference(panel(400, noise=1.5), LEVELS).bounds(0.025)[1] < -0.1
    assert agreement_difference(panel(400, noise=0.0), LEVELS).bounds(0.025)[0] > 0


def test_cases_that_one_reader_read_are_not_used():
    """A case without a second reading faces no consensus and is not counted."""
    found = panel(150)
    found.readers[:30, 1:] = np.nan
    given = agreement_difference(found, LEVELS)
    assert (given.n, given.n_patients) == (120, 120)
    rows = by_reader(found, LEVELS)
    assert [row.reader.n for row in rows] == [120, 120, 120]
    assert rows[0].model.n == 120


def test_numbers_by_icc_and_by_distance():
    """Two readers of a number: the difference is that of ICC(A,1), and of the mean absolute difference."""
    rng = np.random.default_rng(1)
    truth = rng.normal(70, 10, 100)
    read = truth[:, None] + rng.normal(0, 3, (100, 2))
    model = truth + 2 + rng.normal(0, 3, 100)

    def given(measure):
        return agreement_difference(
            Panel(model=model, readers=read, patients=np.arange(100), measure=measure, consensus="mean"), LEVELS
        )

    def pair(a, b):
        return icc_value(np.stack([a, b], axis=1), form="2,1")

    wanted = (pair(model, read[:, 1]) + pair(model, read[:, 0])) / 2 - pair(read[:, 0], read[:, 1])
    assert given(AbsoluteIcc(centre=70)).value == pytest.approx(wanted, abs=1e-9)
    apart = np.abs(read[:, 0] - read[:, 1]).mean() - (np.abs(model[:, None] - read)).mean()
    assert given(NearnessOfNumbers()).value == pytest.approx(apart, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: np.delete(p.readers, [1, 2], axis=1), "two are the least"),
        (lambda p: np.full_like(p.readers, np.nan), "no case was read by two"),
        (lambda p: np.zeros_like(p.readers), "0 patients with a reading other"),
        (lambda p: np.repeat(p.readers[:, :1], 3, axis=1), "never disagrees"),
    ],
)
def test_no_number_has_its_reason(change, reason: str):
    """One reader, no double reading, one answer only and readers who never disagree have no number."""
    found = panel()
    changed = Panel(
        model=found.model, readers=change(found), patients=found.patients, measure=found.measure, consensus="median"
    )
    given = agreement_difference(changed, LEVELS)
    assert given.value is None
    assert reason in given.missing


def test_panels_that_do_not_fit_are_errors():
    """A mean of categories, and readings of other cases, are errors."""
    found = panel()
    with pytest.raises(ValueError, match="consensus"):
        Panel(model=found.model, readers=found.readers, patients=found.patients, measure=found.measure,
              consensus="mean")  # fmt: skip
    with pytest.raises(ValueError, match="expected 120"):
        Panel(model=found.model[:9], readers=found.readers, patients=found.patients, measure=found.measure,
              consensus="median")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 300])
def test_a_model_at_the_margin_is_seldom_called_non_inferior(n: int):
    """A model whose mean kappa is .0883 lower than the readers' is shown to be nearer in at most 3.5 % of 1,500."""
    rng, cuts, shown = np.random.default_rng(77), [-1, -0.3, 0.3, 1], 0
    for _ in range(1500):
        latent = rng.normal(size=n)
        read = np.digitize(latent[:, None] + 0.5 * rng.normal(size=(n, 3)), cuts).astype(float)
        model = np.digitize(latent + 0.75 * rng.normal(size=n), cuts)
        found = Panel(model=model, readers=read, patients=np.arange(n), measure=Kappa(categories=5), consensus="median")
        shown += agreement_difference(found, LEVELS).bounds(0.025)[0] > -0.0883
    assert shown / 1500 <= 0.035
