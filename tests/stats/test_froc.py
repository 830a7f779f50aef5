"""Free-response ROC against a plain loop over thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from audit.core import Levels
from audit.stats import RATES, Marks, froc_curve, froc_sensitivity

LEVELS = Levels()


def marks(n_images: int = 40, seed: int = 0, *, digits: int = 1):
    """Return marks with ties, images without lesion or mark and lesions that nothing hits."""
    rng = np.random.default_rng(seed)
    lesions = rng.integers(0, n_images, 30)
    alarms = rng.integers(0, n_images, 70)
    scores = np.round(rng.normal(1, 1, 30), digits)
    scores[rng.random(30) < 0.2] = -np.inf
    return Marks(
        lesion_scores=scores, lesion_images=lesions, false_scores=np.round(rng.normal(0, 1, 70), digits),
        false_images=alarms, n_images=n_images,
    )  # fmt: skip


def by_loop(found: Marks, images: list[int], rate: float) -> float:
    """Return the sensitivity at a rate by trying every threshold on copied images."""
    lesions = [s for i in images for s, j in zip(found.lesion_scores, found.lesion_images, strict=True) if i == j]
    alarms = [s for i in images for s, j in zip(found.false_scores, found.false_images, strict=True) if i == j]
    best = 0.0
    for threshold in {*lesions, *alarms} - {-np.inf}:
        if sum(s >= threshold for s in alarms) <= rate * len(images) + 1e-9:
            best = max(best, sum(s >= threshold for s in lesions) / len(lesions))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_that_of_a_plain_loop(seed: int):
    """Sensitivities at all rates, 0 among them, equal those of every threshold tried, to 1e-12."""
    found = marks(seed=seed)
    rates = (0.0, *RATES)
    wanted = [by_loop(found, list(range(40)), rate) for rate in rates]
    assert froc_curve(found, rates).tolist() == pytest.approx(wanted, abs=1e-12)


def test_a_resample_picks_its_own_threshold():
    """With weights, the sensitivity equals that of images copied as often, threshold chosen again, to 1e-12."""
    from audit.stats._froc import _Curve

    found, rng = marks(seed=5), np.random.default_rng(2)
    curve = _Curve(found, (0.5, 1.0))
    for _ in range(5):
        images = rng.integers(0, 40, 40)
        weights = np.bincount(images, minlength=40).astype(float)[None]
        wanted = [by_loop(found, images.tolist(), rate) for rate in (0.5, 1.0)]
        assert curve.sensitivities(weights)[0].tolist() == pytest.approx(wanted, abs=1e-12)


def test_the_mean_over_rates_has_an_interval_by_patient():
    """The value is the mean over 1/8 to 8, and images of one patient make it wider than images of their own."""
    found = marks()
    rng = np.random.default_rng(0)
    alone = froc_sensitivity(found, np.arange(40), LEVELS, rng, resamples=400)
    shared = froc_sensitivity(found, np.arange(40) // 4, LEVELS, rng, resamples=400)
    assert alone.value == pytest.approx(froc_curve(found).mean())
    assert (alone.n, alone.n_patients, shared.n_patients) == (40, 40, 10)
    assert 0 <= shared.bounds(0.025)[0] < alone.value < shared.bounds(0.025)[1] <= 1


def test_hits_at_held_thresholds_make_up_the_curve():
    """The share of lesions hit at the thresholds of all cases is the sensitivity, at each rate and over several."""
    from audit.stats._froc import _Curve

    for seed in range(4):
        found = marks(seed=seed)
        for rates in ((0.5,), (0.0, 1.0), RATES):
            held, images = _Curve(found, rates).hits()
            assert held.mean() == pytest.approx(froc_curve(found, rates).mean(), abs=1e-12)
            assert sorted(images) == sorted(found.lesion_images)


def test_no_bound_is_nearer_than_at_a_threshold_held_fixed():
    """All 20 lesions found without a false alarm: the bounds are those of 20 of 20, not of width 0."""
    found = Marks(
        lesion_scores=np.arange(1.0, 21), lesion_images=np.arange(20), false_scores=np.zeros(20),
        false_images=np.arange(20), n_images=20,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    estimate = froc_sensitivity(found, np.arange(20), LEVELS, rng, rates=(0.5,), resamples=200)
    assert estimate.value == 1.0
    assert estimate.bounds(0.025) == pytest.approx((0.025 ** (1 / 20), 1.0), abs=1e-12)
    with pytest.raises(ValueError, match="at least 100"):
        froc_sensitivity(found, np.arange(20), LEVELS, rng, resamples=99)


def test_few_patients_with_a_lesion_are_no_number():
    """Four patients with a lesion carry no interval, however many images there are."""
    found = Marks(
        lesion_scores=np.arange(4.0), lesion_images=np.arange(4), false_scores=np.arange(9.0),
        false_images=np.arange(9), n_images=50,
    )  # fmt: skip
    missing = froc_sensitivity(found, np.arange(50), LEVELS, np.random.default_rng(0), resamples=100)
    assert missing.value is None
    assert "4 patients with a lesion" in missing.missing


def test_no_false_alarm_finds_all_that_is_ever_hit():
    """Without a false alarm every threshold is allowed, and a lesion that nothing hits is still missed."""
    found = Marks(
        lesion_scores=np.array([0.9, -np.inf]), lesion_images=np.array([0, 1]), false_scores=np.array([]),
        false_images=np.array([], dtype=int), n_images=3,
    )  # fmt: skip
    assert froc_curve(found, (0.0, 1.0)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "wrong",
    [{"lesion_images": np.array([0])}, {"lesion_images": np.array([0, 3])}, {"false_scores": np.array([np.inf])},
     {"lesion_scores": np.array([np.nan, 1])}],
)  # fmt: skip
def test_marks_that_do_not_fit_are_errors(wrong: dict[str, np.ndarray]):
    """Lengths, images beyond the cohort and scores that are no number are errors."""
    right = {
        "lesion_scores": np.array([1.0, 2]), "lesion_images": np.array([0, 1]), "false_scores": np.array([1.0]),
        "false_images": np.array([0]),
    }  # fmt: skip
    with pytest.raises(ValueError, match="expected"):
        Marks(**{**right, **wrong}, n_images=3)
    with pytest.raises(ValueError, match="rates"):
        froc_sensitivity(Marks(**right, n_images=3), np.arange(3), LEVELS, np.random.default_rng(0), rates=(),
                         resamples=100)  # fmt: skip


@pytest.mark.slow
def test_coverage_is_at_its_rate():
    """The 95 % interval at 1 false alarm an image covers in at least 93 % of 300 samples of 80 patients."""

    def sample(rng: np.random.Generator, patients: int) -> tuple[Marks, np.ndarray]:
        effect = rng.normal(0, 0.5, patients)
        lesions, alarms = np.repeat(np.arange(patients), rng.integers(0, 3, patients)), rng.poisson(3, patients)
        where = np.repeat(np.arange(patients), alarms)
        return Marks(
            lesion_scores=rng.normal(1, 1, len(lesions)) + effect[lesions], lesion_images=lesions,
            false_scores=rng.normal(-0.5, 1, len(where)) + effect[where] * 0.5, false_images=where, n_images=patients,
        ), np.arange(patients)  # fmt: skip

    rng, covered = np.random.default_rng(9), 0
    truth = float(froc_curve(sample(rng, 200_000)[0], (1.0,))[0])
    for _ in range(300):
        found, who = sample(rng, 80)
        low, high = froc_sensitivity(found, who, LEVELS, rng, rates=(1.0,), resamples=800).bounds(0.025)
        covered += low <= truth <= high
    assert covered / 300 >= 0.93
