"""The brain phantom keeps what it promises."""

from dataclasses import replace

import numpy as np
import pytest

from audit.reference.phantoms import (
    PROTOCOL_A,
    PROTOCOLS,
    BrainKnobs,
    BrainSlices,
    Case,
    Composition,
    render,
    sample_parameters,
    spin_echo,
)
from audit.reference.phantoms._protocol import WHITE_MATTER

CELLS = [Case(label=y, sex=s, protocol=p) for y in (0, 1) for s in ("female", "male") for p in ("A", "B")]


def _cohort(repeats: int = 8, seed: int = 11) -> BrainSlices:
    return BrainSlices(CELLS * repeats, seed=(seed, 7))


def test_spin_echo_matches_a_hand_worked_value() -> None:
    """White matter at TR 3000, TE 80: 0.70 (1 - e^-3.529) e^-1.067 = 0.2338."""
    assert spin_echo(WHITE_MATTER, tr_ms=3000.0, te_ms=80.0) == pytest.approx(0.2338, abs=5e-4)


def test_the_gain_sets_white_matter() -> None:
    """White matter has the protocol's declared signal, and fluid is the brightest tissue."""
    for protocol in PROTOCOLS.values():
        grey, white, fluid = protocol.signals()
        assert white == pytest.approx(protocol.white_matter)
        assert white < grey < fluid


def test_a_case_is_the_same_in_any_order() -> None:
    """A plane depends on seed, position and case alone."""
    forward, backward = _cohort(), _cohort()
    first = [forward.image(index) for index in range(4)]
    again = [backward.image(index) for index in reversed(range(4))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], _cohort(seed=12).image(0))


def test_images_are_stored_grey_levels() -> None:
    """Images are whole numbers from 0 to 4095 with one channel, served as float32."""
    image = _cohort().image(3)
    assert image.shape == (1, 64, 64)
    assert image.dtype == np.float32
    assert np.array_equal(image, np.round(image))
    assert 0 <= image.min() < image.max() <= 4095


def test_lesions_lie_inside_the_brain() -> None:
    """No lesion reaches the air, and every drawn lesion found room."""
    cohort = _cohort()
    for index in range(len(cohort)):
        plane = cohort.plane(index)
        assert not (plane.lesions & ~plane.brain).any()
        assert plane.n_placed == cohort.parameters(index).n_lesions
        assert plane.lesions.any() == (plane.n_placed > 0)


def test_air_is_blank() -> None:
    """Outside the brain nothing is left, so an attack has no air to use."""
    plane = _cohort().plane(0)
    assert not plane.image[~plane.brain].any()
    assert plane.image[plane.brain].min() > 0


def test_contrast_to_noise_is_equal_across_protocols() -> None:
    """The same lesions have the same contrast in SDs of the noise under either protocol, within 5 %."""
    knobs = BrainKnobs()
    ratios = []
    for seed in range(40):
        drawn = sample_parameters(np.random.default_rng(seed), label=1, sex="female", protocol="A", knobs=knobs)
        a, b = (render(replace(drawn, protocol=name), knobs=knobs).contrast_to_noise for name in PROTOCOLS)
        if a and b:
            ratios.append(a / b)
    assert len(ratios) > 30
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.std(ratios) < 0.05


def test_contrast_to_noise_is_real() -> None:
    """The declared contrast is that of the image: the same plane with and without lesions differs by it."""
    knobs = BrainKnobs()
    drawn = sample_parameters(np.random.default_rng(5), label=1, sex="male", protocol="A", knobs=knobs)
    drawn = replace(drawn, gain=1.0, bias=(0.0,) * 5)
    plane = render(drawn, knobs=knobs)
    bare = render(replace(drawn, spots=tuple(s for s in drawn.spots if s.kind != "lesion")), knobs=knobs)
    change = (plane.image.astype(float) - bare.image)[plane.lesions & ~plane.distractors].mean() / 4095
    assert plane.contrast_to_noise is not None
    assert change == pytest.approx(plane.contrast_to_noise * PROTOCOL_A.noise, rel=0.1)


def test_lesions_are_drawn_from_the_label_alone() -> None:
    """Number, size, contrast and relative place of all spots are identical for any sex and protocol."""
    knobs = BrainKnobs()
    for label in (0, 1):
        drawn = [
            sample_parameters(np.random.default_rng(3), label=label, sex=sex, protocol=protocol, knobs=knobs)
            for sex in ("female", "male")
            for protocol in ("A", "B")
        ]
        assert all(one.spots == drawn[0].spots for one in drawn)


def test_distractors_are_equally_frequent_in_both_labels() -> None:
    """Distractors tell nothing of the label; lesions do."""
    knobs = BrainKnobs()
    counts = {"lesion": [0, 0], "streak": [0, 0], "cortical": [0, 0]}
    rng, n = np.random.default_rng(8), 1500
    for label in (0, 1):
        for _ in range(n):
            for spot in sample_parameters(rng, label=label, sex="male", protocol="B", knobs=knobs).spots:
                counts[spot.kind][label] += 1
    for kind in ("streak", "cortical"):
        low, high = np.array(counts[kind]) / n
        # Five standard errors of the difference of two Poisson means of 1.5.
        assert abs(high - low) < 5 * np.sqrt(2 * 1.5 / n)
    assert counts["lesion"][1] > 3 * counts["lesion"][0]


def test_lesion_and_distractor_have_the_same_contrast() -> None:
    """Contrast is drawn from one range for lesions and distractors."""
    knobs, rng = BrainKnobs(), np.random.default_rng(2)
    spots = [
        spot
        for _ in range(400)
        for spot in sample_parameters(rng, label=1, sex="male", protocol="A", knobs=knobs).spots
    ]
    means = [
        np.mean([s.contrast_to_noise for s in spots if (s.kind == "lesion") is lesion]) for lesion in (True, False)
    ]
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_lesion_counts_alone_rank_the_labels() -> None:
    """The AUC attainable from the lesion count is between 0.93 and 0.96."""
    from scipy.stats import poisson

    knobs, k = BrainKnobs(), np.arange(80)
    low, high = poisson.pmf(k, knobs.lesions_low), poisson.pmf(k, knobs.lesions_high)
    area = float((high * (np.cumsum(low) - low / 2)).sum())
    assert 0.93 <= area <= 0.96


def test_male_heads_are_larger() -> None:
    """Sex shows as head size of about 4 % either way."""
    knobs = BrainKnobs()
    scales = {
        sex: np.mean(
            [
                sample_parameters(np.random.default_rng(seed), label=0, sex=sex, protocol="A", knobs=knobs).scale
                for seed in range(200)
            ]
        )
        for sex in ("female", "male")
    }
    assert scales["male"] - scales["female"] == pytest.approx(0.08, abs=0.005)


@pytest.mark.parametrize("n", [100, 1250, 3000])
def test_composition_counts_add_up(n: int) -> None:
    """Every label has exactly the asked number, and the shares are those declared."""
    composition = Composition(male_given_high=0.85, male_given_low=0.35, a_given_high=0.65, a_given_low=0.35)
    counts = composition.counts(n)
    for label, male in ((0, 0.35), (1, 0.85)):
        of_label = {case: count for case, count in counts.items() if case.label == label}
        assert sum(of_label.values()) == n
        assert sum(c for case, c in of_label.items() if case.sex == "male") == pytest.approx(male * n, abs=1)


def test_sex_is_independent_of_protocol_given_the_label() -> None:
    """Within a label, the share of males is the same under both protocols."""
    counts = Composition(male_given_high=0.85, male_given_low=0.35, a_given_high=0.85, a_given_low=0.35).counts(2000)
    for label, male in ((0, 0.35), (1, 0.85)):
        for protocol in ("A", "B"):
            cell = {s: counts[Case(label=label, sex=s, protocol=protocol)] for s in ("female", "male")}
            assert cell["male"] / sum(cell.values()) == pytest.approx(male, abs=0.005)


def _reads(image: np.ndarray) -> list[float]:
    """Area, extent, brightness and fine texture of one plane."""
    brain = image > 0
    rows, columns = np.flatnonzero(brain.any(axis=1)), np.flatnonzero(brain.any(axis=0))
    deep = image[24:40, 24:40]
    fine = np.abs(np.diff(deep, n=2, axis=0))
    return [brain.sum(), np.ptp(rows), np.ptp(columns), np.median(deep), np.median(fine), np.median(fine) / deep.mean()]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "level"), [("sex", "male"), ("protocol", "A")])
def test_sex_and_protocol_can_be_read_from_a_plane(name: str, level: str) -> None:
    """A logistic model on six plain numbers tells the levels apart with an AUC of 0.9 in planes it has not seen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    planes = _cohort(repeats=100)
    table = np.array([_reads(planes.image(index)[0]) for index in range(len(planes))])
    truth = np.array([getattr(case, name) == level for case in planes.cases])
    reader = make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=1000))
    half = len(planes) // 2
    reader.fit(table[:half], truth[:half])
    assert roc_auc_score(truth[half:], reader.predict_proba(table[half:])[:, 1]) >= 0.9
